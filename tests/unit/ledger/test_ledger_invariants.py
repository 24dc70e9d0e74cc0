"""The invariants of ``docs/ledger.md``, one by one, over histories in any order.

(11, ledger = exchange after every quiet period, is tested with the whole system.)
"""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import ledger_verbs as v
from support.ledger_histories import History, deliveries, histories, opening
from support.ledger_verbs import AnyVerb, a_fill, a_reserve, an_acknowledge
from truebook.ledger.port import LedgerView, MarketView, OrderView
from truebook.ledger.rules.ledger import Ledger, replay
from truebook.ledger.verbs import (
    RESERVED,
    Acknowledge,
    AdoptedPosition,
    NextNumber,
    OpenAccount,
    Reserve,
    SettleFill,
    SettleMarket,
)
from truebook.messages.envelope import BookSide
from truebook.money import ceil_div, no_price

RICH = 10**12
any_history = st.tuples(v.opens, st.lists(v.verbs, max_size=30)).map(lambda drawn: [drawn[0], *drawn[1]])
thorough = settings(max_examples=150, deadline=None)


def played(verbs: list[AnyVerb]) -> Ledger:
    ledger = Ledger("test")
    for verb in verbs:
        ledger.apply(verb)
    return ledger


def state_of(ledger: Ledger) -> tuple[LedgerView, list[OrderView | None], tuple[SettleFill, ...]]:
    """Return all that can be read from a ledger, except the number of entries."""
    view = ledger.view()
    account = msgspec.structs.replace(view.account, ledger_seq=0)
    orders = [ledger.order(order_id) for order_id in sorted(ledger.state.orders)]
    return msgspec.structs.replace(view, account=account), orders, ledger.parked_fills()


@given(any_history)
@thorough
def test_invariant_1_money_is_conserved_exactly(history: list[AnyVerb]) -> None:
    ledger = Ledger("test")
    for verb in history:
        ledger.apply(verb)
        view = ledger.view()
        account, markets = view.account, view.markets
        assert ledger.audit().errors == {}
        assert account.costs_micros == sum(m.yes_cost_micros + m.no_cost_micros for m in markets)
        assert account.pairs_micros == sum(min(m.yes_bought_centi, m.no_bought_centi) * 10_000 for m in markets)
        assert account.payouts_micros == sum(paid(m) for m in markets)
        assert account.fees_micros == sum(m.fees_micros for m in markets)


def paid(market: MarketView) -> int:
    if market.settlement_cc is None:
        return 0
    yes, no = max(0, market.position_centi), max(0, -market.position_centi)
    return yes * market.settlement_cc + no * (10_000 - market.settlement_cc)


@given(any_history)
@thorough
def test_invariant_2_cash_is_never_negative(history: list[AnyVerb]) -> None:
    ledger = Ledger("test")
    for verb in history:
        ledger.apply(verb)
        account = ledger.account()
        for shard in account.shards:
            assert shard.cash_micros >= 0 and shard.overdrawn_micros >= 0
            assert shard.cash_micros == 0 or shard.overdrawn_micros == 0
        assert account.cash_micros == sum(shard.cash_micros for shard in account.shards)
        assert account.overdrawn_micros == sum(shard.overdrawn_micros for shard in account.shards)
        assert account.reserved_micros == sum(shard.reserved_micros for shard in account.shards)


@given(st.data(), histories(foreign=False), st.integers(0, 30_000_000))
@thorough
def test_invariant_2_reservations_cover_every_order_of_reports(
    data: st.DataObject, history: History, balance_micros: int
) -> None:
    """Only a late, surplus or foreign fill, a worse price or fee, or a withdrawal overdraws; none occurs here."""
    ledger = Ledger("test")
    ledger.apply(opening(balance_micros))
    granted = {request.order_id for request in history.decisions if ledger.apply(request) == RESERVED}
    reports = [report for report in history.reports if concerns(report, granted)]
    for report in data.draw(deliveries(reports)):
        ledger.apply(report)
        assert ledger.account().overdrawn_micros == 0, report
    assert ledger.account().reserved_micros == 0, "everything is reported, so nothing is reserved any more"


def concerns(report: AnyVerb, granted: set[str]) -> bool:
    if isinstance(report, SettleMarket):
        return True
    order_id = report.order_id.removeprefix("x") if isinstance(report, SettleFill) else getattr(report, "order_id", "")
    return order_id in granted


@given(any_history)
@thorough
def test_invariant_3_reserved_cash_is_a_pure_function(
    history: list[AnyVerb],
) -> None:
    ledger = Ledger("test")
    for verb in history:
        ledger.apply(verb)
        view = ledger.view()
        rates = {order_id: order.fee_rate_ppm for order_id, order in ledger.state.orders.items()}
        assert view.account.reserved_micros == sum(reservation_by_hand(market, rates) for market in view.markets)


def reservation_by_hand(market: MarketView, rates: dict[str, int]) -> int:
    """The formula of ``docs/ledger.md``, implemented a second time."""
    total = 0
    for side, position in ((BookSide.BID, -market.position_centi), (BookSide.ASK, market.position_centi)):
        left = max(0, position)
        back = 10_000
        if market.settlement_cc is not None:
            back = market.settlement_cc if side is BookSide.BID else 10_000 - market.settlement_cc
        queue = [(own_price(order), order.order_id, order) for order in market.orders if order.book_side is side]
        for own, _, order in sorted(queue):
            closing = min(order.remaining_centi, left)
            left -= closing
            opening_centi = order.remaining_centi - closing
            assert order.opening_centi == opening_centi
            per_contract = ceil_div(rates[order.order_id] * order.price_cc * (10_000 - order.price_cc), 10**8)
            total += opening_centi * own + ceil_div(opening_centi * per_contract, 100) + 100 * opening_centi
            total += max(0, closing * (own - back) + ceil_div(closing * per_contract, 100) + 100 * closing)
    return total


def own_price(order: OrderView) -> int:
    return order.price_cc if order.book_side is BookSide.BID else no_price(order.price_cc)


@given(any_history)
@thorough
def test_invariant_4_applied_and_cancelled_sum_to_the_size(
    history: list[AnyVerb],
) -> None:
    ledger = Ledger("test")
    for verb in history:
        ledger.apply(verb)
        for order in ledger.state.orders.values():
            overfilled = max(0, order.applied_centi - order.size_centi)
            final = 0 if order.final_filled_centi is None else order.final_filled_centi
            cancelled = (
                0 if order.final_filled_centi is None else max(0, order.size_centi - max(final, order.applied_centi))
            )
            assert order.applied_centi - overfilled + cancelled <= order.size_centi
            if order.state == "terminal":
                assert order.applied_centi - overfilled + cancelled == order.size_centi


@given(any_history, st.data())
@thorough
def test_invariant_5_a_repeated_id_changes_nothing(history: list[AnyVerb], data: st.DataObject) -> None:
    ledger = played(history)
    again = data.draw(st.sampled_from([verb for verb in history if not isinstance(verb, NextNumber)]))
    ledger.apply(again)
    before, seq = state_of(ledger), ledger.seq
    first = ledger.apply(again)
    second = ledger.apply(again)
    assert state_of(ledger) == before
    assert ledger.seq == seq
    assert first == second


@given(histories(), st.data())
@thorough
def test_invariant_6_reports_commute(history: History, data: st.DataObject) -> None:
    """Any order of arrival, any duplication: the same state in every field."""
    first, second = Ledger("one"), Ledger("two")
    for ledger in (first, second):
        ledger.apply(opening(RICH))
        for request in history.decisions:
            ledger.apply(request)
        granted = set(ledger.state.orders)
    reports = [report for report in history.reports if concerns(report, {*granted, "web"})]
    for ledger in (first, second):
        for report in data.draw(deliveries(reports)):
            ledger.apply(report)
    assert state_of(first) == state_of(second)


@given(st.lists(v.fills, max_size=12), st.lists(v.acknowledges, max_size=6))
@thorough
def test_invariant_7_a_fill_of_an_unknown_order_is_parked(
    fills: list[SettleFill], acknowledges: list[Acknowledge]
) -> None:
    ledger = played([OpenAccount(balance_micros=RICH)])
    for fill in fills:
        ledger.apply(fill)
    kept = {(fill.order_id, fill.trade_id): fill for fill in reversed(fills) if is_valid(fill)}
    assert {(fill.order_id, fill.trade_id): fill for fill in ledger.parked_fills()} == kept
    for acknowledged in acknowledges:
        ledger.apply(acknowledged)
    waiting = ledger.parked_fills()
    assert ledger.account().parked == len(waiting)
    applied = sum(market.yes_bought_centi + market.no_bought_centi for market in ledger.view().markets)
    assert applied + sum(fill.size_centi for fill in waiting) == sum(fill.size_centi for fill in kept.values())


def is_valid(fill: SettleFill) -> bool:
    return fill.price_cc > 0 and fill.size_centi > 0 and fill.exchange_index >= 0


def is_proof(verb: AnyVerb, ledger: Ledger) -> bool:
    """Return whether the verb may lower a reservation: a fill, a final total, or a change of the position."""
    if isinstance(verb, Acknowledge):
        return verb.remaining_centi == 0 or ledger.account().parked > 0
    return isinstance(verb, v.SettleFill | v.Close | SettleMarket | OpenAccount)


@given(any_history)
@thorough
def test_invariant_8_nothing_is_released_without_proof(history: list[AnyVerb]) -> None:
    ledger = Ledger("test")
    for verb in history:
        proof = is_proof(verb, ledger)
        before = ledger.account().reserved_micros
        ledger.apply(verb)
        assert proof or ledger.account().reserved_micros >= before, verb


@given(any_history, st.integers(0, 30))
@thorough
def test_invariant_9_replay_from_an_anchor_gives_the_same_state(history: list[AnyVerb], anchor_seq: int) -> None:
    ledger = played(history)
    entries = ledger.journal(0, 1000)
    anchor = replay(entries[:anchor_seq]) if entries[:anchor_seq] else Ledger("test")
    again = replay(entries[anchor_seq:], anchor)
    assert state_of(again) == state_of(ledger)
    assert again.journal(0, 1000) == entries
    assert (again.state.epochs, again.state.counters) == (ledger.state.epochs, ledger.state.counters)
    assert remembered_refusals(again) == remembered_refusals(ledger)


def remembered_refusals(ledger: Ledger) -> dict[str, str]:
    return {
        order_id: refusal.reason
        for order_id, refusal in ledger.state.refusals.items()
        if refusal.request.deadline_us > ledger.state.clock_us
    }


@given(st.lists(v.reserves, max_size=10), st.integers(0, 4), st.integers(0, 4))
@thorough
def test_invariant_10_a_decision_from_an_older_epoch_is_refused(request: list[Reserve], old: int, new: int) -> None:
    ledger = played([OpenAccount(balance_micros=RICH), v.RaiseEpoch(partition=0, epoch=new)])
    for order in request:
        decision = msgspec.structs.replace(order, partition=0, epoch=old)
        result = str(ledger.apply(decision))
        assert (result == "refused:epoch") == (old < new and result not in ("refused:invalid", "duplicate_action"))


def test_invariant_10_a_report_is_accepted_from_any_process() -> None:
    """Reports have no epoch: raising one does not affect them."""
    ledger = played([OpenAccount(balance_micros=RICH), a_reserve("a"), v.RaiseEpoch(partition=0, epoch=99)])
    assert ledger.apply(an_acknowledge("a")) == "acknowledged"
    assert ledger.apply(a_fill(size_centi=1000)) == "applied"


def test_the_conservation_error_shows_one_missing_micro_dollar() -> None:
    """The check would detect a missing micro-dollar."""
    position = AdoptedPosition(ticker="M", event="E", position_centi=100, cost_micros=5)
    ledger = played([OpenAccount(balance_micros=7, positions=(position,))])
    view = ledger.view()
    assert view.conservation_error_micros == 0
    account = msgspec.structs.replace(view.account, cash_micros=view.account.cash_micros - 1)
    assert msgspec.structs.replace(view, account=account).conservation_error_micros == -1


@pytest.mark.parametrize(
    "total",
    [
        "deposits_micros", "adjustments_micros", "rounding_micros", "interest_micros", "fees_micros", "payouts_micros",
        "costs_micros", "pairs_micros", "reserved_micros",
    ],
)  # fmt: skip
def test_each_total_is_checked_against_its_parts(total: str) -> None:
    """A total that changed in the store also changes the cash computed from it: the parts show it nevertheless."""
    ledger = played([OpenAccount(balance_micros=RICH), a_reserve("a"), an_acknowledge("a"), a_fill(size_centi=100)])
    assert ledger.view().errors_of_totals == {}
    totals = ledger.state.totals
    setattr(totals, total, getattr(totals, total) - 500)
    errors = ledger.view().errors_of_totals
    assert errors.keys() == {"cash_micros", total}
    assert errors[total] == -500
    assert abs(ledger.view().conservation_error_micros) == 500


def test_a_view_of_some_markets_can_not_be_checked() -> None:
    ledger = played([OpenAccount(balance_micros=RICH)])
    with pytest.raises(ValueError, match="can't be checked"):
        _ = ledger.view(()).conservation_error_micros


@pytest.mark.parametrize("total", ["loss_micros", "open_orders", "parked"])
def test_counts_and_losses_are_derived_from_their_parts(total: str) -> None:
    ledger = played([
        OpenAccount(balance_micros=RICH), a_reserve("a"), an_acknowledge("a"), a_fill(size_centi=100),
        msgspec.structs.replace(a_fill(size_centi=100), order_id="unknown", trade_id="parked"),
    ])  # fmt: skip
    assert ledger.audit().errors == {}
    setattr(ledger.state.totals, total, getattr(ledger.state.totals, total) + 3)
    assert ledger.audit().errors == {total: 3}
