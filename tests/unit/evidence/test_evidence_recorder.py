"""The evidence adds up, is bounded, and says in a sentence where quotes got stuck."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from support.samples import NOW_US, TICKER, action, samples
from truebook.evidence.recorder import MOST_DECISIONS, MOST_MARKETS, MOST_STEPS, Recorder
from truebook.evidence.records import Funnel, Snapshot
from truebook.messages.actions import Action
from truebook.messages.fills import FillBooked
from truebook.messages.observations import Observation
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.reasons import Reason

SAMPLES = samples()
HOUR_US = 3_600_000_000
TOLD = [OrderOutcome.REFUSED, OrderOutcome.KEPT, OrderOutcome.SENT]


def changed(name: str, **changes: Any) -> Any:
    return msgspec.structs.replace(SAMPLES[name], **changes)


def observed(at_us: int = NOW_US, **changes: Any) -> Observation:
    return changed("observations.observation", id="aa", produced_us=at_us, **changes)


def told(outcome: OrderOutcome, reason: Reason | None = None, at_us: int = NOW_US, **changes: Any) -> OrderEvent:
    return changed("orders.order_event", outcome=outcome, reason=reason, produced_us=at_us, **changes)


def filled(**changes: Any) -> FillBooked:
    return changed("fills.fill_booked", produced_us=NOW_US, **changes)


def held(reason: Reason, at_us: int = NOW_US) -> Action:
    return action(id="h", targets=(), reason=reason, produced_us=at_us)


def books(recorder: Recorder, fresh: int = 5, stale: int = 0) -> None:
    for index in range(fresh + stale):
        why = None if index < fresh else Reason.SEQUENCE_GAP
        recorder.saw_book(changed("orderbook.book_delta", produced_us=NOW_US), why)


def counts(funnel: Funnel) -> dict[str, int]:
    return {stage.name: stage.count for stage in funnel.stages}


def test_every_quote_is_accounted_for_at_some_gate() -> None:
    """What came past a gate is what later gates refused plus what was sent."""
    recorder = Recorder()
    books(recorder, fresh=5, stale=2)
    recorder.take(observed())
    recorder.take(action(produced_us=NOW_US))
    refused = [Reason.DEADLINE, Reason.HOLD, Reason.HOLD, Reason.THROTTLE, Reason.CASH, Reason.PRICE_COLLAR]
    for reason in refused:
        recorder.take(told(OrderOutcome.REFUSED, reason))
    recorder.take(told(OrderOutcome.KEPT, Reason.UNCHANGED))
    recorder.take(told(OrderOutcome.SENT))
    recorder.take(told(OrderOutcome.ACKNOWLEDGED))
    recorder.take(filled())
    recorder.take(filled(answer="duplicate"))
    funnel = recorder.funnel(NOW_US)
    found = counts(funnel)
    assert (found["seen"], found["fresh"], found["observed"], found["decided"], found["not hold"]) == (7, 5, 1, 1, 1)
    assert (found["quotes wanted"], found["not working already"]) == (2, 7)
    assert (found["past deadline"], found["past holds"], found["past throttle"], found["past rate"]) == (6, 4, 3, 3)
    assert (found["past ledger"], found["sent"], found["acknowledged"], found["fills"]) == (1, 1, 1, 1)
    lost = {reason: count for stage in funnel.stages for reason, count in stage.lost.items()}
    assert lost == {
        "sequence_gap": 2, "unchanged": 1, "deadline": 1, "hold": 2, "throttle": 1, "cash": 1, "price_collar": 1,
    }  # fmt: skip


def test_a_decision_is_kept_with_what_it_saw_and_what_every_gate_said() -> None:
    recorder = Recorder()
    recorder.take(observed())
    recorder.take(action(id="aa", produced_us=NOW_US))
    recorder.take(told(OrderOutcome.REFUSED, Reason.HOLD))
    recorder.take(told(OrderOutcome.SENT))
    recorder.take(filled())
    market = recorder.market(TICKER)
    assert market is not None
    (decision,) = market.decisions
    assert (decision.bid_cc, decision.ask_cc, decision.position_centi) == (4_600, 4_900, -300)
    assert [(step.outcome, step.reason) for step in decision.steps] == [
        ("refused", "hold"), ("sent", None), ("filled", None),
    ]  # fmt: skip


def test_what_is_older_than_an_hour_is_not_told() -> None:
    recorder = Recorder()
    recorder.take(held(Reason.NO_EDGE, at_us=NOW_US - HOUR_US - 60_000_000))
    recorder.take(held(Reason.HOLD_ACTION))
    funnel = recorder.funnel(NOW_US)
    assert counts(funnel)["decided"] == 1
    assert counts(recorder.funnel(NOW_US + 2 * HOUR_US))["decided"] == 0
    assert NOW_US - HOUR_US < funnel.from_us <= NOW_US


def test_totals_of_metrics_count_once_and_a_service_that_began_anew_counts_from_nothing() -> None:
    recorder = Recorder()
    for total in (5, 5, 7, 2):
        recorder.not_observed({"one_sided_book": total}, NOW_US)
    stage = next(stage for stage in recorder.funnel(NOW_US).stages if stage.name == "observed")
    assert stage.lost == {"one_sided_book": 9}


def test_everything_that_is_kept_has_a_bound() -> None:
    recorder = Recorder()
    for index in range(MOST_MARKETS + 50):
        recorder.take(observed(ticker=f"T-{index}"))
    for index in range(MOST_DECISIONS + 5):
        recorder.take(action(id=f"a-{index}", produced_us=NOW_US))
        for _ in range(MOST_STEPS + 3):
            recorder.take(told(OrderOutcome.REFUSED, Reason.HOLD, action_id=f"a-{index}"))
    market = recorder.market(TICKER)
    assert market is not None and len(market.decisions) == MOST_DECISIONS
    assert {len(decision.steps) for decision in market.decisions} == {MOST_STEPS}
    assert {decision.more_steps for decision in market.decisions} == {3}
    assert recorder.market("T-0") is None
    kept = [index for index in range(MOST_MARKETS + 50) if recorder.market(f"T-{index}") is not None]
    assert len(kept) == MOST_MARKETS - 1


def test_a_traded_market_is_not_forgotten_for_one_that_is_not() -> None:
    recorder = Recorder()
    recorder.take(changed("markets.market", chosen=True))
    for index in range(MOST_MARKETS + 5):
        recorder.take(observed(ticker=f"T-{index}"))
    assert recorder.market(TICKER) is not None


def test_a_snapshot_survives_its_file() -> None:
    recorder = Recorder()
    books(recorder)
    recorder.take(observed())
    recorder.take(action(id="aa", produced_us=NOW_US))
    recorder.take(told(OrderOutcome.REFUSED, Reason.HOLD))
    snapshot = recorder.snapshot(NOW_US)
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


@pytest.mark.parametrize(
    ("fresh", "stale", "messages", "expected"),
    [
        (0, 0, [], ("no book change has arrived",)),
        (0, 3, [], ("no book could be trusted", "`sequence_gap` (3 ×)")),
        (5, 0, [], ("no market is observed", "`one_sided_book` (4 ×)")),
        (5, 0, [observed(), held(Reason.HOLD_ACTION)], ("every decision is to do nothing", "`hold_action`", "--model")),
        (5, 0, [observed(), held(Reason.NO_EDGE)], ("every decision is to do nothing", "`no_edge`", "min_edge_cc")),
        (
            5, 0, [observed(), action(), told(OrderOutcome.REFUSED, Reason.HOLD)],
            ("refused at the gate `holds`", "`hold` (1 ×)", "truebook resume"),
        ),
        (
            5, 0, [observed(), action(), told(OrderOutcome.REFUSED, Reason.CASH)],
            ("refused at the gate `ledger`", "`cash` (1 ×)"),
        ),
        (
            5, 0, [observed(), action(), told(OrderOutcome.SENT), told(OrderOutcome.REJECTED, Reason.REJECTED)],
            ("the exchange has accepted none", "`rejected`"),
        ),
        (
            5, 0, [observed(), action(), told(OrderOutcome.SENT), told(OrderOutcome.ACKNOWLEDGED)],
            ("orders rest at the exchange",),
        ),
    ],
)  # fmt: skip
def test_a_run_in_which_nothing_was_traded_is_explained(
    fresh: int, stale: int, messages: list[Any], expected: tuple[str, ...]
) -> None:
    recorder = Recorder()
    books(recorder, fresh, stale)
    if fresh:
        recorder.not_observed({"one_sided_book": 4}, NOW_US)
    for message in messages:
        recorder.take(message)
    verdict = recorder.funnel(NOW_US).verdict
    assert verdict.startswith("nothing was traded")
    assert [part for part in expected if part not in verdict] == []


def test_a_run_that_trades_says_so() -> None:
    recorder = Recorder()
    books(recorder)
    for message in (observed(), action(), told(OrderOutcome.SENT), told(OrderOutcome.ACKNOWLEDGED), filled()):
        recorder.take(message)
    assert recorder.funnel(NOW_US).verdict.startswith("it trades: 1 fills")
