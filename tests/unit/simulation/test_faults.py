"""Fault schedules: their syntax, and when a fault is due."""

from __future__ import annotations

import pytest

from truebook.simulation.faults import PLANNED, Fault, FaultError, FaultKind, FaultSchedule, fault_plan, parse_fault

SECOND_US = 1_000_000


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("lost_ack@every=7", Fault(FaultKind.LOST_ACK, every=7)),
        (" drop_socket@t=10 ", Fault(FaultKind.DROP_SOCKET, after_us=10 * SECOND_US)),
        ("sequence_gap@t=0.25", Fault(FaultKind.SEQUENCE_GAP, after_us=250_000)),
        ("late_fill@every=1", Fault(FaultKind.LATE_FILL, every=1)),
    ],
)
def test_a_fault_is_a_kind_and_a_time_or_a_count(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize("text", ["", "lost_ack", "lost_ack@7", "melt@every=3", "lost_ack@every=0", "late_fill@t=-1"])
def test_an_invalid_fault_lists_the_kinds(text: str) -> None:
    with pytest.raises(FaultError, match=r"lost_ack, late_ack, .*sequence_gap, sequence_restart, .*late_fill"):
        parse_fault(text)


def test_a_counted_fault_is_due_at_every_nth_occasion() -> None:
    schedule = FaultSchedule.parse(["lost_ack@every=3"])
    assert [schedule.due(FaultKind.LOST_ACK, 0, count) for count in range(1, 8)] == [
        False, False, True, False, False, True, False,
    ]  # fmt: skip
    assert not schedule.due(FaultKind.LATE_FILL, 0, 3)


def test_a_timed_fault_is_due_once_after_its_time() -> None:
    schedule = FaultSchedule.parse(["drop_socket@t=20", "drop_socket@t=10"], start_us=5 * SECOND_US)
    assert schedule.next_due_us(FaultKind.DROP_SOCKET) == 15 * SECOND_US
    times = [14, 15, 16, 24, 26, 27]
    due = [schedule.due(FaultKind.DROP_SOCKET, at * SECOND_US, 1) for at in times]
    assert due == [False, True, False, False, True, False]
    assert schedule.next_due_us(FaultKind.DROP_SOCKET) is None


def test_an_empty_schedule_has_no_faults() -> None:
    schedule = FaultSchedule()
    assert not any(schedule.due(kind, 10**15, 1) for kind in FaultKind)


def test_a_span_is_active_and_due_at_each_occasion_in_it() -> None:
    schedule = FaultSchedule.parse(["rate_limited@t=10..12.5"])
    moments = (9_999_999, 10_000_000, 12_499_999, 12_500_000)
    assert [schedule.active(FaultKind.RATE_LIMITED, at_us) for at_us in moments] == [False, True, True, False]
    assert [schedule.due(FaultKind.RATE_LIMITED, at_us, 1) for at_us in moments] == [False, True, True, False]
    assert schedule.began_us(FaultKind.RATE_LIMITED, 11_000_000) == 10_000_000


@pytest.mark.parametrize(
    "text",
    [
        "mute_socket@t=5", "mute_socket@every=2", "paused@t=9..9", "lost_ack@t=3:TICKER", "early_close@t=1..2",
        "paused@every=3",
    ],
)  # fmt: skip
def test_a_fault_without_its_end_or_with_a_wrong_one_is_invalid(text: str) -> None:
    with pytest.raises(FaultError, match=r"paused|write|needs an end|has no end"):
        parse_fault(text)


def test_added_faults_count_from_the_time_they_were_added() -> None:
    schedule = FaultSchedule(start_us=1_000 * SECOND_US)
    schedule.add(parse_fault("stale_reads@t=1..2"), from_us=1_500 * SECOND_US)
    schedule.add(parse_fault("paused@t=1..2:T-1"), from_us=1_500 * SECOND_US)
    assert schedule.active(FaultKind.STALE_READS, 1_501 * SECOND_US)
    assert schedule.listed() == ["stale_reads@t=501..502", "paused@t=501..502:T-1"]
    schedule.clear()
    assert not schedule.active(FaultKind.STALE_READS, 1_501 * SECOND_US)
    assert schedule.listed() == [] and schedule.of_markets == []


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_has_each_kind_once_and_pauses_between(seed: int) -> None:
    faults = fault_plan(seed, 240 * SECOND_US)
    assert sorted(fault.kind for fault in faults) == sorted(PLANNED)
    assert [parse_fault(str(fault)) for fault in faults] == list(faults)
    ends = [(fault.until_us or fault.after_us or 0) for fault in faults]
    begins = [fault.after_us or 0 for fault in faults]
    assert begins[0] >= 30 * SECOND_US and ends[-1] <= 210 * SECOND_US
    assert all(end < begin for end, begin in zip(ends, begins[1:], strict=False))
