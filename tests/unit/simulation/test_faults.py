"""Fault schedules: their syntax, and when a fault is due."""

from __future__ import annotations

import pytest

from truebook.simulation.faults import Fault, FaultError, FaultKind, FaultSchedule, parse_fault

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
    with pytest.raises(FaultError, match="lost_ack, drop_socket, sequence_gap, sequence_restart, late_fill"):
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
