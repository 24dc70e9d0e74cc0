"""A checkpoint restores the same state as the whole journal; one that does not match is ignored."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
import structlog

from support.manual_exchange import ACCOUNT, SECOND_US, START_US, ManualExchange, request
from support.paper_client import paper_settings, running
from truebook.clock import ManualClock
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.venue.account import CreateResponse, SelfTradePrevention
from truebook_services.paper_exchange.engine.checkpoint import load
from truebook_services.paper_exchange.engine.commands import DecreaseOrder, PlaceOrder
from truebook_services.paper_exchange.server import PaperExchange


async def test_a_checkpoint_continues_like_the_whole_journal(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path / "one")
    exchange.tick(20)
    await exchange.command(PlaceOrder(ACCOUNT, request(exchange.tickers()[0], 1, price_cc=9_900)))
    exchange.server.save_checkpoint()
    exchange.tick(20)
    await exchange.command(PlaceOrder(ACCOUNT, request(exchange.tickers()[1], 2, price_cc=9_900)))
    exchange.kill()
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    (tmp_path / "other" / "checkpoint").unlink()
    one, other = (
        ManualExchange(tmp_path / "one", exchange.clock.now_us()),
        ManualExchange(tmp_path / "other", exchange.clock.now_us()),
    )
    for again in (one, other):
        again.tick(60)
        again.kill()
    assert one.events == other.events != []
    assert one.state() == other.state()


@pytest.mark.parametrize("damage", ["torn", "bit", "other program", "other journal", "longer than the journal"])
async def test_a_checkpoint_that_does_not_match_is_ignored(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = ManualExchange(tmp_path)
    exchange.tick(20)
    await exchange.command(PlaceOrder(ACCOUNT, request(exchange.tickers()[0], 1, price_cc=9_900)))
    journal = (tmp_path / "journal.jsonl").read_bytes()
    exchange.server.save_checkpoint()
    written = (tmp_path / "checkpoint").read_bytes()
    before = exchange.state()
    exchange.kill()
    match damage:
        case "torn":
            (tmp_path / "checkpoint").write_bytes(written[:-100])
        case "bit":
            (tmp_path / "checkpoint").write_bytes(written[:-1] + bytes([written[-1] ^ 1]))
        case "other program":
            monkeypatch.setattr("truebook_services.paper_exchange.engine.checkpoint._program_digest", lambda: "another")
        case "other journal":
            shutil.rmtree(tmp_path)
            exchange = ManualExchange(tmp_path, seed=99)
            exchange.tick(30)
            before = exchange.state()
            exchange.kill()
            (tmp_path / "checkpoint").write_bytes(written)
        case _:
            first = journal.splitlines(keepends=True)[0]
            (tmp_path / "journal.jsonl").write_bytes(first)
            before = {}
    back = ManualExchange(tmp_path, exchange.clock.now_us())
    if before:
        assert back.state() == before
    else:
        assert back.state()["orders"] == [], "only the journal is binding: an order that it lacks does not exist"
    back.kill()


async def test_checkpoints_are_saved_periodically_and_at_shutdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("truebook_services.paper_exchange.engine.checkpoint.CHECKPOINT_STEPS", 100)
    exchange = PaperExchange(paper_settings(tmp_path), clock := ManualClock(START_US), structlog.get_logger())
    exchange.prepare()
    for _ in range(100):
        clock.set(clock.now_us() + SECOND_US)
        while not exchange.tick():
            pass
    assert (tmp_path / "checkpoint").stat().st_mode & 0o777 == 0o600
    exchange.state.core.journal.close()
    (tmp_path / "checkpoint").unlink()
    async with running(paper_settings(tmp_path)):
        pass
    assert (tmp_path / "checkpoint").exists()


async def test_a_checkpoint_that_fails_at_shutdown_is_logged_only(tmp_path: Path) -> None:
    stop = asyncio.Event()
    exchange = PaperExchange(paper_settings(tmp_path), ManualClock(START_US), structlog.get_logger())

    def on_ready() -> None:
        (tmp_path / "checkpoint.next").mkdir()
        stop.set()

    with structlog.testing.capture_logs() as logs:
        await exchange.run(stop, on_ready)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "checkpoint not saved; the next start replays the journal from an earlier one"
    ]
    assert not (tmp_path / "checkpoint").exists()
    ManualExchange(tmp_path).kill()


async def test_a_checkpoint_keeps_all_of_an_order(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path)
    exchange.tick(20)
    first, second, third = exchange.tickers()[:3]
    rests = request(first, 1, price_cc=100, size_centi=700, expiration_s=2 * 10**9, cancel_order_on_pause=True)
    fills = request(second, 2, price_cc=9_900, size_centi=10_000, self_trade_prevention=SelfTradePrevention.MAKER)
    posts = request(third, 3, price_cc=100, post_only=True, exchange_index=0)
    [response, *_] = await exchange.command(*(PlaceOrder(ACCOUNT, one) for one in (rests, fills, posts)))
    assert isinstance(response, CreateResponse)
    await exchange.command(DecreaseOrder(ACCOUNT, response.exchange_order_id, by_centi=100))
    exchange.server.save_checkpoint()
    restored = next(load(tmp_path, structlog.get_logger())).engine
    assert all_of_orders(restored) == all_of_orders(exchange.engine)
    assert len(exchange.engine.queries.fills(ACCOUNT)) > 0, "an order has costs and a rounding"
    for engine in (restored, exchange.engine):
        more = request(first, 4, price_cc=200)
        engine.place(ACCOUNT, more, exchange.clock.now_us())
        engine.cancel(ACCOUNT, response.exchange_order_id, exchange.clock.now_us())
    assert all_of_orders(restored) == all_of_orders(exchange.engine), "what orders hold follows further changes"
    exchange.kill()


def all_of_orders(engine: SimulatedExchange) -> list[object]:
    """List what the engine has of each order, also what no list shows, and what all of them hold."""
    queries = engine.queries
    orders = queries.orders(ACCOUNT)
    ids = [order.exchange_order_id for order in orders]
    return [
        orders,
        [queries.order_request(ACCOUNT, one) for one in ids],
        [queries.order_costs(ACCOUNT, one) for one in ids],
        [queries.queue_position(ACCOUNT, one) for one in ids],
        queries.held_micros(ACCOUNT),
        queries.balance(ACCOUNT),
    ]
