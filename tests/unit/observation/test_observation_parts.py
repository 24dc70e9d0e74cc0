"""The parts of observation: signals, the netted book, positions and their values."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.book.order_book import OrderBook, net_of
from truebook.features.layout import FeatureError
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import MarketView, OrderView
from truebook.ledger.verbs import AdoptedPosition, OpenAccount, OrderState, SettleMarket
from truebook.messages.envelope import BookSide, Source
from truebook.messages.orderbook import BookSnapshot, BookStale
from truebook.messages.reasons import Reason
from truebook.messages.signals import Signal
from truebook.observation.markets import ObservedMarket, netted, resting_orders
from truebook.observation.portfolio import Positions
from truebook.observation.signals import SignalTable, signals_digest, time_error

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
    ("now_us", "names", "expected"),
    [(99, ("n",), {"n": 0.5}), (100, ("n",), Reason.SIGNAL_EXPIRED), (0, ("m",), Reason.SIGNAL_MISSING), (0, (), {})],
    ids=["valid", "expired", "missing", "none needed"],
)
def test_a_signal_is_read_while_it_is_valid(now_us: int, names: tuple[str, ...], expected: Any) -> None:
    table = SignalTable(10)
    table.take(signal(0.5), 0)
    if isinstance(expected, Reason):
        with pytest.raises(FeatureError) as refused:
            table.read("T", names, now_us)
        assert refused.value.reason is expected
    else:
        assert table.read("T", names, now_us) == expected


def test_an_older_value_does_not_replace_a_newer_one() -> None:
    table = SignalTable(10)
    assert table.take(signal(0.5, as_of_us=2), 0)
    assert not table.take(signal(0.1, as_of_us=1), 0)
    assert not table.take(signal(0.5, as_of_us=3), 0), "only the time has changed"
    assert table.read("T", ("n",), 0) == {"n": 0.5}


DAY_US = 86_400_000_000
NOW_US = 1_795_000_000_000_000


@pytest.mark.parametrize(
    ("as_of_us", "valid_until_us", "wrong"),
    [
        pytest.param(NOW_US, NOW_US + 300 * DAY_US, "", id="microseconds"),
        pytest.param(NOW_US + 30_000_000, NOW_US + DAY_US, "", id="a clock that is ahead"),
        pytest.param(NOW_US * 1_000, NOW_US * 1_000 + DAY_US, "as_of_us", id="nanoseconds"),
        pytest.param(NOW_US, NOW_US * 1_000, "valid_until_us", id="validity in nanoseconds"),
        pytest.param(NOW_US // 1_000, NOW_US // 1_000 + 60_000, "", id="milliseconds expire at once"),
    ],
)
def test_times_of_a_signal_in_another_unit_are_refused(as_of_us: int, valid_until_us: int, wrong: str) -> None:
    found = time_error(signal(0.5, as_of_us, valid_until_us), NOW_US)
    assert found.startswith(wrong) if wrong else found == ""


def test_a_signal_without_a_value_is_missing() -> None:
    table = SignalTable(10)
    table.take(signal(0.5, as_of_us=1), 0)
    table.take(msgspec.structs.replace(signal(0.5, as_of_us=2), value=None), 0)
    with pytest.raises(FeatureError) as refused:
        table.read("T", ("n",), 0)
    assert refused.value.reason is Reason.SIGNAL_MISSING


def test_a_tombstone_deletes_the_signal_of_its_key() -> None:
    table = SignalTable(10)
    table.take(signal(0.5), 0)
    table.take(signal(0.5, name="m"), 0)
    table.delete("T/n")
    table.delete("T")
    assert table.read("T", ("m",), 0) == {"m": 0.5}
    with pytest.raises(FeatureError, match="n"):
        table.read("T", ("n",), 0)
    assert table.take(signal(0.1), 0), "an older value may follow"


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


def test_the_digest_depends_on_values_not_on_their_order() -> None:
    assert signals_digest({}) == ""
    assert signals_digest({"a": 1.0, "b": 2.0}) == signals_digest({"b": 2.0, "a": 1.0})
    assert signals_digest({"a": 1.0, "b": 2.0}) != signals_digest({"a": 2.0, "b": 1.0})


levels = st.dictionaries(st.integers(1, 50), st.integers(1, 500), max_size=6)
own = st.lists(st.tuples(st.sampled_from(BookSide), st.integers(1, 99), st.integers(1, 700)), max_size=4)


@given(levels, levels, own)
def test_a_netted_book_equals_the_copy_and_is_restored(bids: Any, asks: Any, own: Any) -> None:
    book = OrderBook(bids.items(), ((price + 50, size) for price, size in asks.items()))
    before = book.copy()
    with netted(book, tuple(own)) as net:
        assert net == net_of(before, own)
    assert book == before


def order(state: str, remaining_centi: int = 100) -> OrderView:
    return OrderView(
        order_id="o", exchange_order_id=None, ticker="T", book_side=BID, price_cc=4_000, size_centi=100,
        applied_centi=0, remaining_centi=remaining_centi, state=OrderState(state), reduce_only=False, reserved_us=0,
        deadline_us=0, send_by_us=0, expires_us=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "rests"),
    [("reserved", True), ("unknown", True), ("acknowledged", True), ("closing", False), ("terminal", False)],
)
def test_only_orders_that_may_rest_are_netted(state: str, rests: bool) -> None:
    assert tuple(resting_orders((order(state),)).values()) == (((BID, 4_000, 100),) if rests else ())
    assert resting_orders((order(state, remaining_centi=0),)) == {}


def observed(ticker: str) -> ObservedMarket:
    market = ObservedMarket(ticker)
    market.update_book(
        BookSnapshot(
            ticker=ticker, epoch=1, version=1, confirmed_us=0, frame_us=0, bids=((4_000, 300),), asks=((4_500, 1_000),),
            **ENVELOPE,
        )
    )  # fmt: skip
    return market


async def test_equity_values_positions_by_the_book_or_at_cost() -> None:
    held = (("YES", 500, 1_000_000), ("NO", -200, 900_000), ("FAR", 100, 350_000))
    ledger = MemoryStore("test")
    await ledger.apply(
        OpenAccount(
            balance_micros=1_000_000_000,
            positions=tuple(AdoptedPosition(ticker=t, event=t, position_centi=p, cost_micros=c) for t, p, c in held),
        )
    )
    positions, view = Positions(), await ledger.view()
    positions.replace(view)
    portfolio = positions.value(view.account, {ticker: observed(ticker) for ticker in ("YES", "NO")})
    values = {holding.ticker: holding.value_micros for holding in portfolio.holdings}
    assert values == {"YES": 300 * 4_000, "NO": 200 * 5_500, "FAR": 350_000}
    account = view.account
    assert portfolio.equity_micros == account.cash_micros + account.reserved_micros + sum(values.values())


async def test_a_closed_or_settled_position_is_dropped() -> None:
    ledger = MemoryStore("test")
    await ledger.apply(
        OpenAccount(
            balance_micros=10**9, positions=(AdoptedPosition(ticker="T", event="T", position_centi=100, cost_micros=1),)
        )
    )
    positions = Positions()
    positions.replace(await ledger.view())
    await ledger.apply(SettleMarket(ticker="T", settlement_cc=10_000))
    view = await ledger.view(("T",))
    assert [type(market) for market in view.markets] == [MarketView]
    positions.update(view)
    assert positions.value(view.account, {}).holdings == ()


async def test_a_position_is_revalued_when_it_or_its_book_changes() -> None:
    ledger = MemoryStore("test")
    await ledger.apply(
        OpenAccount(
            balance_micros=10**9, positions=(AdoptedPosition(ticker="T", event="T", position_centi=100, cost_micros=1),)
        )
    )
    positions, view, market = Positions(), await ledger.view(), observed("T")
    positions.replace(view)

    def value() -> int:
        (holding,) = positions.value(view.account, {"T": market}).holdings
        return holding.value_micros

    assert value() == 100 * 4_000
    update = {"ticker": "T", "epoch": 1, "version": 2, "confirmed_us": 0, "frame_us": 0, **ENVELOPE}
    market.update_book(BookSnapshot(bids=((4_200, 300),), asks=((4_500, 1_000),), **update))
    assert value() == 100 * 4_200
    market.update_book(BookStale(reason=Reason.SEQUENCE_GAP, **update))
    assert value() == 1, "at its cost"
    market.update_book(BookSnapshot(bids=((4_300, 300),), asks=(), **(update | {"version": 3})))
    assert value() == 100 * 4_300
    positions.update(
        msgspec.structs.replace(view, markets=(msgspec.structs.replace(view.markets[0], position_centi=50),))
    )
    assert value() == 50 * 4_300
