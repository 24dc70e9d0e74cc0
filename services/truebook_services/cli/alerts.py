"""``truebook alerts``: try the receivers of alerts, and show the alerts in force and what waits."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.table import Table

from truebook.alerts.conditions import Severity
from truebook.alerts.queue import Queue, Result
from truebook.alerts.texts import duration
from truebook.clock import MICROS, SystemClock
from truebook.runtime.settings import load
from truebook_services.alerts.receivers import VARIABLE, Outcome, Receiver, Sender, read_receivers
from truebook_services.alerts.store import Saved, read_saved
from truebook_services.cli.errors import UsageError
from truebook_services.cli.table_console import table_console
from truebook_services.embedded.settings import EmbeddedSettings

FAILED: Final = 1
TITLE: Final = "Truebook: a test of the alerts"
BODY: Final = "This receiver works. It gets alerts, their all-clear, and the daily digest."
MAX_AT_ONCE: Final = 8

alerts = typer.Typer(no_args_is_help=True, help="Try the receivers of alerts, and show the alerts in force.")


class Tried(NamedTuple):
    """A receiver and the outcome of its test message."""

    receiver: Receiver
    outcome: Outcome
    milliseconds: int


@alerts.command()
def test(
    receiver: Annotated[str | None, typer.Option(help="Name of one receiver; all of them if omitted.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """Send a test message to each receiver; exit code 1 if one did not get it."""
    from truebook_services.alerts.apprise_sender import AppriseSender  # loads apprise, which takes a second

    settings = load(EmbeddedSettings).alerts
    chosen = _chosen(settings.receivers_file, receiver)
    sender = AppriseSender()
    with ThreadPoolExecutor(MAX_AT_ONCE) as pool:
        tried = list(pool.map(lambda each: _try(sender, each, settings.send_timeout_s), chosen))
    if json_:
        print(json.dumps({"receivers": [_row(each) for each in tried]}))
    else:
        _print_tried(tried)
    if any(each.outcome.result is not Result.DELIVERED for each in tried):
        raise typer.Exit(FAILED)


@alerts.command("list")
def list_(
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """List the alerts in force, the receivers, and what waits for each, as of the last write of the state."""
    settings = load(EmbeddedSettings)
    receivers = read_receivers(settings.alerts.receivers_file)
    saved, now_us = read_saved(settings.state_path), SystemClock().now_us()
    if json_:
        print(json.dumps(_listing(receivers, saved)))
    else:
        _print_listing(receivers, saved, settings.state_path, now_us)


def _chosen(file: Path | None, name: str | None) -> tuple[Receiver, ...]:
    receivers = read_receivers(file)
    if not receivers:
        raise UsageError(f"no receivers: write their addresses into a file and set {VARIABLE}; see docs/alerts.md")
    if name is None:
        return receivers
    chosen = tuple(receiver for receiver in receivers if receiver.label == name)
    if not chosen:
        raise UsageError(f"no receiver is named {name!r}; there are {', '.join(each.label for each in receivers)}")
    return chosen


def _try(sender: Sender, receiver: Receiver, timeout_s: float) -> Tried:
    clock = SystemClock()
    started_us = clock.monotonic_us()
    problem = sender.check(receiver)
    outcome = (
        Outcome(Result.FAILED, problem)
        if problem is not None
        else sender.send(receiver, TITLE, BODY, Severity.NOTICE, timeout_s)
    )
    return Tried(receiver, outcome, (clock.monotonic_us() - started_us) // 1000)


def _row(tried: Tried) -> dict[str, Any]:
    return {
        "receiver": tried.receiver.label,
        "scheme": tried.receiver.scheme,
        "result": str(tried.outcome.result),
        "detail": tried.outcome.detail,
        "milliseconds": tried.milliseconds,
    }


def _print_tried(tried: list[Tried]) -> None:
    table = Table("receiver", "scheme", "result", "detail", "ms")
    for each in tried:
        outcome = each.outcome
        table.add_row(
            each.receiver.label, each.receiver.scheme, str(outcome.result), outcome.detail, str(each.milliseconds)
        )
    table_console().print(table)


def _listing(receivers: tuple[Receiver, ...], saved: Saved | None) -> dict[str, Any]:
    queues = {} if saved is None else saved.queues
    tracks = [] if saved is None else saved.history.in_force
    return {
        "in_force": None
        if saved is None
        else [
            {
                "key": track.condition.key,
                "severity": track.condition.severity.name.lower(),
                "since": _at(track.since_us),
                "headline": track.condition.headline,
                "to_do": track.condition.to_do,
            }
            for track in tracks
        ],
        "receivers": [
            {
                "receiver": receiver.label,
                "scheme": receiver.scheme,
                "waiting": len(queue.pending),
                "failing_since": None if queue.failing_since_us is None else _at(queue.failing_since_us),
                "reason": queue.reason or None,
            }
            for receiver in receivers
            for queue in (queues.get(receiver.label, Queue()),)
        ],
    }


def _print_listing(receivers: tuple[Receiver, ...], saved: Saved | None, folder: Path, now_us: int) -> None:
    console = table_console()
    if saved is None:
        console.print(f"alerts in force: not known: no state of alerts in {folder}", markup=False)
    elif not saved.history.in_force:
        console.print("no alert in force")
    else:
        table = Table("severity", "since", "for", "alert", "what to do")
        for track in saved.history.in_force:
            table.add_row(
                track.condition.severity.name.lower(), _at(track.since_us), duration(now_us - track.since_us),
                track.condition.headline, track.condition.to_do,
            )  # fmt: skip
        console.print(table)
    if not receivers:
        console.print(f"no receivers: alerts are off; set {VARIABLE} (docs/alerts.md)", markup=False)
        return
    table = Table("receiver", "scheme", "waiting", "failing since", "reason")
    queues = {} if saved is None else saved.queues
    for receiver in receivers:
        queue = queues.get(receiver.label, Queue())
        since = "" if queue.failing_since_us is None else _at(queue.failing_since_us)
        table.add_row(receiver.label, receiver.scheme, str(len(queue.pending)), since, queue.reason)
    console.print(table)


def _at(us: int) -> str:
    return datetime.fromtimestamp(us / MICROS, UTC).isoformat(sep=" ", timespec="seconds")
