"""A history is continued only by the version of the engine that wrote it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from support.manual_exchange import ACCOUNT, ManualExchange, request
from truebook.messages.envelope import BookSide
from truebook_services.paper_exchange.engine import checkpoint, recovery
from truebook_services.paper_exchange.engine.commands import CancelAllOrders, PlaceOrder
from truebook_services.paper_exchange.engine.entries import ENGINE
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalMismatch

HISTORIES = {
    1: "ee7839261e74c3e58d91ce8c462a172cf08b95d50b488b294b675b627b947552",
    2: "ee7839261e74c3e58d91ce8c462a172cf08b95d50b488b294b675b627b947552",  # changed are histories of recordings only
    3: "ee7839261e74c3e58d91ce8c462a172cf08b95d50b488b294b675b627b947552",  # again only those of recordings
}
"""By engine version: the digest of what one history leads to. If it has changed, raise ``ENGINE`` and add a row."""


async def played(folder: Path) -> ManualExchange:
    """An exchange after a minute with some orders that trade, rest and are cancelled."""
    exchange = ManualExchange(folder, seed=5)
    for number in range(30):
        exchange.tick(2)
        ticker = exchange.tickers()[number % 3]
        side = BookSide.BID if number % 2 else BookSide.ASK
        price_cc = (4_000, 9_900)[number % 4 // 2] if side is BookSide.BID else (6_000, 100)[number % 4 // 2]
        await exchange.command(PlaceOrder(ACCOUNT, request(ticker, number, book_side=side, price_cc=price_cc)))
    await exchange.command(CancelAllOrders(ACCOUNT))
    exchange.tick(2)
    return exchange


async def test_a_history_of_an_engine_version_stays_the_same(tmp_path: Path) -> None:
    exchange = await played(tmp_path)
    state = exchange.state()
    fills = [(each.ticker, each.book_side, each.price_cc, each.size_centi, each.fee_micros) for each in state["fills"]]
    assert len(fills) > 10
    orders = [(each.client_order_id, each.status, each.filled_centi) for each in state["orders"]]
    seen = [
        fills,
        orders,
        state["balance"].balance_micros,
        sorted(state["books"].items()),
        sorted(state["last"].items()),
    ]
    assert hashlib.sha256(msgspec.json.encode(seen)).hexdigest() == HISTORIES[ENGINE]
    exchange.kill()


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_history_of_another_engine_is_refused(
    tmp_path: Path, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "ENGINE", ENGINE + 1 if is_known else 0)
    exchange = await played(tmp_path)
    exchange.server.save_checkpoint()
    exchange.kill()
    monkeypatch.undo()
    monkeypatch.setattr(checkpoint, "_program_digest", lambda: "another")
    written_by = ENGINE + 1 if is_known else "unknown"
    with pytest.raises(
        ExchangeJournalMismatch, match=rf"engine version {written_by}; engine version {ENGINE} .*--fresh"
    ):
        ManualExchange(tmp_path, exchange.clock.now_us())


async def test_the_engine_version_is_no_part_of_the_exchanges_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []
    for version in (0, ENGINE):
        monkeypatch.setattr(recovery, "ENGINE", version)
        exchange = ManualExchange(tmp_path / str(version))
        ids.append(exchange.server.state.exchange_id)
        exchange.kill()
    assert ids[0] == ids[1]
