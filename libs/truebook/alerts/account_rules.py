"""The rules about the account: its orders, holds, losses, agreement with the exchange, and the disk under the state."""

from __future__ import annotations

from typing import Final

from truebook.alerts.conditions import Condition, Kind, Severity
from truebook.alerts.situation import LedgerReading, Situation
from truebook.alerts.texts import counted, duration, listed, moment, size
from truebook.alerts.thresholds import Thresholds
from truebook.ledger.outcomes import hold_without_scope, scope_of_hold
from truebook.ledger.port import HoldView
from truebook.ledger.trading_holds import (
    DAILY_LOSS,
    DIFFERENCE,
    DRAWDOWN,
    EXCHANGE_PAUSED,
    FLATTEN,
    OPERATOR,
    OPERATOR_KEEP_ORDERS,
    TRADING_HOLDS,
    WIND_DOWN,
)
from truebook.money import format_dollars

DESCRIPTIONS: Final = {hold.name: hold.description for hold in TRADING_HOLDS}
BY_OPERATOR: Final = frozenset({OPERATOR.name, OPERATOR_KEEP_ORDERS.name, FLATTEN.name})
OTHER_RULES: Final = frozenset({DAILY_LOSS.name, DRAWDOWN.name, DIFFERENCE.name, WIND_DOWN.name})
"""Holds that other rules report, and the one that each orderly end of a run places."""
FULL_PERCENT: Final = 3
"""Free space below which a notice about the disk becomes a page."""


def ledger_unreadable(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """The ledger can't be read: nothing about orders, holds and losses is known."""
    since_us = situation.ledger_failing_since_us
    if since_us is None:
        return []
    last = situation.ledger
    read = "It was not read before" if last is None else f"It was read last at {moment(last.read_us, thresholds.zone)}"
    return [
        Condition(
            kind=Kind.LEDGER_UNREADABLE,
            severity=Severity.PAGE,
            headline=f"The ledger can't be read since {moment(since_us, thresholds.zone)}",
            detail=f"{read}. Until it can be read, unknown orders, trading holds and losses are not known: no "
            "all-clear is sent for them. Nothing is sent to the exchange without the ledger.",
            to_do="Check the Redis server of the ledger, and the network to it: `truebook doctor`.",
            since_us=since_us,
            after_us=thresholds.unreadable_us,
        )
    ]


def order_unknown(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """The outcome of an order is unknown for too long."""
    ledger = _current(situation)
    if ledger is None:
        return None
    overdue = [order for order in ledger.unknown_orders if now_us - order.since_us >= thresholds.order_unknown_us]
    if not overdue:
        return []
    oldest = overdue[0]
    return [
        Condition(
            kind=Kind.ORDER_UNKNOWN,
            severity=Severity.PAGE,
            headline=f"The outcome of {counted(len(overdue), 'order')} is unknown since "
            f"{moment(oldest.since_us, thresholds.zone)}",
            detail=f"{listed([f'{order.order_id} in {order.ticker}' for order in overdue])}. The cash of an unknown "
            "order remains reserved until the exchange's data prove its outcome.",
            to_do="Check whether the exchange responds: `truebook doctor`, then `truebook orders`.",
            since_us=oldest.since_us,
        )
    ]


def difference(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """Ledger and exchange differ."""
    report = situation.account
    is_current = report is not None and now_us - report.produced_us < thresholds.service_down_us
    held = situation.ledger is not None and any(hold.name == DIFFERENCE.name for hold in situation.ledger.holds)
    if _current(situation) is not None and held:
        found = () if report is None or report.differences is None else report.differences
    elif report is None or not is_current or report.differences is None:
        return None
    else:
        found = report.differences
        if not found:
            return []
    return [
        Condition(
            kind=Kind.DIFFERENCE,
            severity=Severity.PAGE,
            headline="Ledger and exchange differ" + (f" in {counted(len(found), 'place')}" if found else ""),
            detail=". ".join(
                part
                for part in (
                    listed(list(found), 3),
                    "Trading is halted by the hold `difference`" if held else "The reconciler repairs with proof",
                )
                if part
            )
            + ".",
            to_do="See `truebook reconcile`; compare the market with the exchange's own pages. Stop any other program "
            "that trades on this account.",
            after_us=thresholds.difference_us,
        )
    ]


def trading_hold(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """A trading hold is in force."""
    ledger = _current(situation)
    if ledger is None:
        return None
    by_name: dict[str, list[HoldView]] = {}
    for hold in ledger.holds:
        name = hold_without_scope(hold.name)
        if name not in OTHER_RULES:
            by_name.setdefault(name, []).append(hold)
    return [_hold(name, holds, thresholds) for name, holds in sorted(by_name.items())]


def _hold(name: str, holds: list[HoldView], thresholds: Thresholds) -> Condition:
    is_expected = name in BY_OPERATOR or name == EXCHANGE_PAUSED.name
    scopes = sorted({scope_of_hold(hold.name) for hold in holds} - {""})
    where = f" in {listed(scopes)}" if scopes else ""
    severest = max((hold.mode for hold in holds), key=lambda mode: mode.severity)
    return Condition(
        kind=Kind.TRADING_HOLD,
        subject=name,
        severity=Severity.NOTICE if is_expected or scopes else Severity.PAGE,
        headline=f"Trading is {severest}{where} by the hold `{name}`",
        detail=f"It is in force while {DESCRIPTIONS[name]}." if name in DESCRIPTIONS else f"Owner: {holds[0].owner}.",
        to_do=_what_to_do(name),
        after_us=thresholds.hold_us,
    )


def _what_to_do(name: str) -> str:
    if name in BY_OPERATOR:
        return "`truebook resume` when trading shall continue."
    if name == EXCHANGE_PAUSED.name:
        return "Nothing: it ends with the pause."
    return "`truebook status` lists the holds; the table of holds in the documentation explains each."


def loss(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """A limit of losses is near, or exceeded."""
    ledger = _current(situation)
    if ledger is None:
        return None
    held = {hold.name for hold in ledger.holds}
    found = []
    limits = (
        (DAILY_LOSS.name, "loss of the day", ledger.limits.daily_loss_micros, "daily_loss_micros"),
        (DRAWDOWN.name, "drawdown", ledger.limits.drawdown_micros, "drawdown_micros"),
    )
    for name, noun, limit_micros, value in limits:
        if name in held:
            found.append(_loss_exceeded(name, noun))
        elif limit_micros is None:
            continue
        elif ledger.marks is None:
            return None
        else:
            loss_micros: int = getattr(ledger.marks, value)
            if loss_micros > 0 and loss_micros * 100 >= limit_micros * thresholds.loss_near_percent:
                found.append(_loss_near(name, noun, loss_micros, limit_micros))
    return found


def _loss_exceeded(name: str, noun: str) -> Condition:
    return Condition(
        kind=Kind.LOSS,
        subject=name,
        severity=Severity.PAGE,
        headline=f"The {noun} has exceeded its limit: trading is stopped by the hold `{name}`",
        detail="Only orders that close positions are sent.",
        to_do=f"`truebook limits show` and `truebook positions` show the loss; decide, then `truebook resume --hold "
        f"{name}`.",
    )


def _loss_near(name: str, noun: str, loss_micros: int, limit_micros: int) -> Condition:
    return Condition(
        kind=Kind.LOSS,
        subject=name,
        severity=Severity.NOTICE,
        headline=f"The {noun} is near its limit",
        detail=f"{format_dollars(loss_micros)} at the last mark, the limit is {format_dollars(limit_micros)}.",
        to_do="`truebook positions` shows where it is lost; beyond the limit only closing orders are sent.",
    )


def no_order(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """No order was sent for too long, whatever the reason."""
    if thresholds.no_order_us is None:
        return []
    reported_us, known_us = situation.reported_us, thresholds.service_down_us
    if now_us - situation.started_us < known_us or reported_us is None or now_us - reported_us >= known_us:
        return None  # just started, or the bus can't be read: orders may have been sent
    since_us = situation.last_order_us
    if since_us is None:
        since_us = situation.watched_since_us
    if now_us - since_us < thresholds.no_order_us:
        return []
    known = "the last one" if situation.last_order_us is not None else "none since the watch began"
    return [
        Condition(
            kind=Kind.NO_ORDER,
            severity=Severity.NOTICE,
            headline=f"No order was sent for {duration(now_us - since_us)}",
            detail=f"Since {moment(since_us, thresholds.zone)} ({known}).",
            to_do="`truebook why` states the reason, stage by stage.",
            since_us=since_us,
        )
    ]


def disk(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """A disk is nearly full."""
    if not situation.disks:
        return None
    found = []
    for each in situation.disks:
        percent = each.free_bytes * 100 // max(1, each.total_bytes)
        if percent < thresholds.disk_free_percent:
            found.append(
                Condition(
                    kind=Kind.DISK,
                    subject=each.folder,
                    severity=Severity.PAGE if percent < FULL_PERCENT else Severity.NOTICE,
                    headline=f"The disk under {each.folder} has {percent} % left ({size(each.free_bytes)})",
                    detail="A full disk ends `truebook run` and stops the writes of Redis.",
                    to_do="Free disk space; the documentation lists what Truebook writes and its bounds.",
                )
            )
    return found


def _current(situation: Situation) -> LedgerReading | None:
    """Return the ledger's values if the last attempt to read them succeeded and the account is open."""
    ledger = situation.ledger
    if situation.ledger_failing_since_us is not None or ledger is None or not ledger.opened:
        return None
    return ledger
