"""Truebook as a user starts it: real processes, in a folder of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

TRUEBOOK = [sys.executable, "-m", "truebook_services.cli"]
READY = re.compile(r"exchange ready at (\S+), key id ([^,\s]+)(?:, private key (\S+))?")


ALONE = {"TRUEBOOK_OPERATOR__FIND_SYSTEMS": "folder"}
"""A test halts its own systems only, whatever other tests run on this machine."""


def environment(**more: str) -> dict[str, str]:
    """Return the environment without the settings of the person who runs the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUEBOOK_")}
    return {**clean, **ALONE, **more}


def truebook(folder: Path, *arguments: str, timeout_s: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*TRUEBOOK, *arguments], cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=timeout_s
    )


def last_json(text: str) -> dict[str, Any]:
    """Return the JSON object on the last line of standard output."""
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found


class Background:
    """A command in the background; its output is collected."""

    def __init__(self, folder: Path, *arguments: str, **more: str) -> None:
        self.process = subprocess.Popen(
            [*TRUEBOOK, *arguments], cwd=folder, env=environment(**more), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.out: list[str] = []
        self.err: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, lines: list[str]) -> None:
        lines.extend(stream)

    def wait_for(self, pattern: re.Pattern[str], within_s: float = 30) -> re.Match[str]:
        """Wait for a line on standard output or error."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            for line in [*self.out, *self.err]:
                if match := pattern.search(line):
                    return match
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"no line like {pattern.pattern!r}; out {self.out[-5:]}, err {self.err[-15:]}")

    def kill_9(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def interrupt(self, within_s: float = 60) -> int:
        """Send SIGINT, as Ctrl-C does, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.end(within_s)

    def end(self, within_s: float = 120) -> int:
        """Wait for the process to exit and return the exit code."""
        code = self.process.wait(within_s)
        for reader in self._readers:
            reader.join(5)
        return code


def start_exchange(folder: Path, *arguments: str) -> tuple[Background, str, str, Path]:
    """Start ``truebook exchange`` on a free port: (process, address, key id, private key file)."""
    exchange = Background(folder, "exchange", *arguments)
    ready = exchange.wait_for(READY)
    return exchange, ready[1], ready[2], folder / ready[3]
