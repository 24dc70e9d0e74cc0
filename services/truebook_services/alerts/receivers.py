"""The receivers of alerts, as their file names them, and the port that sends to them.

An address contains a password or token: it is never shown, logged or stored. A receiver is named by its label and the
scheme of its address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from pydantic import SecretStr

from truebook.alerts.conditions import Severity
from truebook.alerts.queue import Result
from truebook.runtime.settings import SettingsError

_LINE: Final = re.compile(r"(?:(?P<label>[A-Za-z0-9_.-]{1,32})\s+)?(?P<url>(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://\S+)")
VARIABLE: Final = "TRUEBOOK_ALERTS__RECEIVERS_FILE"


@dataclass(frozen=True)
class Receiver:
    """One receiver. ``label`` is its name in the file, else ``receiver-1`` by its number."""

    label: str
    scheme: str
    address: SecretStr

    def __str__(self) -> str:
        return f"{self.label} ({self.scheme})"


class Outcome(NamedTuple):
    """The outcome, and a detail such as ``HTTP 404`` that has no part of the address."""

    result: Result
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.result}: {self.detail}" if self.detail else str(self.result)


class Sender(Protocol):
    """Sends to receivers; called in threads of its own."""

    def check(self, receiver: Receiver) -> str | None:
        """Return why the address can't be used, or None; sends nothing."""
        ...

    def send(self, receiver: Receiver, title: str, body: str, severity: Severity, timeout_s: float) -> Outcome:
        """Send one message; may block, a little longer than ``timeout_s`` at worst."""
        ...


def read_receivers(path: Path | None) -> tuple[Receiver, ...]:
    """Read the receivers' file; raises ``SettingsError``, which names lines by their number and never their content.

    A line is an address, or a name and an address; empty lines and those that begin with ``#`` are ignored.
    """
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError([f"{path} ({VARIABLE}): can't be read: {error.strerror}"]) from error
    except UnicodeDecodeError:
        raise SettingsError([f"{path} ({VARIABLE}): is not text in UTF-8"]) from None
    found: dict[str, Receiver] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            problems.append(
                f"{path}:{number}: expected an address such as ntfy://TOPIC, or a name (letters, digits, _ . -), a "
                "space and an address; its content is not shown, since it may contain a password"
            )
            continue
        label = match["label"] or f"receiver-{len(found) + 1}"
        if label in found:
            problems.append(f"{path}:{number}: the name {label} is used twice")
        found[label] = Receiver(label, match["scheme"].lower(), SecretStr(match["url"]))
    if problems:
        raise SettingsError(problems)
    return tuple(found.values())


def check_receivers(receivers: tuple[Receiver, ...], sender: Sender, path: Path | None) -> None:
    """Refuse addresses that can't be used, before anything is sent; raises ``SettingsError`` with all of them."""
    problems = [
        f"{path}: receiver {receiver}: {problem}"
        for receiver in receivers
        if (problem := sender.check(receiver)) is not None
    ]
    if problems:
        raise SettingsError(problems)
