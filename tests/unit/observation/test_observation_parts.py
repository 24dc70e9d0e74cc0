"""The parts of observation: signals, the netted book, positions and what they are worth."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.book.order_book import OrderBook, net_of
from truebook.features.layout import FeatureError
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import AdoptedPosition, MarketView, OrderView
from truebook.messages.envelope import BookSide, Source
from truebook.messages.orderbook import BookSnapshot, BookStale
from truebook.messages.reasons import Reason
from truebook.messages.signals import Signal
from truebook_services.observation.markets import ObservedMarket, netted, own_orders
from truebook_services.observation.portfolio import Positions
from truebook_services.observation.signals import SignalTable, signals_digest

BID, ASK = BookSide.BID, BookSide.ASK
ENVELOPE: dict[str, Any] = {
    "id": "m", "cause_id": "", "account": "a", "strategy": "s", "source": Source.SIMULATED, "exchange_us": None,
    "produced_us": 0,
}  # fmt: skip


def signal(value: float, as_of_us: int = 0, valid_until_us: int = 100, ticker: str = "T", name: str = "n") -> Signal:
    return Signal(
        ticker=ticker, name=name, value=value, as_of_us=as_of_us, valid_until_us=valid_until_us, **ENVELOPE
    )  # fmt: skip


@pytest.mark.parametrize(
    ("now_us", "names", "answer"),
    [(99, ("n",), {"n": 0.5}), (100, ("n",), Reason.SIGNAL_EXPIRED), (0, ("m",), Reason.SIGNAL_MISSING), (0, (), {})],
    ids=["valid", "expired", "missing", "none needed"],
)
def test_a_signal_is_read_while_it_is_valid(now_us: int, names: tuple[str, ...], answer: Any) -> None:
    table = SignalTable(10)
    table.take(signal(0.5), 0)
    if isinstance(answer, Reason):
        with pytest.raises(FeatureError) as refused:
            table.read("T", names, now_us)
        assert refused.value.reason is answer
    else:
        assert table.read("T", names, now_us) == answer


def test_an_older_value_does_not_replace_a_newer_one() -> None:
    table = SignalTable(10)
    assert table.take(signal(0.5, as_of_us=2), 0)
    assert not table.take(signal(0.1, as_of_us=1), 0)
    assert not table.take(signal(0.5, as_of_us=3), 0), "nothing has changed but the time"
    assert table.read("T", ("n",), 0) == {"n": 0.5}


def test_the_table_is_bounded_and_drops_expired_signals_first() -> None:
    table = SignalTable(2)
    table.take(signal(1, valid_until_us=50, name="a"), 0)
    table.take(signal(2, name="b"), 0)
    table.take(signal(3, name="c"), 60)
    assert len(table) == 2
    assert table.read("T", ("b", "c"), 60) == {"b": 2, "c": 3}
    table.take(signal(4, name="d"), 60)
    assert len(table) == 2
    assert table.read("T", ("c", "d"), 60) == {"c": 3, "d": 4}


def test_the_digest_names_values_and_not_their_order() -> None:
    assert signals_digest({}) == ""
    assert signals_digest({"a": 1.0, "b": 2.0}) == signals_digest({"b": 2.0, "a": 1.0})
    assert signals_digest({"a": 1.0, "b": 2.0}) != signals_digest({"a": 2.0, "b": 1.0})


levels = st.dictionaries(st.integers(1, 50), st.integers(1, 500), max_size=6)
own = st.lists(st.tuples(st.sampled_from(BookSide), st.integers(1, 99), st.integers(1, 700)), max_size=4)


@given(levels, levels, own)
def test_a_lent_netted_book_is_the_copied_one_and_is_given_back_whole(bids: Any, asks: Any, own: Any) -> None:
    book = OrderBook(bids.items(), ((price + 50, size) for price, size in asks.items()))
    before = book.copy()
    with netted(book, tuple(own)) as net:
        assert net == net_of(before, own)
    assert book == before


def order(state: str, remaining_centi: int = 100) -> OrderView:
    return OrderView(
        order_id="o", exchange_order_id=None, ticker="T", book_side=BID, price_cc=4_000, size_centi=100,
        applied_centi=0, remaining_centi=remaining_centi, state=state, reduce_only=False, reserved_us=0,
        deadline_us=0, send_by_us=0, expires_us=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "rests"),
    [("reserved", True), ("unknown", True), ("acknowledged", True), ("closing", False), ("terminal", False)],
)
def test_only_orders_that_may_rest_count_as_ours_in_the_book(state: str, rests: bool) -> None:
    assert tuple(own_orders((order(state),)).values()) == (((BID, 4_000, 100),) if rests else ())
    assert own_orders((order(state, remaining_centi=0),)) == {}


def observed(ticker: str) -> ObservedMarket:
    market = ObservedMarket(ticker)
    market.take_book(
        BookSnapshot(
            ticker=ticker, epoch=1, version=1, confirmed_us=0, frame_us=0, bids=((4_000, 300),), asks=((4_500, 1_000),),
            **ENVELOPE,
        )
    )  # fmt: skip
    return market


async def test_equity_values_positions_at_what_the_book_pays_now_and_unknown_ones_at_cost() -> None:
    held = (("YES", 500, 1_000_000), ("NO", -200, 900_000), ("FAR", 100, 350_000))
    ledger = MemoryStore("test")
    await ledger.open_account(
        1_000_000_000,
        tuple(AdoptedPosition(ticker=t, event=t, position_centi=p, cost_micros=c) for t, p, c in held),
    )
    positions, view = Positions(), await ledger.view()
    positions.take_all(view)
    portfolio = positions.value(view.account, {ticker: observed(ticker) for ticker in ("YES", "NO")})
    worth = {holding.ticker: holding.value_micros for holding in portfolio.holdings}
    assert worth == {"YES": 300 * 4_000, "NO": 200 * 5_500, "FAR": 350_000}
    account = view.account
    assert portfolio.equity_micros == account.cash_micros + account.promised_micros + sum(worth.values())


async def test_a_position_that_is_closed_or_settled_is_held_no_more() -> None:
    ledger = MemoryStore("test")
    await ledger.open_account(10**9, (AdoptedPosition(ticker="T", event="T", position_centi=100, cost_micros=1),))
    positions = Positions()
    positions.take_all(await ledger.view())
    await ledger.settle_market("T", 10_000)
    view = await ledger.view(("T",))
    assert [type(market) for market in view.markets] == [MarketView]
    positions.take(view)
    assert positions.value(view.account, {}).holdings == ()


async def test_a_position_is_valued_anew_when_its_book_or_it_itself_has_changed() -> None:
    ledger = MemoryStore("test")
    await ledger.open_account(10**9, (AdoptedPosition(ticker="T", event="T", position_centi=100, cost_micros=1),))
    positions, view, market = Positions(), await ledger.view(), observed("T")
    positions.take_all(view)

    def worth() -> int:
        (holding,) = positions.value(view.account, {"T": market}).holdings
        return holding.value_micros

    assert worth() == 100 * 4_000
    news = {"ticker": "T", "epoch": 1, "version": 2, "confirmed_us": 0, "frame_us": 0, **ENVELOPE}
    market.take_book(BookSnapshot(bids=((4_200, 300),), asks=((4_500, 1_000),), **news))
    assert worth() == 100 * 4_200
    market.take_book(BookStale(reason=Reason.SEQUENCE_GAP, **news))
    assert worth() == 1, "at its cost"
    market.take_book(BookSnapshot(bids=((4_300, 300),), asks=(), **(news | {"version": 3})))
    assert worth() == 100 * 4_300
    positions.take(
        msgspec.structs.replace(view, markets=(msgspec.structs.replace(view.markets[0], position_centi=50),))
    )
    assert worth() == 50 * 4_300
