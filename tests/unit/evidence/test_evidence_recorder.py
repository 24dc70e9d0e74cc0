"""The evidence adds up, is bounded, and one sentence states where quotes were dropped."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from support.samples import NOW_US, TICKER, action, decisions_counted, samples
from truebook.evidence.funnel import GATES
from truebook.evidence.recorder import MAX_DECISIONS, MAX_MARKETS, MAX_STEPS, Recorder
from truebook.evidence.records import Funnel, Snapshot
from truebook.execution.guards import GUARDS
from truebook.messages.actions import Action
from truebook.messages.fills import FillRecorded, ReportOutcome
from truebook.messages.markets import Exclusion
from truebook.messages.observations import Observation
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason
from truebook.messages.refusals import RefusalsCounted

SAMPLES = samples()
HOUR_US = 3_600_000_000


def changed(name: str, **changes: Any) -> Any:
    return msgspec.structs.replace(SAMPLES[name], **changes)


def observed(at_us: int = NOW_US, **changes: Any) -> Observation:
    return changed("observations.observation", id="aa", produced_us=at_us, **changes)


def order(outcome: OrderOutcome, reason: Reason | None = None, at_us: int = NOW_US, **changes: Any) -> OrderEvent:
    return changed("orders.order_event", outcome=outcome, reason=reason, produced_us=at_us, **changes)


def filled(**changes: Any) -> FillRecorded:
    return changed("fills.fill_recorded", produced_us=NOW_US, **changes)


def no_action(reason: Reason, at_us: int = NOW_US) -> Action:
    return action(id="h", targets=(), reason=reason, produced_us=at_us)


def record_books(recorder: Recorder, fresh: int = 5, stale: int = 0) -> None:
    for index in range(fresh + stale):
        why = None if index < fresh else Reason.SEQUENCE_GAP
        recorder.record_book(changed("orderbook.book_delta", produced_us=NOW_US), why)


def counts(funnel: Funnel) -> dict[str, int]:
    return {stage.name: stage.count for stage in funnel.stages}


def test_every_quote_is_accounted_for_at_some_gate() -> None:
    """What passed a gate is what later gates refused plus what was sent."""
    recorder = Recorder()
    record_books(recorder, fresh=5, stale=2)
    recorder.record(observed())
    recorder.record(action(produced_us=NOW_US))
    refused = [Reason.DEADLINE, Reason.HOLD, Reason.HOLD, Reason.THROTTLE, Reason.CASH, Reason.PRICE_COLLAR]
    for reason in refused:
        recorder.record(order(OrderOutcome.REFUSED, reason))
    recorder.record(order(OrderOutcome.KEPT, Reason.UNCHANGED))
    recorder.record(order(OrderOutcome.SENT))
    recorder.record(order(OrderOutcome.ACKNOWLEDGED))
    recorder.record(filled())
    recorder.record(filled(outcome=ReportOutcome.DUPLICATE))
    funnel = recorder.funnel(NOW_US)
    found = counts(funnel)
    expected = {
        "book updates": 7, "fresh": 5, "observed": 1, "decided": 1, "with targets": 1, "targets": 2,
        "not already working": 7, "passed deadline": 6, "passed trading holds": 4, "passed throttle": 3,
        "passed rate budget": 3,
        "passed ledger": 1, "sent": 1, "acknowledged": 1, "fills": 1,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    lost = {reason: count for stage in funnel.stages for reason, count in stage.lost.items()}
    assert lost == {
        "sequence_gap": 2, "unchanged": 1, "deadline": 1, "hold": 2, "throttle": 1, "cash": 1, "price_collar": 1,
    }  # fmt: skip


def test_a_decision_is_kept_with_its_book_and_its_outcomes() -> None:
    recorder = Recorder()
    recorder.record(observed())
    recorder.record(action(id="aa", produced_us=NOW_US))
    recorder.record(order(OrderOutcome.REFUSED, Reason.HOLD))
    recorder.record(order(OrderOutcome.SENT))
    recorder.record(filled())
    market = recorder.market(TICKER)
    assert market is not None
    (decision,) = market.decisions
    assert (decision.bid_cc, decision.ask_cc, decision.position_centi) == (4_600, 4_900, -300)
    assert [(step.outcome, step.reason) for step in decision.steps] == [
        ("refused", "hold"), ("sent", None), ("filled", None),
    ]  # fmt: skip


def test_what_is_older_than_an_hour_is_not_counted() -> None:
    recorder = Recorder()
    recorder.record(no_action(Reason.NO_EDGE, at_us=NOW_US - HOUR_US - 60_000_000))
    recorder.record(no_action(Reason.NO_ACTION))
    funnel = recorder.funnel(NOW_US)
    assert counts(funnel)["decided"] == 1
    assert counts(recorder.funnel(NOW_US + 2 * HOUR_US))["decided"] == 0
    assert NOW_US - HOUR_US < funnel.from_us <= NOW_US


def refusals(service: str, counts: dict[Reason, int]) -> RefusalsCounted:
    return changed("refusals.refusals_counted", service=service, counts=counts, ticker=TICKER, produced_us=NOW_US)


def test_refusals_are_counted_at_their_stage_and_per_market() -> None:
    recorder = Recorder()
    recorder.record(refusals("observation", {Reason.ONE_SIDED_BOOK: 5}))
    recorder.record(refusals("observation", {Reason.ONE_SIDED_BOOK: 4, Reason.NO_LEDGER: 1}))
    recorder.record(refusals("policy", {Reason.DEADLINE: 2}))
    lost = {stage.name: stage.lost for stage in recorder.funnel(NOW_US).stages}
    assert (lost["observed"], lost["decided"]) == ({"one_sided_book": 9, "no_ledger": 1}, {"deadline": 2})
    market = recorder.market(TICKER)
    assert market is not None and market.refused == {"one_sided_book": 9, "no_ledger": 1, "deadline": 2}


def test_counted_decisions_are_counted_as_those_that_are_published() -> None:
    """In any order: topics have none in common."""
    one, other = Recorder(), Recorder()
    for reason in (Reason.NO_ACTION, Reason.NO_ACTION, Reason.NO_ACTION, Reason.ONE_SIDED_BOOK):
        one.record(no_action(reason))
    counted, published = decisions_counted(until_us=NOW_US + 5), action(id="aa", produced_us=NOW_US)
    other.record(counted)
    for recorder in (one, other):
        recorder.record(published)
    assert one.funnel(NOW_US) == other.funnel(NOW_US)
    market = other.market(TICKER)
    assert market is not None and len(market.decisions) == 1
    assert market.counted == {"no_action": 3, "one_sided_book": 1}
    assert market.last_reason == "no_action", "the newest decision was counted"
    other.record(action(id="bb", produced_us=NOW_US + 6))
    assert market.last_reason is None
    other.record(decisions_counted(until_us=NOW_US + 2, reason=Reason.OFF_GRID))
    assert (market.counted_us, market.counted_reason) == (NOW_US + 5, "no_action")


def test_why_a_market_is_not_selected_is_kept() -> None:
    recorder = Recorder()
    recorder.record(changed("markets.market_updated", selected=False, exclusion=Exclusion.SPREAD))
    market = recorder.market(TICKER)
    assert market is not None and (market.selected, market.exclusion) == (False, "spread")


def test_everything_that_is_kept_has_a_bound() -> None:
    recorder = Recorder()
    for index in range(MAX_MARKETS + 50):
        recorder.record(observed(ticker=f"T-{index}"))
    for index in range(MAX_DECISIONS + 5):
        recorder.record(action(id=f"a-{index}", produced_us=NOW_US))
        for _ in range(MAX_STEPS + 3):
            recorder.record(order(OrderOutcome.REFUSED, Reason.HOLD, action_id=f"a-{index}"))
    market = recorder.market(TICKER)
    assert market is not None and len(market.decisions) == MAX_DECISIONS
    assert {len(decision.steps) for decision in market.decisions} == {MAX_STEPS}
    assert {decision.more_steps for decision in market.decisions} == {3}
    assert recorder.market("T-0") is None
    kept = [index for index in range(MAX_MARKETS + 50) if recorder.market(f"T-{index}") is not None]
    assert len(kept) == MAX_MARKETS - 1


def test_a_selected_market_is_not_dropped_for_others() -> None:
    recorder = Recorder()
    recorder.record(changed("markets.market_updated", selected=True))
    for index in range(MAX_MARKETS + 5):
        recorder.record(observed(ticker=f"T-{index}"))
    assert recorder.market(TICKER) is not None


def test_the_gates_are_in_the_order_of_executions_guards() -> None:
    position = {reason: index for index, (_, reasons) in enumerate(GATES) for reason in reasons}
    *guards, expiry = [guard.reason for guard in GUARDS if guard.reason in position]
    assert expiry is Reason.DEADLINE, "the last guard repeats the deadline, for a target's own expiry"
    assert [position[reason] for reason in guards] == sorted(position[reason] for reason in guards)


def test_a_snapshot_is_equal_after_its_file() -> None:
    recorder = Recorder()
    record_books(recorder)
    recorder.record(observed())
    recorder.record(action(id="aa", produced_us=NOW_US))
    recorder.record(order(OrderOutcome.REFUSED, Reason.HOLD))
    snapshot = recorder.snapshot(NOW_US)
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


@pytest.mark.parametrize(
    ("fresh", "stale", "messages", "expected"),
    [
        (0, 0, [], ("no book update was received",)),
        (0, 3, [], ("no book was fresh", "`sequence_gap` (3 ×)")),
        (5, 0, [], ("no market is observed", "`one_sided_book` (4 ×)")),
        (5, 0, [observed(), no_action(Reason.NO_ACTION)], ("decision is to do nothing", "`no_action`", "--model")),
        (5, 0, [observed(), no_action(Reason.NO_EDGE)], ("decision is to do nothing", "`no_edge`", "min_edge_cc")),
        (
            5, 0, [observed(), action(), order(OrderOutcome.REFUSED, Reason.HOLD)],
            ("refused at the gate `trading holds`", "`hold` (1 ×)", "what ends each"),
        ),
        (
            5, 0, [observed(), action(), order(OrderOutcome.REFUSED, Reason.CASH)],
            ("refused at the gate `ledger`", "`cash` (1 ×)"),
        ),
        (
            5, 0, [observed(), action(), order(OrderOutcome.SENT), order(OrderOutcome.REJECTED, Reason.REJECTED)],
            ("the exchange accepted none", "`rejected`"),
        ),
        (
            5, 0, [observed(), action(), order(OrderOutcome.SENT), order(OrderOutcome.ACKNOWLEDGED)],
            ("orders are resting",),
        ),
    ],
)  # fmt: skip
def test_a_run_in_which_nothing_was_traded_is_explained(
    fresh: int, stale: int, messages: list[Any], expected: tuple[str, ...]
) -> None:
    recorder = Recorder()
    record_books(recorder, fresh, stale)
    if fresh:
        recorder.record(refusals("observation", {Reason.ONE_SIDED_BOOK: 4}))
    for message in messages:
        recorder.record(message)
    verdict = recorder.funnel(NOW_US).verdict
    assert verdict.startswith("nothing was traded")
    assert [part for part in expected if part not in verdict] == []


def test_the_verdict_on_a_run_that_trades() -> None:
    recorder = Recorder()
    record_books(recorder)
    for message in (observed(), action(), order(OrderOutcome.SENT), order(OrderOutcome.ACKNOWLEDGED), filled()):
        recorder.record(message)
    assert recorder.funnel(NOW_US).verdict.startswith("trading: 1 fills")


def test_the_sentence_states_why_no_market_is_selected() -> None:
    recorder = Recorder()
    for number in range(3):
        market = changed("markets.market_updated", ticker=f"T-{number}", selected=False, exclusion=Exclusion.FEE_TYPE)
        recorder.record(market)
    assert recorder.excludes_all
    assert recorder.funnel(NOW_US).verdict.startswith("nothing was traded: no market is selected; `fee_type` (3 ×)")
    recorder.record(changed("markets.market_updated", ticker="T-0", selected=True, exclusion=None))
    assert not recorder.excludes_all
    assert "selected" not in recorder.funnel(NOW_US).verdict.partition("?")[2]
