"""What an operator does on the page: each confirmed request once, with its outcome as one sentence.

A request has an id that the page creates when it asks for confirmation: the same id again, as by a second click, gets
the outcome of the first. Nothing here decides anything: the operator's port does.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import msgspec

from truebook.clock import MICROS
from truebook.money import format_size
from truebook_services.dashboard.poller import FAILURES
from truebook_services.operator.holds import AFTER_HALT
from truebook_services.operator.port import (
    CancelFailed,
    NotResponding,
    NotRunning,
    Operator,
    OperatorError,
    ResumeResult,
)
from truebook_services.operator.requests import ActivateModel, ChangeLimits, Flatten, FlattenReport, RollBackModel

ConnectOperator = Callable[[], AbstractAsyncContextManager[Operator]]

MAX_REMEMBERED: Final = 500
WITHIN_S: Final = 45.0
"""Above what a flatten takes."""


class Control(msgspec.Struct, frozen=True, kw_only=True, tag_field="control", forbid_unknown_fields=True):
    """A confirmed request."""

    id: str


class Halt(Control, frozen=True, kw_only=True, tag="halt"):
    keep_orders: bool = False


class Resume(Control, frozen=True, kw_only=True, tag="resume"):
    hold: str | None = None


class FlattenAll(Control, frozen=True, kw_only=True, tag="flatten"):
    tickers: tuple[str, ...] = ()


class SetLimits(Control, frozen=True, kw_only=True, tag="limits"):
    changes: Mapping[str, int | None]


class UseModel(Control, frozen=True, kw_only=True, tag="activate"):
    name: str
    instead_of: str | None = None


class RollBack(Control, frozen=True, kw_only=True, tag="rollback"):
    instead_of: str | None = None


AnyControl = Halt | Resume | FlattenAll | SetLimits | UseModel | RollBack


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request, for a person."""

    id: str
    ok: bool | None
    """Null: not known, or done in part."""
    text: str
    hint: str = ""


class Controls:
    """Handles the requests of all pages.

    Each is sent over a connection of its own: a halt must not depend on what the page reads, which may be away.
    ``changed`` is called after each.
    """

    def __init__(
        self, connect: ConnectOperator, changed: Callable[[], None], log: Any, monotonic_us: Callable[[], int]
    ) -> None:
        self._connect = connect
        self._changed = changed
        self._log = log
        self._monotonic_us = monotonic_us
        self._tasks: OrderedDict[str, asyncio.Task[Outcome]] = OrderedDict()

    async def handle(self, given: Any) -> Outcome:
        """Handle a request as the page sent it; one with a known id is not handled again."""
        try:
            control: AnyControl = msgspec.convert(given, AnyControl)
        except msgspec.ValidationError as error:
            return refused(given, f"the request is invalid: {error}", "reload the page")
        task = self._tasks.get(control.id)
        if task is None:
            task = self._tasks[control.id] = asyncio.create_task(self._perform(control), name=f"control {control.id}")
            while len(self._tasks) > MAX_REMEMBERED:
                self._tasks.popitem(last=False)
        return await asyncio.shield(task)

    async def _perform(self, control: AnyControl) -> Outcome:
        name = type(control).__struct_config__.tag
        since_us = self._monotonic_us()
        ok: bool | None
        try:
            async with asyncio.timeout(WITHIN_S), self._connect() as operator:
                text, hint, ok = await _requested(control, operator)
        except OperatorError as error:
            is_unknown = isinstance(error, NotRunning | NotResponding | CancelFailed)
            text, hint, ok = error.problem, error.hint, None if is_unknown else False
        except TimeoutError:
            text, hint, ok = f"no result within {WITHIN_S:g} s: it may have been done", "check the state above", None
        except FAILURES as error:
            text, hint, ok = str(error) or type(error).__name__, "it may have been done: check the state above", None
        except Exception as error:  # noqa: BLE001 - without an outcome the page would show the request as pending
            self._log.exception("operator's request failed", control=name)
            text, hint, ok = f"{type(error).__name__}: {error}", "it may have been done; the log has the cause", None
        took_ms = (self._monotonic_us() - since_us) * 1_000 // MICROS
        self._log.info("operator's request", control=name, ok=ok, result=text, took_ms=took_ms)
        self._changed()
        return Outcome(id=control.id, ok=ok, text=text, hint=hint)


def refused(given: Any, text: str, hint: str) -> Outcome:
    """Return the outcome of a request, as the page sent it, that is not performed."""
    return Outcome(id=str(given.get("id", "")) if isinstance(given, dict) else "", ok=False, text=text, hint=hint)


async def _requested(control: AnyControl, operator: Operator) -> tuple[str, str, bool | None]:
    """Request it; returns what happened, what to do, and whether that is all that was requested."""
    match control:
        case Halt(keep_orders=keep_orders):
            halted = await operator.halt(keep_orders=keep_orders)
            return f"Trading is halted: {AFTER_HALT[halted.orders]}.", "", True
        case Resume(hold=hold):
            return _resumed(await operator.resume(hold))
        case FlattenAll(tickers=tickers):
            return _flattened(await operator.perform(Flatten(tickers=tickers)))
        case SetLimits(changes=changes):
            await operator.perform(ChangeLimits(changes=changes))
            return f"Set: {', '.join(changes)}.", "", True
        case UseModel(name=name, instead_of=former):
            await operator.perform(ActivateModel(name=name, instead_of=former))
            return f"{name} is the active model.", "", True
        case RollBack(instead_of=former):
            model = await operator.perform(RollBackModel(instead_of=former))
            return f"{model.name} is active again.", "", True


def _resumed(result: ResumeResult) -> tuple[str, str, bool | None]:
    remaining = "; ".join(
        f"{each.name} ({each.mode}, by {each.owner}), while {each.reason}" for each in result.remaining
    )
    text = "Released." if result.result == "released" else f"Nothing to release: {result.result}."
    if not remaining:
        return text, "", True
    return f"{text} Still in force: {remaining}.", "", True if result.may_trade else None


def _flattened(report: FlattenReport) -> tuple[str, str, bool | None]:
    closed = f"Closed: {', '.join(report.closed) or 'none'}."
    left = "; ".join(f"{each.ticker} {format_size(each.position_centi)}: {each.cause}" for each in report.remaining)
    hint = f"The hold {report.hold} stays in force until you resume."
    if not left:
        return closed, hint, True
    return f"{closed} Still open: {left}.", hint, None if report.closed else False
