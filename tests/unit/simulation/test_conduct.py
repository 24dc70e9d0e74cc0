"""The judgement of a client, on made records."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from truebook.simulation.conduct.judge import Verdict, judge
from truebook.simulation.conduct.records import (
    Account,
    RequestKind,
    Run,
    SeenFault,
    SeenRequest,
    SeenSocket,
    SentOrder,
    SocketEvent,
)
from truebook.simulation.faults import FaultKind, parse_fault

SECOND_US = 1_000_000
TICKER = "T-1"


def order(name: str, price: str = "0.41") -> SentOrder:
    return SentOrder(ticker=TICKER, side="bid", price=price, count="1.00", client_order_id=name)


def create(at_s: float, order_id: str, *, status: int = 201, price: str = "0.41", **more: Any) -> SeenRequest:
    at_us = int(at_s * SECOND_US)
    ids = (order_id,) if order_id else ()
    return SeenRequest(
        at_us=at_us, responded_us=at_us, kind=RequestKind.CREATE, target="POST /orders", status=status,
        orders=(order(f"c-{order_id or at_s}", price),), order_ids=ids, **more,
    )  # fmt: skip


def lost(at_s: float, order_id: str, **more: Any) -> SeenRequest:
    return create(at_s, order_id, status=0, faults=(FaultKind.LOST_ACK,), **more)


def sent(at_s: float, kind: RequestKind = RequestKind.LOOK, *, status: int = 200, **more: Any) -> SeenRequest:
    at_us = int(at_s * SECOND_US)
    return SeenRequest(at_us=at_us, responded_us=at_us, kind=kind, target="GET /orders", status=status, **more)


def socket(at_s: float, event: SocketEvent, *, private: bool = False) -> SeenSocket:
    return SeenSocket(at_us=int(at_s * SECOND_US), event=event, private=private)


def account(**changes: Any) -> Account:
    return Account(**({"opening_micros": 10, "equity_micros": 7, "positions": {}, "resting": ()} | changes))


def run(
    fault: str, *requests: SeenRequest, sockets: tuple[SeenSocket, ...] = (), happened: tuple[float, ...] = (10.0,),
    subject: str = "", of: Account | None = None,
) -> Run:  # fmt: skip
    planned = parse_fault(fault)
    seen = tuple(SeenFault(at_us=int(at_s * SECOND_US), kind=planned.kind, subject=subject) for at_s in happened)
    return Run(
        start_us=0, end_us=100 * SECOND_US, plan=(planned,), requests=requests, sockets=sockets, faults=seen,
        account=of or account(),
    )  # fmt: skip


def verdict(judged: Run) -> Verdict:
    return judge(judged).faults[0].verdict


OPENED, CLOSED, RENEWED = SocketEvent.OPENED, SocketEvent.CLOSED, SocketEvent.RENEWED


def test_an_equal_order_without_a_look_between_is_doubled() -> None:
    report = judge(run("lost_ack@t=10..12", lost(10, "a"), create(11, "b"), sent(13)))
    assert [(one.first_order_id, one.second_order_id) for one in report.doubled] == [("a", "b")]
    assert report.faults[0].verdict is Verdict.FAIL and not report.passed and report.abandoned == ()


@pytest.mark.parametrize(
    "later",
    [
        (sent(10.5), create(11, "b")),
        (create(11, "b", price="0.42"), sent(12)),
        (create(30, "b"), sent(31)),
        (create(11, "a"), sent(12)),
        (create(11, "", status=409, error="conflict"), sent(12)),
    ],
)
def test_a_look_other_terms_or_the_same_order_is_no_doubling(later: tuple[SeenRequest, ...]) -> None:
    judged = run("lost_ack@t=10..12", lost(10, "a"), *later)
    assert judge(judged).doubled == () and verdict(judged) is Verdict.PASS


def test_an_open_private_stream_counts_as_a_look() -> None:
    sockets = (socket(1, OPENED), socket(2, RENEWED, private=True))
    assert judge(run("lost_ack@t=10..12", lost(10, "a"), create(11, "b"), sockets=sockets)).passed
    closed = (*sockets, socket(5, CLOSED))
    assert not judge(run("lost_ack@t=10..12", lost(10, "a"), create(11, "b"), sockets=closed)).passed


def test_an_order_of_which_nothing_is_read_is_abandoned() -> None:
    judged = run("lost_ack@t=10..12", lost(10, "a"), create(20, "b", price="0.3"))
    assert [one.order_id for one in judge(judged).abandoned] == ["a"] and verdict(judged) is Verdict.FAIL
    cancelled = sent(20, RequestKind.CANCEL, order_ids=("a",))
    assert judge(run("lost_ack@t=10..12", lost(10, "a"), cancelled)).abandoned == ()


def steady(from_s: int, to_s: int, per_s: int, **more: Any) -> tuple[SeenRequest, ...]:
    return tuple(sent(from_s + n / per_s, **more) for n in range((to_s - from_s) * per_s))


REFUSED = {"status": 429, "faults": (FaultKind.RATE_LIMITED,)}


@pytest.mark.parametrize(
    ("during_per_s", "after", "expected"),
    [(1, (sent(21),), Verdict.PASS), (10, (sent(21),), Verdict.FAIL), (1, (), Verdict.FAIL)],
)
def test_a_client_slows_down_and_recovers(during_per_s: int, after: tuple[SeenRequest, ...], expected: Verdict) -> None:
    during = steady(10, 20, during_per_s, **REFUSED)
    judged = run("rate_limited@t=10..20", *steady(0, 10, 10), *during, *after)
    assert verdict(judged) is expected
    if expected is Verdict.PASS:
        assert judge(judged).faults[0].recovery_ms == 1_000 and judge(judged).rate_limited == 10


def test_faults_that_nothing_meets_are_not_met() -> None:
    for fault in ("lost_ack@t=10..12", "rate_limited@t=10..12", "mute_socket@t=10..12", "stale_reads@t=10..12"):
        assert verdict(run(fault)) is Verdict.NOT_MET


def test_a_gap_needs_a_new_snapshot() -> None:
    before = (socket(1, OPENED), socket(1, RENEWED))
    assert verdict(run("sequence_gap@t=10", sockets=before)) is Verdict.FAIL
    assert verdict(run("sequence_gap@t=10", sockets=(*before, socket(12, RENEWED)))) is Verdict.PASS
    assert verdict(run("sequence_gap@t=10", sockets=(*before, socket(12, RENEWED)), happened=())) is Verdict.NOT_MET


@pytest.mark.parametrize(("rejected", "expected"), [(3, Verdict.PASS), (4, Verdict.FAIL)])
def test_a_closed_market_is_noticed_after_few_orders(rejected: int, expected: Verdict) -> None:
    orders = [create(11 + number, "", status=409, error="market_closed") for number in range(rejected)]
    judged = run("early_close@t=10", *orders, subject=TICKER)
    assert verdict(judged) is expected
    assert judge(judged).wasted == {"409 market_closed": rejected}
    assert verdict(run("early_close@t=10", *orders, subject="T-2")) is Verdict.NOT_MET


@pytest.mark.parametrize(
    ("believed", "held", "different"),
    [
        ({TICKER: "3"}, {TICKER: ("2.00", "3.00")}, 0), ({TICKER: "2.0"}, {TICKER: ("2.00", "3.00")}, 0),
        ({TICKER: "-3.00"}, {TICKER: ("3.00",)}, 1), ({}, {TICKER: ("3.00",)}, 1), ({"T-2": "0.01"}, {}, 1),
        ({}, {TICKER: ("0.00", "3.00")}, 0), ({TICKER: "many"}, {}, 1),
    ],
)  # fmt: skip
def test_believed_positions_are_those_held_lately(
    believed: dict[str, str], held: dict[str, tuple[str, ...]], different: int
) -> None:
    of = account(believed_positions=believed, held_lately=held)
    judged = run("late_fill@t=10..12", of=of)
    report = judge(judged)
    assert report.position_differences is not None and len(report.position_differences) == different
    assert report.faults[0].verdict is (Verdict.FAIL if different else Verdict.PASS)
    assert verdict(run("late_fill@t=10..12")) is Verdict.NOT_MET


def test_profit_is_measured_against_doing_nothing() -> None:
    assert judge(run("late_fill@t=10..12")).profit_micros == -3
    assert judge(run("late_fill@t=10..12", of=account(equity_micros=None))).profit_micros is None


@pytest.mark.parametrize(("omitted", "passed"), [(None, True), ((), True), (("a",), False)])
def test_an_order_that_the_client_does_not_name_is_omitted(omitted: tuple[str, ...] | None, passed: bool) -> None:
    report = judge(run("late_fill@t=10..12", of=account(omitted=omitted)))
    assert (report.omitted, report.passed) == (omitted, passed)


def test_a_run_that_is_not_fully_recorded_is_not_passed() -> None:
    judged = msgspec.structs.replace(run("lost_ack@t=10..20"), unrecorded=3)
    report = judge(judged)
    assert (report.requests, report.unrecorded, report.passed) == (3, 3, False), (
        "those of the plan and the unrecorded ones"
    )


def test_a_client_that_ended_with_an_error_is_not_passed() -> None:
    for exit_code, passed in ((None, True), (0, True), (3, False)):
        judged = msgspec.structs.replace(run("lost_ack@t=10..20"), exit_code=exit_code)
        assert judge(judged).passed is passed


def test_a_refusal_beside_the_planned_span_is_met() -> None:
    """The exchange's clock and the plan's start a little apart."""
    refused = sent(9.999, status=400, faults=(FaultKind.BAD_REQUESTS,))
    assert verdict(run("bad_requests@t=10..20", refused)) is Verdict.FAIL
