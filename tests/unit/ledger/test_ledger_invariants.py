"""The invariants of DESIGN section 7, one by one, over histories in any order.

(11, ledger = exchange after every quiet period, is a claim about the whole system and tested with it.)
"""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from support import ledger_verbs as v
from support.ledger_histories import History, deliveries, histories, opening
from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from truebook.ledger.port import Acknowledge, AdoptedPosition, MarketView, OrderView, Reserve, SettleFill, View
from truebook.ledger.rules import Ledger, replay
from truebook.ledger.verbs import Arguments, NextNumber, OpenAccount, SettleMarket
from truebook.messages.envelope import BookSide
from truebook.money import ceil_div, no_price

RICH = 10**12
any_history = st.tuples(v.opens, st.lists(v.verbs, max_size=30)).map(lambda drawn: [drawn[0], *drawn[1]])
thorough = settings(max_examples=150, deadline=None)


def played(verbs: list[Arguments]) -> Ledger:
    ledger = Ledger("test")
    for verb in verbs:
        ledger.apply(verb)
    return ledger


def state_of(ledger: Ledger) -> tuple[View, list[OrderView | None], tuple[SettleFill, ...]]:
    """All that can be seen of a ledger, but for how many entries it took."""
    view = ledger.view()
    account = msgspec.structs.replace(view.account, ledger_seq=0)
    orders = [ledger.order(order_id) for order_id in sorted(ledger.state.orders)]
    return msgspec.structs.replace(view, account=account), orders, ledger.parked_fills()


@given(any_history)
@thorough
def test_invariant_1_money_is_conserved_exactly(history: list[Arguments]) -> None:
    ledger = Ledger("test")
    for verb in history:
        ledger.apply(verb)
        view = ledger.view()
        account, markets = view.account, view.markets
        assert account.conservation_error_micros == 0
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
def test_invariant_2_cash_is_never_negative(history: list[Arguments]) -> None:
    ledger = Ledger("test")
    for verb in history:
        ledger.apply(verb)
        account = ledger.account()
        assert account.cash_micros >= 0 and account.overdrawn_micros >= 0
        assert account.cash_micros == 0 or account.overdrawn_micros == 0


@given(st.data(), histories(foreign=False), st.integers(0, 30_000_000))
@thorough
def test_invariant_2_what_was_promised_suffices_for_all_honest_news_in_any_order(
    data: st.DataObject, history: History, balance_micros: int
) -> None:
    """Only a late, surplus or foreign fill, a worse price or fee, or a withdrawal overdraws; none of them is here."""
    ledger = Ledger("test")
    ledger.apply(opening(balance_micros))
    granted = {asked.order_id for asked in history.decisions if ledger.apply(asked) == "reserved"}
    facts = [fact for fact in history.facts if concerns(fact, granted)]
    for fact in data.draw(deliveries(facts)):
        ledger.apply(fact)
        assert ledger.account().overdrawn_micros == 0, fact
    assert ledger.account().promised_micros == 0, "all is told, so nothing is promised any more"


def concerns(fact: Arguments, granted: set[str]) -> bool:
    if isinstance(fact, SettleMarket):
        return True
    order_id = fact.order_id.removeprefix("x") if isinstance(fact, SettleFill) else getattr(fact, "order_id", "")
    return order_id in granted


@given(any_history)
@thorough
def test_invariant_3_promised_is_a_pure_function_of_remainders_positions_and_settlements(
    history: list[Arguments],
) -> None:
    ledger = Ledger("test")
    for verb in history:
        ledger.apply(verb)
        view = ledger.view()
        rates = {order_id: order.fee_rate_ppm for order_id, order in ledger.state.orders.items()}
        assert view.account.promised_micros == sum(promise_by_hand(market, rates) for market in view.markets)


def promise_by_hand(market: MarketView, rates: dict[str, int]) -> int:
    """The formula of DESIGN section 7, written down a second time."""
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
def test_invariant_4_applied_and_cancelled_never_exceed_the_size_and_equal_it_at_the_end(
    history: list[Arguments],
) -> None:
    ledger = Ledger("test")
    for verb in history:
        ledger.apply(verb)
        for order in ledger.state.orders.values():
            overfilled = max(0, order.applied_centi - order.size_centi)
            told = 0 if order.told_centi is None else order.told_centi
            cancelled = 0 if order.told_centi is None else max(0, order.size_centi - max(told, order.applied_centi))
            assert order.applied_centi - overfilled + cancelled <= order.size_centi
            if order.state == "terminal":
                assert order.applied_centi - overfilled + cancelled == order.size_centi


@given(any_history, st.data())
@thorough
def test_invariant_5_a_repeated_id_moves_nothing(history: list[Arguments], data: st.DataObject) -> None:
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
def test_invariant_6_facts_commute(history: History, data: st.DataObject) -> None:
    """Any order of arrival, any duplication: the same state in every field."""
    first, second = Ledger("one"), Ledger("two")
    for ledger in (first, second):
        ledger.apply(opening(RICH))
        for asked in history.decisions:
            ledger.apply(asked)
        granted = set(ledger.state.orders)
    facts = [fact for fact in history.facts if concerns(fact, {*granted, "web"})]
    for ledger in (first, second):
        for fact in data.draw(deliveries(facts)):
            ledger.apply(fact)
    assert state_of(first) == state_of(second)


@given(st.lists(v.fills, max_size=12), st.lists(v.acknowledges, max_size=6))
@thorough
def test_invariant_7_a_fill_for_an_unknown_order_is_parked_never_dropped(
    fills: list[SettleFill], news: list[Acknowledge]
) -> None:
    ledger = played([OpenAccount(balance_micros=RICH)])
    for fill in fills:
        ledger.apply(fill)
    kept = {(fill.order_id, fill.trade_id): fill for fill in reversed(fills) if fill.price_cc and fill.size_centi}
    assert {(fill.order_id, fill.trade_id): fill for fill in ledger.parked_fills()} == kept
    for acknowledged in news:
        ledger.apply(acknowledged)
    waiting = ledger.parked_fills()
    assert ledger.account().parked == len(waiting)
    booked = sum(market.yes_bought_centi + market.no_bought_centi for market in ledger.view().markets)
    assert booked + sum(fill.size_centi for fill in waiting) == sum(fill.size_centi for fill in kept.values())


def is_proof(verb: Arguments, ledger: Ledger) -> bool:
    """A fill, a final total, or a change of what is held: only these may lower a promise."""
    if isinstance(verb, Acknowledge):
        return verb.remaining_centi == 0 or ledger.account().parked > 0
    return isinstance(verb, v.SettleFill | v.Close | SettleMarket | OpenAccount)


@given(any_history)
@thorough
def test_invariant_8_nothing_is_released_without_proof(history: list[Arguments]) -> None:
    ledger = Ledger("test")
    for verb in history:
        proof = is_proof(verb, ledger)
        before = ledger.account().promised_micros
        ledger.apply(verb)
        assert proof or ledger.account().promised_micros >= before, verb


@given(any_history, st.integers(0, 30))
@thorough
def test_invariant_9_replaying_the_journal_from_an_anchor_gives_the_same_state(
    history: list[Arguments], anchor_seq: int
) -> None:
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
        if refusal.asked.deadline_us > ledger.state.clock_us
    }


@given(st.lists(v.reserves, max_size=10), st.integers(0, 4), st.integers(0, 4))
@thorough
def test_invariant_10_a_decision_from_an_older_epoch_is_refused(asked: list[Reserve], old: int, new: int) -> None:
    ledger = played([OpenAccount(balance_micros=RICH), v.RaiseEpoch(partition=0, epoch=new)])
    for order in asked:
        decision = msgspec.structs.replace(order, partition=0, epoch=old)
        answer = ledger.apply(decision)
        assert (answer == "refused:epoch") == (old < new and answer not in ("refused:invalid", "duplicate_action"))


def test_invariant_10_a_fact_is_accepted_from_anyone() -> None:
    """Facts carry no epoch at all: raising one changes nothing for them."""
    ledger = played([OpenAccount(balance_micros=RICH), a_reserve("a"), v.RaiseEpoch(partition=0, epoch=99)])
    assert ledger.apply(an_acknowledge("a")) == "acknowledged"
    assert ledger.apply(a_fill(size_centi=1000)) == "applied"


def test_the_reported_conservation_error_can_tell() -> None:
    """The check itself would notice a micro-dollar gone."""
    position = AdoptedPosition(ticker="M", event="E", position_centi=100, cost_micros=5)
    ledger = played([OpenAccount(balance_micros=7, positions=(position,))])
    account = ledger.account()
    assert account.conservation_error_micros == 0
    assert msgspec.structs.replace(account, cash_micros=account.cash_micros - 1).conservation_error_micros == -1
