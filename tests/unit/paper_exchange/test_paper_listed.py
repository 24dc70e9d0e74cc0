"""What the lists of an account keep of earlier states, and for how long."""

from __future__ import annotations

from support.manual_exchange import ACCOUNT, ManualExchange, request
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketStatus
from truebook_services.paper_exchange.engine.commands import PlaceOrder
from truebook_services.paper_exchange.engine.market_commands import ChangeMarket, MarketChange


async def test_positions_of_settled_markets_are_dropped_flat_ones_too() -> None:
    exchange = ManualExchange(accounts=(), tickers=("KX-1-A",))
    exchange.tick(5)
    bought = request("KX-1-A", 1, price_cc=9_900, size_centi=100)
    sold = request("KX-1-A", 2, book_side=BookSide.ASK, price_cc=100, size_centi=100)
    await exchange.command(PlaceOrder(ACCOUNT, bought))
    await exchange.command(PlaceOrder(ACCOUNT, sold))
    kept = exchange.server.state.faults.listed._positions
    assert list(kept) == [(ACCOUNT, "KX-1-A")]
    assert exchange.engine.queries.positions(ACCOUNT) == [], "flat: no settlement names it"
    await exchange.command(ChangeMarket("KX-1-A", MarketChange.SETTLE, value=10_000))
    exchange.tick(10)
    market = exchange.engine.queries.market("KX-1-A")
    assert market is not None and market.status is MarketStatus.FINALIZED
    assert not exchange.server.state.faults.listed._positions
