"""The state behind a page: joins, bounds, and what changes with time."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import pytest

from support.samples import NOW_US, TICKER, account_report, action, decisions_counted, samples, service_report
from truebook.evidence.recorder import Recorder
from truebook.ledger.memory_store import MemoryStore
from truebook.live import state as module
from truebook.live.services import LiveServices
from truebook.live.state import LiveState
from truebook.live.system_views import ServiceState
from truebook.live.thinning import Thinned
from truebook.live.views import DecisionState
from truebook.messages.envelope import Message
from truebook.messages.fills import ReportOutcome
from truebook.messages.market_metadata import MarketStatus
from truebook.messages.markets import MarketUpdated
from truebook.messages.orders import OrderOutcome

LATER_US = NOW_US + 60_000_000


def sample(name: str, **changes: Any) -> Message:
    return msgspec.structs.replace(samples()[name], **changes)


def order(outcome: OrderOutcome, **changes: Any) -> Message:
    return sample("orders.order_event", outcome=outcome, reason=None, **changes)


def update(ticker: str, **changes: Any) -> Message:
    found = samples()["markets.market_updated"]
    assert isinstance(found, MarketUpdated)
    facts = {"ticker": ticker, "settlement_cc": None, **changes}
    return msgspec.structs.replace(
        found, ticker=ticker, selected=True, metadata=msgspec.structs.replace(found.metadata, **facts)
    )  # fmt: skip


def new_state() -> LiveState:
    return LiveState({}, Recorder(), epoch="e", since_us=NOW_US, names=lambda layout: ())


def taken(*messages: Message) -> LiveState:
    state = new_state()
    for message in messages:
        state.take(message)
    return state


STEPS: list[tuple[list[Message], DecisionState]] = [
    ([], DecisionState.DECIDED),
    ([sample("orders.order_event", client_order_id="")], DecisionState.NOT_SENT),
    ([order(OrderOutcome.SENT)], DecisionState.SENT),
    ([order(OrderOutcome.SENT), order(OrderOutcome.ACKNOWLEDGED)], DecisionState.WORKING),
    ([order(OrderOutcome.SENT), order(OrderOutcome.UNKNOWN)], DecisionState.UNKNOWN),
    ([order(OrderOutcome.SENT), order(OrderOutcome.REJECTED)], DecisionState.NOT_ACCEPTED),
    ([order(OrderOutcome.SENT), order(OrderOutcome.CANCELLED)], DecisionState.CANCELLED),
    ([order(OrderOutcome.SENT), sample("fills.fill_recorded")], DecisionState.FILLED),
    (
        [order(OrderOutcome.SENT), sample("fills.fill_recorded"), sample("fills.market_settled")],
        DecisionState.SETTLED,
    ),
]


@pytest.mark.parametrize(("messages", "expected"), STEPS, ids=[str(expected) for _, expected in STEPS])
def test_a_decision_is_as_far_as_its_orders(messages: list[Message], expected: DecisionState) -> None:
    life = taken(action(id="aa"), *messages).lifecycle("aa")
    assert life is not None and life.state is expected


def test_a_lifecycle_has_the_times_between_its_steps() -> None:
    state = taken(
        sample("observations.observation", id="o", produced_us=NOW_US + 1_000),
        action(id="aa", observation_id="o", produced_us=NOW_US + 3_000, confirmed_us=NOW_US),
        order(OrderOutcome.SENT, produced_us=NOW_US + 9_000),
        order(OrderOutcome.ACKNOWLEDGED, produced_us=NOW_US + 9_000),
        sample("fills.fill_recorded", exchange_us=NOW_US + 10_000),
    )
    life = state.lifecycle("aa")
    assert life is not None
    assert (life.observe_us, life.decide_us, life.acknowledge_us, life.fill_us) == (1_000, 2_000, 6_000, 7_000)
    assert (life.fair_ppm, life.bid_cc, life.orders[0].fills[0].action_id) == (481_250, 4_600, "aa")


def test_topics_may_be_read_in_any_order() -> None:
    """A fill and an order's events may be read before the decision."""
    state = taken(sample("fills.fill_recorded"), order(OrderOutcome.SENT), action(id="aa"))
    life = state.lifecycle("aa")
    assert life is not None and life.state is DecisionState.FILLED
    assert life.orders[0].fills[0].action_id == "aa"


def test_a_fill_that_is_repeated_counts_once() -> None:
    fills = [
        sample("fills.fill_recorded", outcome=outcome)
        for outcome in (ReportOutcome.APPLIED, ReportOutcome.DUPLICATE, ReportOutcome.CONFLICT)
    ]
    changes = taken(action(id="aa"), order(OrderOutcome.SENT), *fills).changes(None, LATER_US)
    assert [row.filled_centi for row in changes.decisions] == [250]
    assert [event.kind for event in changes.events] == ["fill"]


def test_decisions_without_an_order_are_dropped_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("truebook.live.decisions.MAX_UNSENT", 3)
    state = taken(action(id="aa"), order(OrderOutcome.SENT))
    for number in range(10):
        state.take(action(id=f"b{number}"))
    assert state.lifecycle("aa") is not None
    assert [number for number in range(10) if state.lifecycle(f"b{number}") is not None] == [7, 8, 9]


def test_the_number_of_markets_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MARKETS", 3)
    state = taken(*(update(f"M{number}") for number in range(3)))
    first = state.changes(None, LATER_US)
    state.take(update("M3"))
    later = state.changes(first.version, LATER_US)
    assert (later.removed, [row.ticker for row in later.rows]) == (("M0",), ["M3"])


def test_a_version_before_dropped_removals_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MARKETS", 2)
    state = taken(update("M0"), update("M1"))
    first = state.changes(None, LATER_US)
    for number in range(2, 7):
        state.take(update(f"M{number}"))
        state.changes(None, LATER_US)
    assert state.changes(first.version, LATER_US).is_complete


async def test_an_ended_market_is_removed_unless_it_is_held() -> None:
    ledger = MemoryStore("test")
    state = taken(update("M0"), update("M1"))
    state.take_ledger(await ledger.view())
    first = state.changes(None, LATER_US)
    state.take(update("M0", status=MarketStatus.FINALIZED))
    assert state.changes(first.version, LATER_US).removed == ("M0",)
    state.take(update("M0"))
    assert [row.ticker for row in state.changes(first.version, LATER_US).rows] == ["M0"], "it was listed again"


def test_positions_are_unknown_before_the_ledger_is_read() -> None:
    (row,) = taken(update("M0")).changes(None, LATER_US).rows
    assert (row.position_centi, row.open_orders, row.bid_cc, row.stale) == (None, None, None, "no_snapshot")


def test_the_equity_curve_has_its_peak() -> None:
    reports = [
        account_report(produced_us=NOW_US + n * 10_000_000, equity_micros=equity)
        for n, equity in enumerate((1_000_000_000, 1_005_000_000, None, 1_002_000_000))
    ]
    changes = taken(*reports).changes(None, LATER_US)
    assert [point.equity_micros for point in changes.points] == [1_000_000_000, 1_005_000_000, None, 1_002_000_000]
    assert changes.account is not None
    assert (changes.account.peak_micros, changes.account.below_peak_micros) == (5_000_000, 3_000_000)


def test_a_peak_of_zero_is_a_peak() -> None:
    """An account begins at a profit of 0: its first loss is no peak."""
    reports = [
        account_report(produced_us=NOW_US + n * 10_000_000, equity_micros=1_000_000_000 - loss)
        for n, loss in enumerate((0, 30_000_000, 100_000_000))
    ]
    account = taken(*reports).changes(None, LATER_US).account
    assert account is not None
    assert (account.peak_micros, account.below_peak_micros) == (0, 100_000_000)


def test_an_older_report_of_the_account_is_ignored() -> None:
    state = taken(account_report(), account_report(produced_us=NOW_US - 1, cash_micros=0))
    account = state.changes(None, LATER_US).account
    assert account is not None and account.cash_micros == 980_000_000


def test_holds_and_discrepancies_are_events() -> None:
    state = taken(account_report(holds=(), differences=()))
    state.take(account_report(produced_us=LATER_US, holds=("operator",), differences=("cash",)))
    state.take(account_report(produced_us=LATER_US + 1, holds=(), differences=()))
    found = [(event.kind, event.is_problem) for event in state.changes(None, LATER_US).events]
    assert found == [("hold", True), ("discrepancy", True), ("hold", False), ("discrepancy", False)]


def test_counted_decisions_are_those_of_their_market_model_and_minute() -> None:
    """They are published later than they are made: a decision in between is newer."""
    minute_us = NOW_US // 60_000_000 * 60_000_000
    counted = decisions_counted(model="small", until_us=minute_us + 5, produced_us=minute_us + 60_000_001)
    state = taken(counted, action(id="aa", model="maker", produced_us=minute_us + 6, fair_ppm=None))
    view = state.model(LATER_US)
    assert [(each.at_us, dict(each.counts)) for each in view.minutes] == [(minute_us, {"none": 4, "quote": 1})]
    assert (view.active, view.probabilities) == ("maker", ())
    assert [each.decisions for each in state.changes(None, LATER_US).rows] == [5]
    state.take(msgspec.structs.replace(counted, until_us=minute_us + 7))
    assert state.model(LATER_US).active == "small"
    assert state.newest_decision == msgspec.structs.replace(counted, until_us=minute_us + 7)


def test_calibration_counts_a_settled_market_once() -> None:
    state = taken(action(id="aa", fair_ppm=420_000), action(id="bb", fair_ppm=480_000))
    state.take(update(TICKER, settlement_cc=10_000))
    state.take(sample("fills.market_settled"))
    (found,) = state.model(LATER_US).calibration
    assert (found.from_ppm, found.markets, found.mean_fair_ppm, found.mean_settlement_ppm) == (
        400_000, 1, 480_000, 1_000_000,
    )  # fmt: skip


class Reports(NamedTuple):
    """When a service reports, and what is seen at 100 s."""

    reports: list[tuple[str, int, dict[str, Any]]]
    expected: list[tuple[str, ServiceState]]


@pytest.mark.parametrize(
    "case",
    [
        Reports([("a", 95, {})], [("a", ServiceState.WORKS)]),
        Reports([("a", 95, {"standby": True})], [("a", ServiceState.STANDBY)]),
        Reports([("a", 95, {"not_ready": ("no response",)})], [("a", ServiceState.NOT_READY)]),
        Reports([("a", 80, {})], [("a", ServiceState.SILENT)]),
        Reports([("a", 20, {"stopped": True})], [("a", ServiceState.STOPPED)]),
        Reports([("a", 20, {"stopped": True}), ("b", 95, {"started_s": 30})], [("b", ServiceState.WORKS)]),
        Reports([("a", 20, {}), ("b", 95, {"started_s": 30})], [("b", ServiceState.WORKS)]),
        Reports([("a", 20, {}), ("b", 95, {"started_s": 5})], [("a", ServiceState.SILENT), ("b", ServiceState.WORKS)]),
    ],
)  # fmt: skip
def test_a_process_is_listed_until_another_has_replaced_it(case: Reports) -> None:
    services = LiveServices()
    for instance, at_s, changes in case.reports:
        started_us = NOW_US + changes.pop("started_s", 0) * 1_000_000
        at_us = NOW_US + at_s * 1_000_000
        services.take(service_report(
            instance=instance, produced_us=at_us, valid_us=at_us + 15_000_000, started_us=started_us,
            **{"not_ready": (), **changes},
        ))  # fmt: skip
    assert [(row.instance, row.state) for row in services.rows(NOW_US + 100_000_000)] == case.expected


def test_a_silent_service_is_an_event_once() -> None:
    state = taken(service_report(not_ready=()))
    for _ in range(3):
        changes = state.changes(None, NOW_US + 100_000_000)
    assert [event.text for event in changes.events] == ["execution does not report any more"]


def test_another_model_in_use_is_an_event() -> None:
    state = taken(service_report(), service_report(produced_us=LATER_US, valid_us=LATER_US, model="small"))
    texts = [event.text for event in state.changes(None, NOW_US).events]
    assert texts == ["model in use: small instead of maker"]


class Point(NamedTuple):
    at_us: int


@pytest.mark.parametrize("count", [1, 7, 100, 10_000])
def test_a_thinned_series_keeps_its_ends_and_order(count: int) -> None:
    series: Thinned[Point] = Thinned(50, 10)
    for number in range(count):
        series.add(Point(number * 10))
    times = [point.at_us for point in series]
    assert (times[0], times[-1]) == (0, (count - 1) * 10)
    assert times == sorted(set(times)) and len(times) <= 50
    assert not series.add(Point(-1))


def test_points_that_are_close_replace_the_newest() -> None:
    series: Thinned[Point] = Thinned(50, 10)
    for at_us in (0, 3, 6, 9, 12, 14):
        series.add(Point(at_us))
    assert [point.at_us for point in series] == [0, 12, 14]
