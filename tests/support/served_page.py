"""Starts the page on made data as a process, and controls its source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

ROOT: Final = Path(__file__).resolve().parents[2]
STOP_WITHIN_S: Final = 60


class ServedPage:
    """A running process. ``url`` and ``token`` as it states them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        started = self._result()
        self.url: str = started["url"]
        self.token: str = started["token"]

    def command(self, *words: str) -> dict[str, Any]:
        """Send a command to the source and wait until it is done."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self._result()

    def cookie(self) -> dict[str, str]:
        """Sign in and return the session's cookie by name."""
        response = httpx.post(f"{self.url}/session", json={"token": self.token}, headers={"Origin": self.url})
        assert response.status_code == 204, response.text
        return dict(response.cookies)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def _result(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the page's process ended"
        result: dict[str, Any] = json.loads(line)
        return result


@contextmanager
def served_page(
    folder: Path, *, markets: int = 300, changes: int = 60, every_s: float = 0.5, port: int = 0
) -> Iterator[ServedPage]:
    """Serve the page while entered."""
    arguments = [sys.executable, "-m", "support.dashboard_process", folder, markets, changes, every_s, port]
    process = subprocess.Popen(
        [str(each) for each in arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")}, cwd=folder,
    )  # fmt: skip
    try:
        yield ServedPage(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
