"""Judges a client by its recorded conduct: per fault pass, fail or not met, and what the whole run cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from truebook.money import WireFormatError, parse_size_centi
from truebook.simulation.conduct.orders import (
    UNCERTAIN,
    AbandonedOrder,
    DoubledOrder,
    abandoned_orders,
    doubled_orders,
    uncertain,
)
from truebook.simulation.conduct.records import RequestKind, Run, SeenFault, SeenRequest, SocketEvent
from truebook.simulation.faults import OF_MARKETS, Fault, FaultKind

RECOVERY_US: Final = 15_000_000
"""How long a client may take to work again after a fault."""
MAX_REJECTED: Final = 3
"""Orders that a client may send into a market that takes none, before it has to have noticed."""
_BURST: Final = 5
_REFUSALS: Final = (FaultKind.SERVER_ERRORS, FaultKind.RATE_LIMITED, FaultKind.BAD_REQUESTS, FaultKind.SHARD_REFUSAL)
_GAPS: Final = (FaultKind.SEQUENCE_GAP, FaultKind.SEQUENCE_RESTART, FaultKind.MUTE_SOCKET, FaultKind.DROP_SOCKET)
_LISTS: Final = (FaultKind.STALE_READS, FaultKind.CANCELLED_LISTED)


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    NOT_MET = "not met"
    """The client did nothing that the fault could affect, or nothing shows what it made of it."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one kind of fault."""

    kind: FaultKind
    verdict: Verdict
    reason: str
    occasions: int = 0
    recovery_ms: int | None = None
    """From the fault's end to the first sign that the client works again; None if there is none, or none is needed."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report; amounts in micro-dollars."""

    seconds: int
    requests: int
    exit_code: int | None
    """Of a client that ended before the time was over; another one than 0 is a failure."""
    unrecorded: int
    """Requests beyond those that are recorded: with any, the run is not judged as passed."""
    orders_sent: int
    orders_accepted: int
    doubled: tuple[DoubledOrder, ...]
    abandoned: tuple[AbandonedOrder, ...]
    omitted: tuple[str, ...] | None
    """Resting orders that the client did not name among its own; None if it stated none."""
    left_resting: int
    wasted: Mapping[str, int]
    """Requests that the exchange itself refused, by status and error."""
    refused_by_faults: int
    rate_limited: int
    """Responses with 429, by a fault or by the exchange."""
    positions_held: Mapping[str, str]
    positions_believed: Mapping[str, str] | None
    position_differences: tuple[str, ...] | None
    """None if the client stated no positions."""
    profit_micros: int | None
    """Equity against doing nothing, which leaves the opening balance; None if a position could not be sold."""
    faults: tuple[Judgement, ...]

    @property
    def passed(self) -> bool:
        if self.exit_code or self.unrecorded:
            return False
        is_sound = not (self.doubled or self.abandoned or self.omitted or self.position_differences)
        return is_sound and all(one.verdict is not Verdict.FAIL for one in self.faults)


def judge(run: Run) -> Report:
    """Judge a run."""
    doubled, abandoned = tuple(doubled_orders(run)), tuple(abandoned_orders(run))
    differences = position_differences(run)
    creates = [one for one in run.requests if one.kind is RequestKind.CREATE]
    equity_micros = run.account.equity_micros
    wasted = Counter(
        f"{one.status} {one.error}".strip()
        for one in run.requests
        if 400 <= one.status < 500 and not one.is_injected
    )  # fmt: skip
    judging = _Judging(run, doubled, abandoned, differences)
    return Report(
        seconds=(run.end_us - run.start_us) // 1_000_000,
        requests=len(run.requests) + run.unrecorded,
        exit_code=run.exit_code,
        unrecorded=run.unrecorded,
        orders_sent=sum(len(one.orders) for one in creates),
        orders_accepted=len({order_id for one in creates for order_id in one.order_ids}),
        doubled=doubled,
        abandoned=abandoned,
        omitted=run.account.omitted,
        left_resting=len(run.account.resting),
        wasted=dict(sorted(wasted.items())),
        refused_by_faults=sum(one.status >= 400 and one.is_injected for one in run.requests),
        rate_limited=sum(one.status == 429 for one in run.requests),
        positions_held=run.account.positions,
        positions_believed=run.account.believed_positions,
        position_differences=differences,
        profit_micros=None if equity_micros is None else equity_micros - run.account.opening_micros,
        faults=tuple(judging.judgement(fault) for fault in run.plan),
    )


def position_differences(run: Run) -> tuple[str, ...] | None:
    """List the markets in which the client believes a position that it did not hold lately; None if it stated none."""
    held, believed = run.account.held_lately, run.account.believed_positions
    if believed is None:
        return None
    return tuple(
        f"{ticker}: believed {believed.get(ticker, '0.00')}, held {held.get(ticker, ('0.00',))[-1]}"
        for ticker in sorted({*held, *believed})
        if _size(believed.get(ticker, "0")) not in map(_size, held.get(ticker, ("0.00",)))
    )


def _size(text: str) -> int | str:
    """Return a size in 1/100 contract; the text itself if it is none, which equals no size."""
    try:
        return parse_size_centi(text.strip())
    except WireFormatError:
        return text


class _Judging:
    """The judgement of each fault by its kind."""

    def __init__(
        self, run: Run, doubled: tuple[DoubledOrder, ...], abandoned: tuple[AbandonedOrder, ...],
        differences: tuple[str, ...] | None,
    ) -> None:  # fmt: skip
        self._run = run
        self._doubled = doubled
        self._abandoned = abandoned
        self._differences = differences

    def judgement(self, fault: Fault) -> Judgement:
        begin_us = self._run.start_us + (fault.after_us or 0)
        end_us = begin_us if fault.until_us is None else self._run.start_us + fault.until_us
        seen = [one for one in self._run.faults if one.kind is fault.kind]
        kind = fault.kind
        if kind in OF_MARKETS:
            return self._of_market(kind, seen, end_us)
        if kind in UNCERTAIN:
            return self._of_orders(kind)
        if kind in _REFUSALS or kind is FaultKind.CLOCK_SKEW:
            return self._of_refusals(kind, begin_us, end_us)
        if kind in _GAPS:
            return self._of_streams(kind, seen, begin_us, end_us)
        if kind in _LISTS:
            return self._of_lists(kind, begin_us, end_us)
        return self._of_fills(kind, len(seen))

    def _of_orders(self, kind: FaultKind) -> Judgement:
        affected = uncertain(self._run.requests, frozenset({kind}))
        if not affected:
            return Judgement(kind=kind, verdict=Verdict.NOT_MET, reason="no order was sent meanwhile")
        doubled = sum(one.fault is kind for one in self._doubled)
        abandoned = sum(one.fault is kind for one in self._abandoned)
        if doubled or abandoned:
            reason = f"{doubled} orders doubled, {abandoned} abandoned, of {len(affected)}"
            return Judgement(kind=kind, verdict=Verdict.FAIL, reason=reason, occasions=len(affected))
        reason = f"none of {len(affected)} orders was doubled or abandoned"
        return Judgement(kind=kind, verdict=Verdict.PASS, reason=reason, occasions=len(affected))

    def _of_refusals(self, kind: FaultKind, begin_us: int, end_us: int) -> Judgement:
        during = self._within(begin_us, end_us)
        hit = [one for one in self._run.requests if kind in one.faults]
        if not hit:
            return Judgement(kind=kind, verdict=Verdict.NOT_MET, reason="no request was sent meanwhile")
        length_us = end_us - begin_us
        before = len(self._within(begin_us - 2 * length_us, begin_us)) / 2
        if len(during) > max(_BURST, 1.5 * before):
            reason = f"{len(during)} requests during the fault, {before:g} in an equal time before it"
            return Judgement(kind=kind, verdict=Verdict.FAIL, reason=reason, occasions=len(hit))
        if kind is FaultKind.RATE_LIMITED and len(hit) > max(_BURST, 0.9 * before):
            reason = f"not slowed down: {len(hit)} requests refused, {before:g} were sent in an equal time before"
            return Judgement(kind=kind, verdict=Verdict.FAIL, reason=reason, occasions=len(hit))
        creates = kind is FaultKind.SHARD_REFUSAL
        again = [
            one.at_us
            for one in self._within(end_us, end_us + RECOVERY_US)
            if one.is_success and (not creates or one.kind is RequestKind.CREATE)
        ]
        return self._recovered(kind, again, end_us, len(hit), "request succeeded")

    def _of_streams(self, kind: FaultKind, seen: list[SeenFault], begin_us: int, end_us: int) -> Judgement:
        sockets = self._run.sockets
        open_before = sum(
            1 if one.event is SocketEvent.OPENED else -1
            for one in sockets
            if one.at_us <= begin_us and one.event is not SocketEvent.RENEWED
        )
        if open_before <= 0 or (not seen and kind is not FaultKind.MUTE_SOCKET):
            return Judgement(kind=kind, verdict=Verdict.NOT_MET, reason="no WebSocket was open, or no frame was due")
        from_us = seen[0].at_us if seen else begin_us
        again = [
            one.at_us
            for one in sockets
            if one.event is SocketEvent.RENEWED and from_us < one.at_us <= end_us + RECOVERY_US
        ]
        return self._recovered(kind, again, max(from_us, end_us), max(1, len(seen)), "new snapshot was requested")

    def _of_lists(self, kind: FaultKind, begin_us: int, end_us: int) -> Judgement:
        looks = [one for one in self._within(begin_us, end_us) if one.kind is RequestKind.LOOK]
        if not looks:
            return Judgement(kind=kind, verdict=Verdict.NOT_MET, reason="no list was read meanwhile")
        gone = Counter(
            one.order_ids[0]
            for one in self._within(begin_us, end_us + RECOVERY_US)
            if one.kind is RequestKind.CANCEL and one.status == 404 and one.order_ids
        )
        repeated = sum(times for times in gone.values() if times > MAX_REJECTED)
        if repeated:
            reason = f"{repeated} cancels of orders that were cancelled before"
            return Judgement(kind=kind, verdict=Verdict.FAIL, reason=reason, occasions=len(looks))
        reason = f"{len(looks)} lists read, no order cancelled again and again"
        return Judgement(kind=kind, verdict=Verdict.PASS, reason=reason, occasions=len(looks))

    def _of_fills(self, kind: FaultKind, occasions: int) -> Judgement:
        if not occasions:
            return Judgement(kind=kind, verdict=Verdict.NOT_MET, reason="nothing was affected meanwhile")
        if kind is FaultKind.SEQUENCE_REPEAT:
            return Judgement(
                kind=kind, verdict=Verdict.NOT_MET, occasions=occasions, reason="nothing shows what was made of it"
            )
        if self._differences is None:
            return Judgement(
                kind=kind, verdict=Verdict.NOT_MET, occasions=occasions, reason="the client states no positions"
            )
        is_right = not self._differences
        reason = "positions believed are those held" if is_right else "; ".join(self._differences)
        verdict = Verdict.PASS if is_right else Verdict.FAIL
        return Judgement(kind=kind, verdict=verdict, reason=reason, occasions=occasions)

    def _of_market(self, kind: FaultKind, seen: list[SeenFault], end_us: int) -> Judgement:
        if not seen:
            return Judgement(kind=kind, verdict=Verdict.NOT_MET, reason="it did not happen")
        ticker, from_us = seen[0].subject, seen[0].at_us
        until_us = max(end_us, from_us + RECOVERY_US)
        sent = [
            one
            for one in self._within(from_us, until_us)
            if one.kind is RequestKind.CREATE and any(order.ticker == ticker for order in one.orders)
        ]
        if not sent:
            return Judgement(kind=kind, verdict=Verdict.NOT_MET, reason=f"no order was sent to {ticker}")
        rejected = [one for one in sent if 400 <= one.status < 500 and not one.is_injected]
        if len(rejected) > MAX_REJECTED:
            reason = f"{len(rejected)} orders for {ticker} were rejected; it did not notice"
            return Judgement(kind=kind, verdict=Verdict.FAIL, reason=reason, occasions=len(sent))
        reason = f"{len(rejected)} of {len(sent)} orders for {ticker} were rejected"
        return Judgement(kind=kind, verdict=Verdict.PASS, reason=reason, occasions=len(sent))

    def _recovered(self, kind: FaultKind, again: list[int], end_us: int, occasions: int, sign: str) -> Judgement:
        if not again:
            reason = f"no {sign} within {RECOVERY_US // 1_000_000} s after the fault"
            return Judgement(kind=kind, verdict=Verdict.FAIL, reason=reason, occasions=occasions)
        recovery_ms = max(0, min(again) - end_us) // 1000
        reason = f"a {sign} {recovery_ms} ms after the fault"
        return Judgement(kind=kind, verdict=Verdict.PASS, reason=reason, occasions=occasions, recovery_ms=recovery_ms)

    def _within(self, begin_us: int, end_us: int) -> list[SeenRequest]:
        return [one for one in self._run.requests if begin_us <= one.at_us < end_us]
