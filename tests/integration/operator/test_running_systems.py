"""The search for running systems: by the lock that a process holds, else by its command line."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from truebook_services.operator.systems import find_at, find_in, find_on_machine

HOLD = """
import sys
from pathlib import Path
from truebook.runtime.state_folder import StateFolder
with StateFolder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
WAIT = "import sys; print('held', flush=True); sys.stdin.read()"


@contextmanager
def process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None and started.stdout.readline() == "held\n"
        try:
            yield started
        finally:
            started.kill()


def test_a_process_that_holds_a_state_folder_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "main-simulated"
    with process(HOLD, str(folder)) as holder:
        for found in (find_in(tmp_path), [each for each in find_on_machine() if each.pid == holder.pid]):
            assert [(each.pid, each.folder, each.is_frozen) for each in found] == [(holder.pid, folder, False)]
        assert find_in(tmp_path / "elsewhere") == []
        holder.send_signal(signal.SIGSTOP)
        while psutil.Process(holder.pid).status() != psutil.STATUS_STOPPED:
            pass
        frozen = find_at(folder)
        assert frozen is not None and frozen.is_frozen
    assert find_at(folder) is None, "the lock file of a killed process is no system"


def test_the_folder_of_a_simulated_exchange_is_no_system(tmp_path: Path) -> None:
    with process(HOLD, str(tmp_path / "exchange")):
        assert find_in(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "is_service"),
    [
        (("truebook_services.execution",), True),
        (("/usr/bin/truebook", "serve", "execution"), True),
        (("/usr/bin/truebook", "serve", "policy"), None),
    ],
    ids=["module", "command", "another service"],
)
def test_the_service_that_sends_orders_is_found_by_its_command(
    arguments: tuple[str, ...], is_service: bool | None
) -> None:
    with process(WAIT, *arguments) as service:
        found = [each.is_service for each in find_on_machine() if each.pid == service.pid]
    assert found == ([] if is_service is None else [is_service])


def test_a_run_that_may_not_be_inspected_is_found_by_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: psutil.Process) -> None:
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "open_files", refuse)
    with process(WAIT, "/usr/bin/truebook", "run", "--markets", "3") as run:
        [found] = [each for each in find_on_machine() if each.pid == run.pid]
    assert found.folder is None and not found.is_service
    assert "truebook run" in str(found)
