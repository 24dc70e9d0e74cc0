"""``truebook exchange`` as a process: of this checkout, or of an earlier one with a ``.venv`` of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

BASE: Final = "TRUEBOOK_BENCH_BASE"
"""Environment variable: folder of the earlier checkout, such as a git worktree with a virtual environment."""
KEY_ID: Final = "5f2b8f6e-0000-4000-8000-00000000bec4"
ROOT: Final = Path(__file__).parent.parent


def base_checkout() -> Path | None:
    """Return the checkout to compare with; None without one."""
    named = os.environ.get(BASE)
    return None if not named else Path(named)


class Exchange:
    """A running exchange: its address, and the key that signs for its account."""

    def __init__(self, checkout: Path | None, folder: Path, flags: tuple[str, ...]) -> None:
        self.key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        self._python = sys.executable if checkout is None else str(checkout / ".venv" / "bin" / "python")
        self._where = checkout or ROOT
        self._folder = folder
        self._flags = flags
        self._public = folder / "public.pem"
        self._public.write_bytes(
            self.key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        self.process: subprocess.Popen[str]
        self.port = 0
        self.start()

    def start(self) -> float:
        """Start the process, on the state that an earlier one left; returns the seconds until it serves."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TRUEBOOK_")} | {
            "PYTHONPATH": f"{self._where / 'libs'}:{self._where / 'services'}",
            "TRUEBOOK_STATE_FOLDER": str(self._folder / "state"),
            "TRUEBOOK_PAPER_EXCHANGE__TIER": "prestige",
        }
        arguments = ["--port", "0", "--key-id", KEY_ID, "--public-key", str(self._public), *self._flags]
        began_s = time.perf_counter()
        self.process = subprocess.Popen(
            [self._python, "-m", "truebook_services.cli", "exchange", *arguments],
            cwd=self._folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("exchange ready at "):
                self.port = int(line.split(",")[0].rpartition(":")[2])
                return time.perf_counter() - began_s
        raise RuntimeError(f"the exchange of {self._where} ended before it was ready: exit code {self.process.wait()}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def cpu_s_of(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_s_of(pid: int) -> float:
    """Return how long a process's main thread was ready to run and waited for a core: what other processes took."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9


def peak_mb_of(pid: int) -> float:
    """Return the largest memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


@contextmanager
def exchange(*flags: str, checkout: Path | None = None) -> Iterator[Exchange]:
    """Run an exchange in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        running = Exchange(checkout, Path(folder), flags)
        try:
            yield running
        finally:
            running.kill()
