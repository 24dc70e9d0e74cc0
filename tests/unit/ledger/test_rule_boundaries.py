"""The edges of the rules: the largest and smallest valid arguments, and refusals that must leave no journal entry."""

from __future__ import annotations

import msgspec
import pytest

from support.ledger_verbs import ASK, AnyVerb, a_fill, a_reserve, an_acknowledge, opened
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import OrderView, StoreCorrupt
from truebook.ledger.rules.ledger import replay
from truebook.ledger.rules.state import MAX_SINGLE_MICROS, MAX_SIZE_CENTI, MAX_TIME_US
from truebook.ledger.rules.views import while_restoring
from truebook.ledger.trading_holds import JOURNAL
from truebook.ledger.verbs import (
    Adjust,
    AdoptedPosition,
    AdvanceWatermark,
    Close,
    Hold,
    Limits,
    MarkUnknown,
    Mode,
    OpenAccount,
    OrderState,
    Prune,
    RaiseEpoch,
    Release,
    SettleMarket,
)
from truebook.messages.envelope import BookSide


def an_adjust(adjust_id: str = "d", amount_micros: int = 1, kind: str = "deposit") -> Adjust:
    return Adjust(adjust_id=adjust_id, amount_micros=amount_micros, kind=kind, reason="test")


def adopting(ticker: str = "M", event: str = "E", position_centi: int = 100, cost_micros: int = 5) -> OpenAccount:
    adopted = AdoptedPosition(ticker=ticker, event=event, position_centi=position_centi, cost_micros=cost_micros)
    return OpenAccount(balance_micros=1, positions=(adopted,))


REFUSED_BEFORE_OPENING: tuple[tuple[AnyVerb, str], ...] = (
    (a_reserve("a"), "refused:not_open"),
    (OpenAccount(balance_micros=-1), "invalid"),
    (OpenAccount(balance_micros=MAX_SINGLE_MICROS + 1), "invalid"),
    (adopting(ticker=""), "invalid"),
    (adopting(event=""), "invalid"),
    (adopting(position_centi=MAX_SIZE_CENTI + 1), "invalid"),
    (adopting(position_centi=-MAX_SIZE_CENTI - 1), "invalid"),
    (adopting(cost_micros=-1), "invalid"),
    (adopting(cost_micros=MAX_SINGLE_MICROS + 1), "invalid"),
    (an_adjust(), "not_open"),
)
VALID_OPENINGS = (
    OpenAccount(balance_micros=0),
    OpenAccount(balance_micros=MAX_SINGLE_MICROS),
    adopting(position_centi=MAX_SIZE_CENTI),
    adopting(position_centi=-MAX_SIZE_CENTI),
    adopting(cost_micros=0),
    adopting(cost_micros=MAX_SINGLE_MICROS),
)
REFUSED: tuple[tuple[AnyVerb, str], ...] = (
    (an_adjust(adjust_id=""), "invalid"),
    (an_adjust(kind="gift"), "invalid"),
    (an_adjust(amount_micros=MAX_SINGLE_MICROS + 1), "invalid"),
    (an_adjust(amount_micros=-MAX_SINGLE_MICROS - 1), "invalid"),
    (Hold(name="", mode=Mode.HALTED, owner="ann"), "invalid"),
    (Hold(name="kill", mode=Mode.HALTED, owner=""), "invalid"),
    (Hold(name="kill", mode=Mode.RUNNING, owner="ann"), "invalid"),
    (Hold(name="known", mode=Mode.HALTED, owner="bob"), "conflict"),
    (Release(name="unknown", owner="ann"), "no_hold"),
    (Release(name="known", owner="bob"), "not_owner"),
    (Limits(market_centi=-1), "invalid"),
    (Limits(total_loss_micros=MAX_SINGLE_MICROS + 1), "invalid"),
    (RaiseEpoch(partition=-1, epoch=1), "invalid"),
    (RaiseEpoch(partition=MAX_TIME_US + 1, epoch=1), "invalid"),
    (RaiseEpoch(partition=0, epoch=-1), "invalid"),
    (RaiseEpoch(partition=0, epoch=MAX_TIME_US + 1), "invalid"),
    (RaiseEpoch(partition=0, epoch=0), "raised"),  # an epoch never decreases: valid, without a change
    (AdvanceWatermark(name="new", to_us=0), "0"),
    (AdvanceWatermark(name="new", to_us=MAX_TIME_US + 1), "0"),
    (Prune(terminal_before_us=MAX_TIME_US, settled_before_us=MAX_TIME_US), "0"),
)
VALID: tuple[tuple[AnyVerb, str], ...] = (
    (an_adjust(amount_micros=MAX_SINGLE_MICROS), "adjusted"),
    (an_adjust(amount_micros=-MAX_SINGLE_MICROS), "adjusted"),
    (Limits(market_centi=0), "set"),
    (Limits(total_loss_micros=MAX_SINGLE_MICROS), "set"),
    (RaiseEpoch(partition=0, epoch=1), "raised"),
    (RaiseEpoch(partition=MAX_TIME_US, epoch=MAX_TIME_US), "raised"),
    (AdvanceWatermark(name="new", to_us=1), "1"),
    (AdvanceWatermark(name="new", to_us=MAX_TIME_US), str(MAX_TIME_US)),
)


async def with_known_hold() -> MemoryStore:
    store = MemoryStore()
    await opened(store)
    assert await store.apply(Hold(name="known", mode=Mode.REDUCE_ONLY, owner="ann")) == "held"
    return store


@pytest.mark.parametrize(("verb", "result"), REFUSED_BEFORE_OPENING, ids=repr)
async def test_refusals_before_the_opening_change_nothing(verb: AnyVerb, result: str) -> None:
    store = MemoryStore()
    before = await store.view()
    assert str(await store.apply(verb)) == result
    assert (await store.view(), await store.journal()) == (before, ())


@pytest.mark.parametrize("verb", VALID_OPENINGS, ids=repr)
async def test_the_largest_and_smallest_openings_are_valid(verb: OpenAccount) -> None:
    assert await MemoryStore().apply(verb) == "opened"


@pytest.mark.parametrize(("verb", "result"), REFUSED, ids=repr)
async def test_refusals_change_nothing(verb: AnyVerb, result: str) -> None:
    store = await with_known_hold()
    before = (await store.view(), await store.journal())
    assert str(await store.apply(verb)) == result
    assert (await store.view(), await store.journal()) == before


@pytest.mark.parametrize(("verb", "result"), VALID, ids=repr)
async def test_the_largest_and_smallest_values_are_valid(verb: AnyVerb, result: str) -> None:
    store = await with_known_hold()
    before = len(await store.journal())
    assert str(await store.apply(verb)) == result
    assert len(await store.journal()) == before + 1


@pytest.mark.parametrize("kind", ["residue", "rounding"])
async def test_adjustments_of_one_kind_add_up(kind: str) -> None:
    store = await with_known_hold()
    before = (await store.view()).account.cash_micros
    await store.apply(an_adjust("a", -3, kind))
    await store.apply(an_adjust("b", -4, kind))
    assert (await store.view()).account.cash_micros == before - 7


async def test_a_market_limit_counts_the_position_for_and_against_an_ask() -> None:
    store = MemoryStore()
    await opened(store, AdoptedPosition(ticker="M", event="E", position_centi=500, cost_micros=2_000_000))
    await opened_limit(store, 900)
    assert str(await store.apply(a_reserve("a", book_side=ASK, size_centi=1401))) == "refused:market_limit"
    assert str(await store.apply(a_reserve("b", book_side=ASK, size_centi=1400))) == "reserved"


async def test_a_market_limit_counts_a_no_position_for_asks() -> None:
    store = MemoryStore()
    await opened(store, AdoptedPosition(ticker="M", event="E", position_centi=-500, cost_micros=2_000_000))
    await opened_limit(store, 900)
    assert str(await store.apply(a_reserve("a", book_side=ASK, size_centi=401))) == "refused:market_limit"
    assert str(await store.apply(a_reserve("b", book_side=ASK, size_centi=400))) == "reserved"


async def opened_limit(store: MemoryStore, market_centi: int) -> None:
    assert await store.apply(Limits(market_centi=market_centi)) == "set"


async def test_a_market_that_moves_takes_its_loss_to_the_other_event() -> None:
    store = MemoryStore()
    await opened(store, AdoptedPosition(ticker="M", event="E", position_centi=500, cost_micros=2_000_000))
    assert str(await store.apply(a_reserve("b", ticker="N", event="E", size_centi=100))) == "reserved"
    assert str(await store.apply(a_reserve("c", ticker="M", event="F", size_centi=100))) == "reserved"
    assert (await store.audit()).errors == {}
    losses = {name: dict(event.losses) for name, event in store.ledger.state.events.items()}
    assert losses == {"E": {"N": (0, 400_000)}, "F": {"M": (-3_000_000, 2_400_000)}}, "after YES, after NO"


async def test_prune_drops_orders_and_fills_past_their_deadline() -> None:
    store = MemoryStore()
    await opened(store)
    for order_id, deadline_us in (("a", 1_000), ("b", 5_000), ("c", 2_000)):
        await store.apply(a_reserve(order_id, deadline_us=deadline_us, now_us=500, size_centi=400))
        await store.apply(an_acknowledge(order_id, filled_centi=400, remaining_centi=0))
        await store.apply(a_fill(f"t{order_id}", f"x{order_id}"))
    await store.apply(a_fill("parked", "xb"))  # more than was ordered: parked
    await store.apply(a_reserve("d", deadline_us=9_000, now_us=2_000))
    assert await store.apply(Prune(terminal_before_us=MAX_TIME_US, settled_before_us=MAX_TIME_US)) == 4
    assert await store.order("b") is not None, "its deadline is in the future of the ledger's clock"
    assert [await store.order("a"), await store.order("c")] == [None, None]
    assert (await store.audit()).errors == {}


async def test_prune_leaves_parked_fills_that_no_order_owns() -> None:
    store = MemoryStore()
    await opened(store)
    await store.apply(a_reserve("a", deadline_us=1_000, now_us=500))
    await store.apply(a_fill("early", "xa"))
    assert (await store.view()).account.parked == 1
    await store.apply(Close(order_id="a", exchange_order_id=None, filled_centi=0))
    await store.apply(a_reserve("b", deadline_us=9_000, now_us=2_000))
    assert await store.apply(Prune(terminal_before_us=MAX_TIME_US, settled_before_us=MAX_TIME_US)) == 1
    assert (await store.view()).account.parked == 1, "without its exchange order id the order's fill is not its own"
    assert (await store.audit()).errors == {}


REFUSED_REPORTS: tuple[tuple[AnyVerb, str], ...] = (
    (Close(order_id="a", exchange_order_id="xa", filled_centi=-1), "invalid"),
    (Close(order_id="a", exchange_order_id="xa", filled_centi=1001), "invalid"),
    (Close(order_id="a", exchange_order_id="other", filled_centi=0), "conflict"),
    (an_acknowledge(""), "invalid"),
    (an_acknowledge("a", exchange_order_id=""), "invalid"),
    (an_acknowledge("a", ticker=""), "invalid"),
    (an_acknowledge("a", filled_centi=-1), "invalid"),
    (an_acknowledge("a", remaining_centi=MAX_SIZE_CENTI + 1), "invalid"),
    (an_acknowledge("a", filled_centi=1001), "invalid"),
    (an_acknowledge("a", exchange_order_id="other"), "conflict"),
    (MarkUnknown(order_id="unknown"), "no_order"),
    (a_fill("", "xa"), "invalid"),
    (a_fill("t", ""), "invalid"),
    (a_fill("t", "xa", ticker=""), "invalid"),
    (a_fill("t", "xa", size_centi=0), "invalid"),
    (a_fill("t", "xa", size_centi=MAX_SIZE_CENTI + 1), "invalid"),
    (SettleMarket(ticker="", settlement_cc=1), "invalid"),
    (SettleMarket(ticker="M", settlement_cc=-1), "invalid"),
    (SettleMarket(ticker="M", settlement_cc=10_001), "invalid"),
    (SettleMarket(ticker="Q", settlement_cc=10_000), "duplicate"),
    (SettleMarket(ticker="Q", settlement_cc=0), "conflict"),
)


@pytest.mark.parametrize(("verb", "result"), REFUSED_REPORTS, ids=repr)
async def test_refused_reports_change_nothing(verb: AnyVerb, result: str) -> None:
    store = MemoryStore()
    await opened(store)
    assert str(await store.apply(a_reserve("a"))) == "reserved"
    await store.apply(an_acknowledge("a"))
    await store.apply(SettleMarket(ticker="Q", settlement_cc=10_000))
    before = (await store.view(), await store.journal())
    assert str(await store.apply(verb)) == result
    assert (await store.view(), await store.journal()) == before


async def test_a_changed_exclusivity_changes_the_loss_of_the_event_only() -> None:
    store = MemoryStore()
    await opened(store)
    await store.apply(a_reserve("z", ticker="Z", event="Z", size_centi=100))
    await store.apply(a_reserve("a", ticker="A", exclusive=True, book_side=ASK))
    await store.apply(a_reserve("b", ticker="B", exclusive=True, book_side=ASK))
    await store.apply(a_reserve("c", ticker="C", exclusive=False, book_side=ASK))
    assert (await store.audit()).errors == {}
    assert store.ledger.state.totals.loss_micros == 400_000 + 3 * 6_000_000


async def test_the_view_of_an_order_is_that_of_its_market() -> None:
    store = MemoryStore()
    await opened(store, AdoptedPosition(ticker="M", event="E", position_centi=-300, cost_micros=1))
    await store.apply(a_reserve("a", now_us=7, deadline_us=9_000, reduce_only=False))
    await store.apply(an_acknowledge("a"))
    await store.apply(a_fill("t1", "xa", size_centi=100))
    await store.apply(a_fill("t2", "xa", size_centi=100))
    expected = OrderView(
        order_id="a", exchange_order_id="xa", ticker="M", book_side=BookSide.BID, price_cc=4000, size_centi=1000,
        applied_centi=200, remaining_centi=800, state=OrderState.ACKNOWLEDGED, reduce_only=False, reserved_us=7,
        deadline_us=9_000, send_by_us=0, expires_us=0, opening_centi=700,
    )  # fmt: skip
    market = (await store.view()).market("M")
    assert market is not None and (market.orders, market.fills) == ((expected,), 2)
    assert [await store.order("a"), await store.order_of_exchange_id("xa")] == [expected, expected]
    assert [await store.order("b"), await store.order_of_exchange_id("xb")] == [None, None]


async def test_the_view_of_the_account_shows_its_state() -> None:
    store = MemoryStore()
    assert not (await store.view(())).account.opened
    await store.apply(OpenAccount(balance_micros=5_000_000, exchange="host/key"))
    await store.apply(Hold(name="b", mode=Mode.REDUCE_ONLY, owner="ann"))
    await store.apply(Hold(name="a", mode=Mode.HALTED, owner="bob"))
    await store.apply(a_reserve("o", now_us=77))
    account = (await store.view(())).account
    assert (account.opened, account.exchange, account.mode, account.clock_us) == (True, "host/key", Mode.HALTED, 77)
    assert {(hold.name, hold.mode, hold.owner) for hold in account.holds} == {
        ("a", Mode.HALTED, "bob"), ("b", Mode.REDUCE_ONLY, "ann"),
    }  # fmt: skip
    restoring = while_restoring(account)
    names = [hold.name for hold in restoring.holds]
    assert (restoring.mode, names) == (JOURNAL.mode, sorted(["a", "b", JOURNAL.name]))
    assert while_restoring(restoring) == restoring


async def test_a_foreign_order_has_no_size_of_its_own() -> None:
    store = MemoryStore()
    await opened(store)
    await store.apply(an_acknowledge("foreign", exchange_order_id="xf", remaining_centi=5))
    order = await store.order_of_exchange_id("xf")
    assert order is not None
    assert (order.state, order.price_cc, order.size_centi, order.reduce_only) == (OrderState.FOREIGN, 0, 0, False)
    assert (order.deadline_us, order.opening_centi) == (0, 0)


async def test_a_replay_names_the_entry_that_does_not_fit() -> None:
    store = await with_known_hold()
    entries = await store.journal()
    with pytest.raises(StoreCorrupt, match="journal entry 1 is missing: found 2"):
        replay(entries[1:])
    other = msgspec.structs.replace(entries[1], result="conflict")
    with pytest.raises(StoreCorrupt, match=r"journal entry 2 \(hold\): returned held, recorded conflict"):
        replay([entries[0], other])
    unreadable = msgspec.structs.replace(entries[0], arguments=msgspec.Raw(b"{}"))
    with pytest.raises(StoreCorrupt, match=r"journal entry 1 \(open_account\) can't be read"):
        replay([unreadable])
    assert replay([]).ledger_id == ""
