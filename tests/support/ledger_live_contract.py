"""Which markets are live: those with an open order, or with a position while they are not settled."""

from __future__ import annotations

from support.ledger_verbs import ASK, a_fill, a_reserve, an_acknowledge, opened
from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import AdoptedPosition, Close, Prune, SettleMarket

HOUR_US = 3_600_000_000


async def live(store: LedgerStore) -> list[str]:
    """Return the tickers of the live view, which is checked against the view of all markets."""
    shown, everything = await store.live_view(), await store.view()
    expected = [m for m in everything.markets if m.orders or (m.position_centi and m.settlement_cc is None)]
    assert (shown.account, list(shown.markets), shown.inflows) == (everything.account, expected, None)
    assert (await store.audit()).errors == {}
    return [market.ticker for market in shown.markets]


class LiveContract:
    async def test_a_market_is_live_from_its_order_to_its_settlement(self, store: LedgerStore) -> None:
        assert await live(store) == []
        await opened(store)
        assert await live(store) == []
        await store.apply(a_reserve("a"))
        assert await live(store) == ["M"], "an order is open"
        await store.apply(an_acknowledge("a"))
        await store.apply(a_fill(size_centi=1000))
        assert await live(store) == ["M"], "a position, and no order"
        await store.apply(SettleMarket(ticker="M", settlement_cc=10_000))
        assert await live(store) == []
        await store.apply(Prune(terminal_before_us=HOUR_US, settled_before_us=HOUR_US))
        assert await live(store) == []
        assert [market.ticker for market in (await store.view()).markets] == [""], "added up, and not live either"

    async def test_a_closed_position_and_a_cancelled_order_are_not_live(self, store: LedgerStore) -> None:
        await opened(store)
        await store.apply(a_reserve("a"))
        await store.apply(an_acknowledge("a"))
        await store.apply(a_fill(size_centi=1000))
        await store.apply(a_reserve("b", book_side=ASK, ticker="M"))
        await store.apply(an_acknowledge("b"))
        await store.apply(a_fill("u", order_id="xb", book_side=ASK, size_centi=1000))
        await store.apply(a_reserve("c", ticker="N"))
        assert await live(store) == ["N"]
        await store.apply(Close(order_id="c", exchange_order_id=None, filled_centi=0))
        assert await live(store) == []

    async def test_a_settled_market_with_an_open_order_is_live(self, store: LedgerStore) -> None:
        """Its fills may not be reported yet."""
        await opened(store)
        await store.apply(a_reserve("a"))
        await store.apply(SettleMarket(ticker="M", settlement_cc=0))
        assert await live(store) == ["M"]
        await store.apply(Close(order_id="a", exchange_order_id=None, filled_centi=0))
        assert await live(store) == []

    async def test_an_adopted_position_is_live(self, store: LedgerStore) -> None:
        positions = [
            AdoptedPosition(ticker=ticker, event="E", position_centi=position_centi, cost_micros=0)
            for ticker, position_centi in (("M", 5), ("N", -5), ("flat", 0))
        ]
        await opened(store, *positions)
        assert await live(store) == ["M", "N"]

    async def test_a_refused_order_does_not_make_its_market_live(self, store: LedgerStore) -> None:
        await opened(store, balance_micros=1)
        assert str(await store.apply(a_reserve("a"))).startswith("refused")
        assert await live(store) == []
