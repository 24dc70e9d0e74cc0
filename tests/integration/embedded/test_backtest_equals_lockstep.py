"""A backtest gives the orders, fills and final values of a run in lock-step, field for field: also ids and times."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from support.made_recordings import make_recording
from support.recordings import recording
from truebook.backtest.result import BacktestResult
from truebook.backtest.run import Request, run_backtest
from truebook.money import format_micros, format_price, format_size
from truebook.runtime.settings import load
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.run import HISTORY, run_to_end
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.system import choose_model
from truebook_services.operator.port import Status

GOLD_FRAMES = 6_000


class Silent:
    """A view that shows nothing."""

    every_s = 1e6

    def show(self, status: Status, events: list[str]) -> None: ...
    def report(self, text: str) -> None: ...


def both(path: Path, model: str, **changed: Any) -> tuple[list[dict[str, Any]], Status, BacktestResult]:
    """Run in lock-step in the current folder, then the backtest; returns history and summary, and the result."""
    settings = load(EmbeddedSettings, capture=path, speed="max", model=model, fresh=True, **changed)
    code, summary = run_to_end(settings, Silent())
    assert code in (0, 5)
    history = next(settings.state_path.glob(HISTORY)).read_text().splitlines()
    registry = choose_model(settings)
    request = Request(
        path=path, settings=engine_settings(settings, path), queues=(settings.paper_exchange.queue,)
    )  # fmt: skip
    return [json.loads(line) for line in history], summary, run_backtest(request, registry.load(model))


def lines_of(result: BacktestResult) -> list[dict[str, Any]]:
    """Write the result's orders and fills as the history of a run has them."""
    one = result.passes[0]
    orders = [
        {
            "order": order.ticker, "side": order.side, "price": format_price(order.price_cc),
            "size": format_size(order.size_centi), "filled": format_size(order.filled_centi),
            "outcome": order.status, "order_id": order.order_id, "client_order_id": order.client_order_id,
            "at_us": order.created_us,
        }
        for order in one.orders
    ]  # fmt: skip
    fills = [
        {
            "fill": fill.ticker, "side": fill.side, "price": format_price(fill.price_cc),
            "size": format_size(fill.size_centi), "fee": format_micros(fill.fee_micros), "taker": fill.is_taker,
            "basis": fill.basis, "order_id": fill.order_id, "trade_id": fill.trade_id, "at_us": fill.at_us,
        }
        for fill in one.fills
    ]  # fmt: skip
    return [*orders, *fills]


def check_equal(path: Path, model: str, **changed: Any) -> tuple[int, int]:
    """Check both; return the numbers of orders sent and of fills."""
    history, summary, result = both(path, model, **changed)
    account = result.passes[0].account
    assert lines_of(result) == history
    for name in (
        "deposits_micros", "cash_micros", "reserved_micros", "position_cost_micros", "realized_micros",
        "unrealized_micros", "fees_micros", "equity_micros", "unvalued_markets",
    ):  # fmt: skip
        assert getattr(account, name) == getattr(summary, name), name
    assert account.ledger_equals_exchange
    assert result.passes[0].observations == summary.observations
    return summary.orders.sent, len(result.passes[0].fills)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("model", ["maker", "small"])
def test_many_markets_give_equal_histories(tmp_path: Path, model: str) -> None:
    made = make_recording(tmp_path / "made", seconds=40, markets=8, seed=11)
    assert check_equal(made, model)[0] >= 10


def test_another_queue_and_latency_give_equal_histories(tmp_path: Path) -> None:
    made = make_recording(tmp_path / "made", seconds=30, seed=4)
    exchange = {"queue": "optimistic", "order_latency_us": 0, "cancel_latency_us": 250_000, "seed": 9}
    assert check_equal(made, "maker", paper_exchange=exchange)[1] >= 3


def test_orders_on_their_way_at_the_end_give_equal_histories(tmp_path: Path) -> None:
    """The latency is longer than what follows the last frame: nothing more is sent meanwhile."""
    made = make_recording(tmp_path / "made", seconds=20, seed=5)
    history, summary, result = both(made, "maker", paper_exchange={"order_latency_us": 2_000_000})
    assert lines_of(result) == history
    assert result.passes[0].account.cash_micros == summary.cash_micros
    assert summary.orders.sent >= 10


def test_a_real_session_gives_equal_histories() -> None:
    _, fills = check_equal(recording("ws", "jfreun123_demo_20260701_session.jsonl"), "maker")
    assert fills >= 20


def test_a_busy_real_market_gives_equal_histories(tmp_path: Path) -> None:
    """The market's frames, numbered again: their subscription was shared with other markets."""
    source = next(iter(recording("gold15m", "events", "KXGOLD15M-26AUG102130-30").glob("*.gz")))
    bare = tmp_path / "gold.jsonl"
    numbers: dict[int, int] = {}
    with gzip.open(source, "rt") as lines, bare.open("w") as out:
        for _, line in zip(range(GOLD_FRAMES), lines, strict=False):
            frame = json.loads(line)["event"]
            if "seq" in frame:
                numbers[frame["sid"]] = frame["seq"] = numbers.get(frame["sid"], 0) + 1
            out.write(json.dumps(frame) + "\n")
    assert check_equal(bare, "maker")[1] >= 10
