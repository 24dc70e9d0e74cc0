"""What a day's statement contains, of histories with known times; every cash line is checked against the account."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.ledger_verbs import a_fill, a_reserve, an_acknowledge, verbs
from support.statements import LATE, NEXT, NEXT_NOON, NOON, PERIOD, History, S, opened, order, two_days
from truebook.ledger.exchange_reports import RECONCILED
from truebook.ledger.journal.chain import ChainBroken, hash_of
from truebook.ledger.port import StoreCorrupt
from truebook.ledger.rules.ledger import Ledger, verb_of
from truebook.ledger.verbs import (
    Adjust,
    AdoptedPosition,
    AdvanceWatermark,
    Close,
    MarkEquity,
    OpenAccount,
    Prune,
    SettleMarket,
)
from truebook.statement.document import NOT_KNOWN, document_of
from truebook.statement.fold import NotCovered, StatementFold, clock_of
from truebook.statement.trading import BETWEEN_MODELS


def test_a_day_lists_its_fills_flows_and_models() -> None:
    one = two_days().statement()
    assert [(fill.trade_id, fill.model, fill.at_us) for fill in one.fills] == [
        ("t1", "maker", NOON + 1), ("t2", "taker", LATE - 5),
    ]  # fmt: skip
    assert [(flow.kind, flow.amount_micros, flow.reason) for flow in one.flows] == [
        ("opening", 100 * S, "the exchange's balance"), ("deposit", 5 * S, "by hand"),
    ]  # fmt: skip
    bought, sold = one.fills
    assert (sold.cost_micros, sold.returned_micros) == (300 * 4000, 300 * 10_000)
    assert sold.realized_micros == 300 * (10_000 - 4000) - 300 * 4000 == one.profit.realized_micros
    assert one.profit.fees_micros == bought.fee_micros + sold.fee_micros
    assert one.conservation.holds and one.traded and one.is_final
    assert one.opening.owned_micros == 0 and one.opening.seq == 0
    assert one.reconciliation.comparisons == 1 and one.reconciliation.last_us == LATE


def test_models_that_close_each_others_positions_add_up() -> None:
    history = two_days()
    first, second = history.statement(), history.statement(NEXT)
    for one in (first, second):
        assert sum(line.realized_micros for line in one.models) == one.profit.realized_micros
    assert {line.name for line in first.models} == {"taker", "maker", BETWEEN_MODELS}
    between = [line.realized_micros for one in (first, second) for line in one.models if line.name == BETWEEN_MODELS]
    assert sum(between) == 0, "after the settlement nothing is between them"


def test_the_next_day_begins_where_the_day_ended() -> None:
    history = two_days()
    first, second = history.statement(), history.statement(NEXT)
    assert first.closing.owned_micros == second.opening.owned_micros == second.conservation.opening_micros
    assert first.journal.last_seq + 1 == second.journal.first_seq
    (settlement,) = second.settlements
    assert (settlement.payout_micros, settlement.at_us) == (100 * 10_000, NEXT_NOON + 5)
    assert not second.fills and second.conservation.holds and not second.positions
    found = second.reconciliation
    assert (found.discrepancies, found.in_force, len(found.holds)) == (1, (), 2)
    assert any(not good for good, _ in document_of(second).checks)


def test_the_head_is_that_of_the_last_entry_of_the_day() -> None:
    history = two_days()
    one = history.statement()
    assert one.journal.head == hash_of(history.entries()[one.journal.last_seq - 1])
    assert one.journal.is_verified and one.journal.read_from_seq == 1


@pytest.mark.parametrize(("at_us", "day"), [(PERIOD.from_us - 1, -1), (PERIOD.from_us, 0), (LATE, 0), (LATE + 1, 1)])
def test_midnight_belongs_to_the_day_that_begins(at_us: int, day: int) -> None:
    history = opened(PERIOD.from_us - 3600 * S)
    history.apply(at_us, Adjust(adjust_id="d", amount_micros=5, kind="deposit", reason="r"))
    one = history.statement()
    assert [flow.amount_micros for flow in one.flows] == ([5] if day == 0 else [])
    assert one.opening.cash_micros == 100 * S + (5 if day < 0 else 0)
    assert one.closing.cash_micros == 100 * S + (5 if day <= 0 else 0)


def test_a_late_fill_belongs_to_the_day_that_recorded_it() -> None:
    history = opened().apply(NOON, *order("a", NOON, "maker"))
    history.apply(NEXT_NOON, AdvanceWatermark(name=RECONCILED, to_us=NEXT_NOON))
    history.apply(NEXT_NOON, a_fill("t1", exchange_us=LATE))
    assert history.statement().fills == ()
    (fill,) = history.statement(NEXT).fills
    assert (fill.is_late, fill.at_us, fill.recorded_us) == (True, LATE, NEXT_NOON)
    assert "1 fills were traded on an earlier day" in " ".join(history.statement(NEXT).notes)


@pytest.mark.parametrize("report", ["acknowledge", "close"])
def test_parked_fills_count_when_their_order_is_known(report: str) -> None:
    history = opened().apply(NOON, a_reserve("a", now_us=NOON, deadline_us=NOON + S, model="maker"))
    history.apply(NOON, a_fill("t1", exchange_us=NOON + 3), a_fill("t2", exchange_us=NOON + 4))
    assert history.statement().fills == ()
    if report == "acknowledge":
        history.apply(NOON + 9, an_acknowledge("a"))
    else:
        history.apply(NOON + 9, Close(order_id="a", exchange_order_id="xa", filled_centi=1000))
    one = history.statement()
    assert [(fill.trade_id, fill.at_us, fill.model) for fill in one.fills] == [
        ("t1", NOON + 3, "maker"), ("t2", NOON + 4, "maker"),
    ]  # fmt: skip
    assert one.conservation.holds


def test_orders_without_a_model_are_not_known() -> None:
    history = opened().apply(NOON, *order("a", NOON), a_fill("t1", exchange_us=NOON))
    one = history.statement()
    assert [line.name for line in one.models] == [None]
    assert any(NOT_KNOWN in row for section in document_of(one).sections if section.table for row in section.table.rows)


def test_a_statement_from_an_anchor_equals_one_from_the_start() -> None:
    history = two_days()
    whole = history.statement(NEXT)
    first = history.statement()
    anchor = Ledger("history")
    for entry in history.entries()[: first.journal.last_seq]:
        anchor.apply(verb_of(entry))
    fold = StatementFold(NEXT, anchor, first.journal.head or "")
    assert clock_of(anchor.state) < NEXT.from_us
    for entry in history.entries()[first.journal.last_seq :]:
        assert fold.add(entry)
    later = fold.finish("sim-main", NEXT.to_us)
    assert later.journal.read_from_seq == first.journal.last_seq + 1
    assert msgspec.structs.replace(later, models=(), journal=whole.journal) == msgspec.structs.replace(whole, models=())
    assert [line.name for line in later.models] == [None], "whose positions they were is not known from there"


def test_a_day_whose_beginning_was_removed_states_it() -> None:
    history = two_days()
    anchor = Ledger("history")
    for entry in history.entries()[:6]:
        anchor.apply(verb_of(entry))
    fold = StatementFold(PERIOD, anchor)
    for entry in history.entries()[6:]:
        if not fold.add(entry):
            break
    one = fold.finish("sim-main", NEXT.to_us)
    assert "no longer has the entries before 7" in one.notes[0]
    assert one.opening.seq == 6 and one.conservation.holds


def test_a_day_without_entries_keeps_its_balances() -> None:
    one = opened(NOON - 5 * 86_400 * S).statement()
    assert not one.traded and one.opening == one.closing and one.journal.first_seq == 0
    assert document_of(one).lines[0].startswith("No trade on this day")
    with pytest.raises(NotCovered):
        opened(NEXT_NOON).statement()


def test_equity_is_that_of_the_last_mark() -> None:
    history = opened().apply(NOON, *order("a", NOON), a_fill("t1", exchange_us=NOON))
    assert history.statement().closing.equity_micros is None
    history.apply(NOON, MarkEquity(day=1, profit_micros=-3))
    one = history.statement()
    assert one.closing.equity_micros == 100 * S - 3 and one.closing.valued_us == NOON
    assert one.closing.position_value_micros == 100 * S - 3 - one.closing.owned_micros


def test_adopted_positions_are_no_cash() -> None:
    adopted = AdoptedPosition(ticker="M", event="E", position_centi=500, cost_micros=2 * S)
    history = History().apply(NOON, OpenAccount(balance_micros=50 * S, positions=(adopted,)))
    history.apply(NOON, SettleMarket(ticker="M", settlement_cc=10_000))
    one = history.statement()
    assert one.conservation.holds and one.flows[0].amount_micros == 50 * S
    assert one.profit.realized_micros == 500 * 10_000 - 2 * S


def test_pruned_markets_keep_the_days_profit() -> None:
    history = two_days()
    before = history.statement(NEXT)
    history.apply(
        NEXT_NOON + 9, a_reserve("z", ticker="Z", event="Z", now_us=NEXT_NOON + 9 * S, deadline_us=NEXT_NOON + 10 * S),
        Prune(terminal_before_us=NEXT_NOON + 8 * S, settled_before_us=NEXT_NOON + 8 * S),
    )  # fmt: skip
    after = history.statement(NEXT)
    assert after.markets == before.markets and after.conservation.holds


@pytest.mark.parametrize("change", ["changed", "swapped", "removed"])
def test_a_changed_journal_gives_no_statement(change: str) -> None:
    entries = two_days().entries()
    if change == "changed":
        changed = bytes(entries[0].arguments).replace(b"100000000", b"100000001")
        entries[0] = msgspec.structs.replace(entries[0], arguments=msgspec.Raw(changed))
    elif change == "swapped":
        entries[1], entries[2] = entries[2], entries[1]
    else:
        del entries[3]
    with pytest.raises((ChainBroken, StoreCorrupt)):
        two_days().statement(entries=entries)


@given(st.data())
def test_conservation_holds_in_any_history(data: st.DataObject) -> None:
    history = opened()
    for number, verb in enumerate(data.draw(st.lists(verbs, max_size=40))):
        history.apply(NOON + number, verb)
    one = history.statement()
    assert one.conservation.error_micros == 0
    assert sum(line.realized_micros for line in one.models) == one.profit.realized_micros
