"""The services as a user deploys them: a process each, over a real Kafka and Redis, with an exchange of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.processes import environment

READY_WITHIN_S = 60.0
POLL_S = 0.2
"""Not more often: each question costs the processes under test the time that they need themselves."""


class ServiceProcess:
    """One ``python -m truebook_services.NAME``, or another module; its log goes to a file beside its folder."""

    def __init__(self, folder: Path, name: str, settings: dict[str, str], *, label: str = "", module: str = "") -> None:
        self.name = name
        self.module = module or f"truebook_services.{name}"
        self.label = label or name
        self.folder = folder / self.label
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settings = settings
        self._starts = 0
        self.start()

    def start(self) -> None:
        """Start the process; each start has its own log file."""
        self._starts += 1
        self.log_file = self.folder / f"log.{self._starts}.jsonl"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                cwd=self.folder, env=environment(**self._settings), stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,  # by sessions the kernel shares out a busy machine, as it does by containers
            )  # fmt: skip
        self._health: str | None = None

    def log(self) -> list[dict[str, Any]]:
        """The lines of this life that are JSON."""
        lines = []
        for line in self.log_file.read_text(errors="replace").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                lines.append({"event": line})
        return lines

    @property
    def health(self) -> str:
        """The health server's address; empty until the log has it."""
        if self._health is None:
            addresses = [line["health"] for line in self.log() if "health" in line]
            if not addresses:
                return ""
            self._health = addresses[0]
        return self._health

    def get(self, path: str) -> tuple[int, str]:
        """Request from the health server; status 0 while it does not respond."""
        if not self.health:
            return 0, ""
        try:
            with urllib.request.urlopen(f"{self.health}{path}", timeout=3) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def is_ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value, summed over the labels that are not given."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith((f"{name}{{", f"{name} ")) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def kill_9(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def terminate(self, within_s: float = 10.0) -> int:
        """Request a graceful stop and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])


def wait_until(condition: Callable[[], bool], within_s: float, what: Callable[[], str] = str) -> float:
    """Wait for a condition of processes and return the seconds that it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within_s:
            raise AssertionError(f"not within {within_s} s: {what()}")
        time.sleep(POLL_S)
    return time.monotonic() - began


def wait_until_ready(processes: list[ServiceProcess], within_s: float = READY_WITHIN_S) -> float:
    """Wait until all are ready; fails with the reasons of each, and with the log of one that has exited."""

    def what() -> str:
        late = [each for each in processes if not each.is_ready()]
        return "; ".join(f"{each.label}: {each.get('/readyz')} {each.tail(5)}" for each in late)

    def all_ready() -> bool:
        ended = [each for each in processes if each.process.poll() is not None]
        assert not ended, f"{ended[0].label} ended with {ended[0].process.returncode}: {ended[0].tail()}"
        return all(each.is_ready() for each in processes)

    return wait_until(all_ready, within_s, what)
