"""However a run ends, it winds down or states the reason in one line, and the next start continues."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from support.processes import TRUEBOOK, Background, environment, last_json, truebook

STATE = Path(".truebook") / "sim-main-simulated"
RUN = ("run", "--markets", "5", "--seed", "5")
TRADED = re.compile(r"fills [1-9]\d*")


def continues(folder: Path) -> None:
    """Check that the next run trades and agrees with the exchange."""
    done = truebook(folder, *RUN, "--for", "4s", "--json")
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    assert last_json(done.stdout)["ledger_equals_exchange"] is True


@pytest.mark.slow
@pytest.mark.long
def test_sighup_winds_a_run_down(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup, which the child inherits
    trader = Background(tmp_path, *RUN)
    signal.signal(signal.SIGHUP, before)
    trader.wait_for(TRADED, within_s=60)
    trader.process.send_signal(signal.SIGHUP)
    assert trader.process.wait(60) == 0, trader.err[-15:]
    assert json.loads((tmp_path / STATE / "summary.json").read_text())["ledger_equals_exchange"] is True


@pytest.mark.long
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_output_winds_a_run_down(tmp_path: Path, stream: str) -> None:
    """As ``truebook run | head -1`` closes it."""
    other = tmp_path / "other"
    with other.open("w") as file:
        process = subprocess.Popen(
            [*TRUEBOOK, *RUN, *(("--for", "6s") if stream == "stdout" else ())], cwd=tmp_path, env=environment(),
            **{"stdout": file, "stderr": file, stream: subprocess.PIPE},  # type: ignore[call-overload]
        )  # fmt: skip
    pipe = getattr(process, stream)
    if stream == "stderr":
        pipe.readline()
    pipe.close()
    assert process.wait(90) == 0
    assert "Traceback" not in other.read_text()
    assert json.loads((tmp_path / STATE / "summary.json").read_text())["ledger_equals_exchange"] is True


def limit(pid: int, folder: Path, pattern: str, room_bytes: int) -> None:
    """Let the files of a process grow by that much only, as on a full disk."""
    size = max(file.stat().st_size for file in folder.rglob(pattern))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + room_bytes, size + room_bytes))


def ended_by_a_full_disk(trader: Background) -> None:
    assert trader.process.wait(90) == 3, trader.err[-15:]
    for reader in trader._readers:
        reader.join(5)
    assert not [line for line in trader.err if "Traceback" in line]
    assert trader.err[-1].startswith("truebook: ")
    assert re.search(r"disk|space|too large", trader.err[-1], re.IGNORECASE), trader.err[-1]


@pytest.mark.long
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system can't limit another process's files")
def test_a_full_disk_under_the_exchange_ends_in_one_line(tmp_path: Path) -> None:
    trader = Background(tmp_path, *RUN)
    trader.wait_for(TRADED, within_s=60)
    limit(trader.process.pid, tmp_path / STATE, "journal.jsonl", 3_000)
    ended_by_a_full_disk(trader)
    continues(tmp_path)


@pytest.mark.long
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system can't limit another process's files")
def test_a_full_disk_under_the_ledger_ends_in_one_line(tmp_path: Path) -> None:
    trader = Background(tmp_path, *RUN)
    trader.wait_for(TRADED, within_s=60)
    limit(int((tmp_path / STATE / "ledger" / "server.pid").read_text()), tmp_path / STATE / "ledger", "*.aof", 3_000)
    ended_by_a_full_disk(trader)
    continues(tmp_path)


@pytest.mark.long
def test_a_torn_pid_file_of_the_ledgers_server_is_survived(tmp_path: Path) -> None:
    trader = Background(tmp_path, *RUN)
    trader.wait_for(TRADED, within_s=60)
    pid_file = tmp_path / STATE / "ledger" / "server.pid"
    server = int(pid_file.read_text())
    trader.kill_9()
    pid_file.write_text("")
    continues(tmp_path)
    # one that no parent has reaped yet has ended as well
    assert not psutil.pid_exists(server) or psutil.Process(server).status() == psutil.STATUS_ZOMBIE
