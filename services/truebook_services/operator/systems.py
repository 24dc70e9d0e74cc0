"""The systems that trade on this machine, found by their processes: from any folder, shell or account.

A run holds the lock of its state folder open. Of processes that may not be inspected (another user's) and of services
over Kafka only the command line shows what they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from truebook.messages.envelope import Source
from truebook.runtime.state_folder import LOCK, owner_of

FROZEN: Final = frozenset({psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP})
EXECUTION: Final = "truebook_services.execution"
"""The only service that sends orders."""
RUNS: Final = (("truebook", "run"), ("truebook_services.cli", "run"))
SERVES: Final = (("truebook", "serve", "execution"), ("truebook_services.cli", "serve", "execution"))


class RunningSystem(msgspec.Struct, frozen=True, kw_only=True):
    """A process that sends orders; ``folder`` is its state folder, None where it has none or can't be inspected."""

    pid: int
    user: str
    command: str
    folder: Path | None
    is_frozen: bool = False
    """Whether a signal has stopped the process (SIGSTOP, Ctrl-Z)."""
    is_service: bool = False
    """Whether it is the service ``execution`` over Kafka."""

    def __str__(self) -> str:
        return f"{self.folder or self.command} (process {self.pid} of {self.user})"


def find_on_machine() -> list[RunningSystem]:
    """Find every system on this machine, by process id."""
    return list(_search(None))


def find_in(state_folder: Path) -> list[RunningSystem]:
    """Find the systems in this state folder, whatever account and market data they have, by process id."""
    return list(_search(state_folder.resolve()))


def find_at(folder: Path) -> RunningSystem | None:
    """Find the system that runs on exactly this state folder of an account."""
    wanted = folder.resolve()
    return next((each for each in _search(wanted.parent) if each.folder == wanted), None)


def _search(state_folder: Path | None) -> Iterator[RunningSystem]:
    for process in sorted(psutil.process_iter(), key=lambda each: int(each.pid)):
        if process.pid == os.getpid():
            continue
        try:
            with process.oneshot():
                yield from _inspect(process, state_folder)
        except psutil.Error:
            continue  # it has ended, or nothing of it can be read


def _inspect(process: Any, state_folder: Path | None) -> Iterator[RunningSystem]:
    arguments: list[str] = process.cmdline()
    if not arguments or not any(name in Path(arguments[0]).name for name in ("python", "truebook")):
        return
    known: dict[str, Any] = {
        "pid": process.pid, "user": process.username(), "command": " ".join(arguments),
        "is_frozen": process.status() in FROZEN,
    }  # fmt: skip
    if state_folder is None and (EXECUTION in arguments or _is_command(arguments, SERVES)):
        yield RunningSystem(**known, folder=None, is_service=True)
        return
    try:
        opened = [Path(each.path) for each in process.open_files()]
    except psutil.AccessDenied:
        if state_folder is None and _is_command(arguments, RUNS):
            yield RunningSystem(**known, folder=None)
        return
    for folder in sorted({path.parent for path in opened if path.name == LOCK}):
        is_wanted = state_folder is None or folder.parent == state_folder
        if is_wanted and _is_of_account(folder) and (owner := owner_of(folder)) and owner.pid == process.pid:
            yield RunningSystem(**known, folder=folder)


def _is_of_account(folder: Path) -> bool:
    """Whether the name is ``ACCOUNT-SOURCE``: the simulated exchange's own folder is locked too."""
    account, _, source = folder.name.rpartition("-")
    return bool(account) and source in set(Source)


def _is_command(arguments: list[str], commands: tuple[tuple[str, ...], ...]) -> bool:
    """Whether the command line runs one of these: a script of that name or ``-m`` with its module, then the rest."""
    words = [Path(each).name for each in arguments]
    return any(
        tuple(words[start : start + len(command)]) == command
        for command in commands
        for start in range(min(len(words), 4))
    )
