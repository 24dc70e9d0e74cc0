"""Sends by apprise, which has the protocols of more than a hundred services.

Its log lines may contain an address with its password (an address that it can't parse is logged as a whole), so they
are never passed on: they are read for the kind of the failure, and dropped. It returns False for every failure.
"""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING, Any, Final

from truebook.alerts.conditions import Severity
from truebook.alerts.queue import Result
from truebook_services.alerts.receivers import Outcome, Receiver

if TYPE_CHECKING:
    import apprise

_HTTP: Final = re.compile(r"error\s*=\s*(\d{3})\b")
_CONNECTION: Final = re.compile(r"connection|socket|could not connect|timed? ?out", re.IGNORECASE)
SEE: Final = "the documentation of alerts shows the form of each address"


class _Lines(logging.Handler):
    """Collects what one thread logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.lines.append(record.getMessage())


class AppriseSender:
    """Sends by apprise; loads it with the first use, which takes about a second."""

    def check(self, receiver: Receiver) -> str | None:
        _muted()
        if receiver.scheme not in _schemes():
            return f"there is no such kind of receiver; {SEE}"
        try:
            plugin = _plugin(receiver)
        except (TypeError, ValueError):
            plugin = None
        return None if plugin is not None else f"its address is not complete or not valid for {receiver.scheme}; {SEE}"

    def send(self, receiver: Receiver, title: str, body: str, severity: Severity, timeout_s: float) -> Outcome:
        import apprise

        log, lines = _muted(), _Lines()
        plugin = _plugin(receiver)
        if plugin is None:
            return Outcome(Result.FAILED, "its address is not valid")
        # Each attempt has a plugin of its own: one that is used twice sleeps between messages, in this thread.
        for limit in ("socket_connect_timeout", "socket_read_timeout"):
            setattr(plugin, limit, timeout_s)
        sender = apprise.Apprise(asset=_asset())
        sender.add(plugin)
        kind = apprise.NotifyType.FAILURE if severity is Severity.PAGE else apprise.NotifyType.INFO
        log.addHandler(lines)
        try:
            if sender.notify(title=title, body=body, notify_type=kind, body_format=apprise.NotifyFormat.TEXT):
                return Outcome(Result.DELIVERED)
        finally:
            log.removeHandler(lines)
        return outcome_of(lines.lines)


def outcome_of(lines: list[str]) -> Outcome:
    """Return what kind of failure was logged, without its words."""
    for line in lines:
        if found := _HTTP.search(line):
            return Outcome(Result.REFUSED, f"HTTP {found[1]}")
    if any(_CONNECTION.search(line) for line in lines):
        return Outcome(Result.UNREACHABLE, "no connection, or it ended early")
    return Outcome(Result.FAILED, "the receiver did not accept the message")


def _muted() -> logging.Logger:
    """Return apprise's logger, whose lines reach no log of this process."""
    log = logging.getLogger("apprise")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    return log


def _asset() -> apprise.AppriseAsset:
    import apprise

    # It sends in the calling thread: in threads of its own, one that hangs would keep the process from ending.
    return apprise.AppriseAsset(
        app_id="Truebook", app_desc="Truebook alerts", app_url="", async_mode=False, service_timeout=0
    )


def _plugin(receiver: Receiver) -> Any:
    """Build the plugin of one address; None if apprise refuses it."""
    import apprise

    return apprise.Apprise.instantiate(receiver.address.get_secret_value(), asset=_asset())


def _schemes() -> frozenset[str]:
    """Return every scheme that can be used on this machine, and those of native addresses."""
    from apprise import manager_plugins

    plugins: Any = manager_plugins.NotificationManager  # it has no annotations
    return frozenset(plugins().schemas(include_disabled=False)) | {"http", "https"}
