"""Runs a recording in lock-step and as a backtest, and compares everything that both have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from truebook.backtest.result import BacktestResult
from truebook.backtest.run import Request, run_backtest
from truebook.messages.observations import Observation
from truebook.money import format_micros, format_price, format_size
from truebook.observation.builder import ObservationBuilder
from truebook.runtime.settings import load
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.run import HISTORY, run_to_end
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.system import choose_model
from truebook_services.operator.port import Status

VALUES = (
    "deposits_micros", "cash_micros", "reserved_micros", "position_cost_micros", "realized_micros",
    "unrealized_micros", "fees_micros", "equity_micros", "unvalued_markets",
)  # fmt: skip
MACHINE = {"cause_id": "", "exchange_us": None, "frame_us": 0}
"""What observations carry about messages and this machine; a backtest has neither."""


class Silent:
    """A view that shows nothing."""

    every_s = 1e6

    def show(self, status: Status, events: list[str]) -> None: ...
    def report(self, text: str) -> None: ...


class Both(msgspec.Struct):
    """What the two runs left."""

    history: list[dict[str, Any]]
    summary: Status
    result: BacktestResult
    observed: list[Observation]
    """In lock-step."""
    observed_by_engine: list[Observation]

    @property
    def fills(self) -> int:
        return len(self.result.passes[0].fills)


@contextmanager
def _observations() -> Iterator[list[Observation]]:
    """Collect every observation that is built meanwhile."""
    found: list[Observation] = []
    build = ObservationBuilder.build

    def built(self: ObservationBuilder, *args: Any, **kwargs: Any) -> Observation:
        observation = build(self, *args, **kwargs)
        found.append(msgspec.structs.replace(observation, **MACHINE))
        return observation

    with mock.patch.object(ObservationBuilder, "build", built):
        yield found


def both(path: Path, model: str, **changed: Any) -> Both:
    """Run in lock-step in the current folder, then the backtest."""
    settings = load(EmbeddedSettings, capture=path, speed="max", model=model, fresh=True, **changed)
    with _observations() as observed:
        code, summary = run_to_end(settings, Silent())
    assert code in (0, 5)
    history = next(settings.state_path.glob(HISTORY)).read_text().splitlines()
    request = Request(
        path=path, settings=engine_settings(settings, path), queues=(settings.paper_exchange.queue,)
    )  # fmt: skip
    with _observations() as observed_by_engine:
        result = run_backtest(request, choose_model(settings).load(model))
    return Both(
        [json.loads(line) for line in history], summary, result, observed, observed_by_engine
    )  # fmt: skip


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


def check_equal(path: Path, model: str, **changed: Any) -> Both:
    """Check that both runs are equal, and return them."""
    ran = both(path, model, **changed)
    account = ran.result.passes[0].account
    for ours, theirs in zip(ran.observed_by_engine, ran.observed, strict=False):
        assert ours == theirs
    assert len(ran.observed_by_engine) == len(ran.observed)
    assert lines_of(ran.result) == ran.history
    for name in VALUES:
        assert getattr(account, name) == getattr(ran.summary, name), name
    assert account.ledger_equals_exchange
    assert ran.result.passes[0].observations == ran.summary.observations
    return ran
