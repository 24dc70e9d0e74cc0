"""Notifications over time: raised once, repeated, limited, cleared, and not again after a restart."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from truebook.alerts.conditions import Condition, Findings, Kind, Severity
from truebook.alerts.history import COLLECT_US, History, advance
from truebook.alerts.notifications import Notification, Sort
from truebook.alerts.thresholds import HOUR_US, Pacing
from truebook.clock import MICROS

T0 = 1_795_000_000_000_000
CLEAR_US = Pacing().clear_us


def condition(subject: str = "a", severity: Severity = Severity.PAGE, after_us: int = 0) -> Condition:
    return Condition(
        kind=Kind.TRADING_HOLD, subject=subject, severity=severity, headline=f"headline {subject}", to_do="do.",
        after_us=after_us,
    )  # fmt: skip


class Desk:
    """Advances a history and collects what is due."""

    def __init__(self, pacing: Pacing | None = None) -> None:
        self.pacing = pacing or Pacing()
        self.history = History()
        self.now_us = T0
        self.due: list[Notification] = []

    def step(self, conditions: Iterable[Condition] = (), seconds: float = 5, unseen: Iterable[Kind] = ()) -> list[Sort]:
        self.now_us += int(seconds * MICROS)
        findings = Findings(conditions=tuple(conditions), unseen=frozenset(unseen))
        self.history, due = advance(self.history, findings, self.now_us, self.pacing)
        self.due += due
        return [each.sort for each in due]

    def restart(self) -> None:
        stored = msgspec.json.decode(msgspec.json.encode(self.history), type=History)
        self.history = stored.continued()


def test_a_condition_is_raised_once_and_cleared_once() -> None:
    desk = Desk()
    assert desk.step([condition()]) == [Sort.RAISED]
    assert [desk.step([condition()]) for _ in range(20)] == [[]] * 20
    assert desk.step(seconds=5) == []
    assert desk.step(seconds=30) == [Sort.CLEARED]
    assert desk.step(seconds=30) == []
    assert desk.due[0].title == "[PAGE] headline a"
    assert desk.due[1].title == "[OVER] headline a"
    assert desk.due[1].body.endswith(", 1 min 45 s.")


def test_a_condition_has_to_last() -> None:
    desk = Desk()
    lasting = condition(after_us=60 * MICROS)
    assert desk.step([lasting]) == []
    assert desk.step([lasting], seconds=59) == []
    assert desk.step() == []
    assert desk.step([lasting]) == []
    assert desk.step([lasting], seconds=60) == [Sort.RAISED]


def test_a_condition_that_returns_soon_is_not_over() -> None:
    desk = Desk()
    desk.step([condition()])
    for _ in range(10):
        assert desk.step(seconds=20) == []
        assert desk.step([condition()], seconds=5) == []


def test_what_can_not_be_judged_is_not_over() -> None:
    desk = Desk()
    desk.step([condition()])
    assert desk.step(seconds=5) == []
    assert desk.step(seconds=3_600, unseen=[Kind.TRADING_HOLD]) == []
    assert desk.step(seconds=5) == []
    assert desk.step(seconds=30) == [Sort.CLEARED]


def test_a_lasting_alert_is_repeated() -> None:
    desk = Desk()
    desk.step([condition()])
    assert desk.step([condition()], seconds=4 * 3_600) == [Sort.REPEATED]
    assert desk.due[-1].title == "[PAGE] Still, for 4 h: headline a"
    assert Desk(Pacing(repeat_us=None)).step([condition()]) == [Sort.RAISED]


def test_no_repetition_where_it_is_switched_off() -> None:
    desk = Desk(Pacing(repeat_us=None))
    desk.step([condition()])
    assert desk.step([condition()], seconds=1e6) == []


def test_a_higher_severity_is_notified_at_once() -> None:
    desk = Desk()
    assert desk.step([condition(severity=Severity.NOTICE)]) == [Sort.RAISED]
    assert desk.step([condition(severity=Severity.PAGE)]) == [Sort.RAISED]
    assert desk.step([condition(severity=Severity.NOTICE)]) == []


def test_a_restart_repeats_nothing_and_keeps_the_all_clear() -> None:
    desk = Desk()
    desk.step([condition()])
    desk.restart()
    assert desk.step([condition()]) == []
    assert desk.step(unseen=[Kind.TRADING_HOLD], seconds=60) == []
    desk.step()
    assert desk.step(seconds=30) == [Sort.CLEARED]


def test_a_restart_lets_a_condition_last_again() -> None:
    desk = Desk()
    lasting = condition(after_us=60 * MICROS)
    desk.step([lasting])
    desk.restart()
    assert desk.step([lasting], seconds=3_600) == []


def test_beyond_the_limit_alerts_are_collected() -> None:
    desk = Desk(Pacing(max_per_hour=4))
    assert desk.step([condition(str(n)) for n in range(10)]).count(Sort.RAISED) == 4
    assert [each.sort for each in desk.due].count(Sort.LIMITED) == 1
    desk.step([condition("9")])
    desk.step([condition("9")], seconds=31)
    assert desk.step([condition("9")], seconds=1_800) == []
    assert desk.step([condition("9")], seconds=1_800) == [Sort.SUMMARY]
    body = desk.due[-1].body
    assert "- headline 9: raised 1 time\n" in body
    assert "- headline 8: raised 1 time, over 1 time\n" in body
    assert body.endswith("In force now:\n- headline 9")


def test_a_repeated_alert_is_not_collected_as_raised() -> None:
    desk = Desk(Pacing(max_per_hour=2, repeat_us=1_800 * MICROS))
    lasting = condition("lasting")
    assert desk.step([lasting]) == [Sort.RAISED]
    desk.step([lasting, *(condition(str(n)) for n in range(5))], seconds=1_700)
    desk.step([lasting], seconds=101)
    while Sort.SUMMARY not in desk.step([lasting], seconds=300):
        assert desk.now_us < T0 + 4 * 3_600 * MICROS
    assert "- headline lasting: repeated" in desk.due[-1].body


def test_notices_leave_half_of_the_limit_to_pages() -> None:
    desk = Desk(Pacing(max_per_hour=4))
    notices = [condition(str(n), Severity.NOTICE) for n in range(10)]
    assert desk.step(notices).count(Sort.RAISED) == 2
    assert desk.step([*notices, condition("page")]) == [Sort.RAISED]
    assert desk.due[-1].title == "[PAGE] headline page"


def test_a_flood_of_conditions_is_bounded() -> None:
    desk = Desk(Pacing(max_per_hour=4))
    for n in range(20):
        desk.step([condition(f"{n}-{m}") for m in range(50)], seconds=60)
    assert len(desk.due) < 12
    assert len(desk.history.held_back) <= 101


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(1, 4_000)), max_size=60))
def test_each_raised_alert_is_reported_over_exactly_once(steps: list[tuple[bool, bool, bool, int]]) -> None:
    """Without a limit: raised and cleared alternate for each condition, across restarts and unseen times."""
    desk = Desk(Pacing(max_per_hour=10_000))
    for is_there, is_unseen, restarts, seconds in steps:
        if restarts:
            desk.restart()
        desk.step([condition()] if is_there else [], seconds, [Kind.TRADING_HOLD] if is_unseen and not is_there else ())
    turns = [each.sort for each in desk.due if each.sort is not Sort.REPEATED]
    assert all(sort is (Sort.CLEARED if index % 2 else Sort.RAISED) for index, sort in enumerate(turns))
    assert [each.number for each in desk.due] == list(range(1, len(desk.due) + 1))


@given(
    st.lists(st.tuples(st.sets(st.sampled_from("abcdefgh")), st.integers(1, 1_200)), max_size=80),
    st.integers(2, 6),
)
def test_no_hour_has_more_than_the_limit_and_all_is_reported(
    steps: list[tuple[set[str], int]], max_per_hour: int
) -> None:  # fmt: skip
    desk = Desk(Pacing(max_per_hour=max_per_hour))
    for subjects, seconds in steps:
        desk.step([condition(subject) for subject in sorted(subjects)], seconds)
    for each in desk.due:
        hour = [other for other in desk.due if each.at_us - HOUR_US < other.at_us <= each.at_us]
        limited = sum(other.sort is Sort.LIMITED for other in hour)
        assert len(hour) - limited <= max_per_hour + 1
        assert limited <= HOUR_US // COLLECT_US + 1
    for _ in range(3):
        desk.step(seconds=1_900)
    desk.step(seconds=3_700)
    assert not desk.history.tracks
    assert not desk.history.held_back
