"""From the command to the first order: ``truebook run`` as a process, on an empty folder, with the bundled model.

The baseline is a process that imports the libraries that the run uses, and nothing else. The files are warm: bytecode
is compiled by the first turn, which is not counted.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from bench.measure import Row

TURNS: Final = 5
TARGET_S: Final = 2.0
WITHIN_S: Final = 120.0
"""For a busy machine."""
PROGRAM: Final = Path(__file__).with_name("startup_run.py")
LIBRARIES: Final = (
    "aiohttp", "cryptography.hazmat.primitives.serialization", "httpx", "msgspec", "numpy", "onnxruntime",
    "prometheus_client", "pydantic_settings", "redis.asyncio", "starlette.applications", "structlog", "typer",
    "uvicorn", "uvloop", "websockets.asyncio.client",
)  # fmt: skip


class Times(NamedTuple):
    """Seconds since the command: of the clock, and of the process's CPU."""

    wall_s: float
    cpu_s: float


class Start(NamedTuple):
    """One start of a run."""

    book: Times
    order: Times


def environment(bytecode: str) -> dict[str, str]:
    """Return an environment without settings, in which compiled modules are kept."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRUEBOOK_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"PYTHONPYCACHEPREFIX": bytecode}


def start(bytecode: str) -> Start:
    """Start a run, wait for its first order, and stop it."""
    with tempfile.TemporaryDirectory() as folder:
        marks = Path(folder) / "marks.json"
        command = [sys.executable, str(PROGRAM), str(marks), str(time.monotonic()), "run", "--plain", "--no-dashboard"]
        process = subprocess.Popen(
            command, cwd=folder, env=environment(bytecode), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until_s = time.monotonic() + WITHIN_S
        try:
            while not (marks.exists() and marks.stat().st_size):
                if process.poll() is not None or time.monotonic() > until_s:
                    raise RuntimeError(f"no order was acknowledged; exit code {process.poll()}")
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
        found = json.loads(marks.read_text(encoding="ascii"))
    return Start(Times(*found["book"]), Times(*found["order"]))


def finished(bytecode: str, *arguments: str) -> Times:
    """Run Python to its end."""
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=environment(bytecode), stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"exit code {process.returncode}: {arguments}")
        return Times(time.monotonic() - began_s, usage.ru_utime + usage.ru_stime)


def bench() -> list[Row]:
    starts: list[Start] = []
    imports: list[Times] = []
    helps: list[Times] = []
    with tempfile.TemporaryDirectory() as bytecode:
        for turn in range(1 + TURNS):
            one = (
                start(bytecode),
                finished(bytecode, "-c", f"import {', '.join(LIBRARIES)}"),
                finished(bytecode, "-m", "truebook_services.cli", "--help"),
            )
            if turn:
                starts.append(one[0])
                imports.append(one[1])
                helps.append(one[2])
    order, book = [each.order for each in starts], [each.book for each in starts]
    wall_s = median(order).wall_s
    times = statistics.median(ours.cpu_s / theirs.cpu_s for ours, theirs in zip(order, imports, strict=True))
    libraries = f"{shown(median(imports))} (the libraries' imports)"
    path = "`truebook run`, empty folder, warm files"
    return [
        Row(path=f"{path}: command to the first order acknowledged", ours=shown(median(order)), baseline=libraries,
            ratio=f"{times:.1f} × the CPU", target=f"≤ {TARGET_S:.0f} s", reached=wall_s <= TARGET_S),
        Row(path=f"{path}: command to the first book", ours=shown(median(book)), baseline="–", ratio="–", target="–",
            reached=None),
        Row(path="`truebook --help`", ours=shown(median(helps)), baseline="–", ratio="–", target="–", reached=None),
    ]  # fmt: skip


def median(times: list[Times]) -> Times:
    return Times(statistics.median(each.wall_s for each in times), statistics.median(each.cpu_s for each in times))


def shown(times: Times) -> str:
    return f"{times.wall_s:.2f} s, {times.cpu_s:.2f} s CPU"
