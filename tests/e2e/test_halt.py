"""``truebook halt`` stops what trades: from another folder, without usable settings, and where a process hangs."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.processes import Background, last_json, truebook

ACCOUNT = Path(".truebook") / "sim-main-simulated"
TRADED = re.compile(r"orders [1-9]\d*")
MACHINE = {"TRUEBOOK_OPERATOR__FIND_SYSTEMS": "machine"}
pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture
def trader(tmp_path: Path) -> Iterator[Background]:
    """A system that trades in the folder ``trading``."""
    (tmp_path / "trading").mkdir()
    process = Background(tmp_path / "trading", "run", "--markets", "3")
    try:
        process.wait_for(TRADED)
        yield process
    finally:
        process.process.send_signal(signal.SIGCONT)
        process.kill_9()


def mode(folder: Path) -> str:
    found: str = last_json(truebook(folder, "status", "--json").stdout)["mode"]
    return found


def test_a_halt_from_another_folder_names_what_trades(tmp_path: Path, trader: Background) -> None:
    trading = tmp_path / "trading"
    idle = truebook(tmp_path, "halt", "--json", **MACHINE)
    assert idle.returncode == 3, idle.stdout
    assert "held" not in idle.stdout
    assert f"{trading / ACCOUNT} (process {trader.process.pid} of " in idle.stderr
    assert mode(trading) == "running"

    (tmp_path / "truebook.toml").write_text('market_data = "crystal_ball"\n')
    invalid = truebook(tmp_path, "halt", **MACHINE)
    assert invalid.returncode == 3, invalid.stdout
    assert "market_data" in invalid.stderr and str(trading / ACCOUNT) in invalid.stderr
    named = truebook(tmp_path, "halt", "--folder", str(trading / ACCOUNT), "--json", **MACHINE)
    assert named.returncode == 0, named.stderr
    assert last_json(named.stdout) == {"result": "held", "orders": "cancelled"}
    assert mode(trading) == "halted"


def test_a_frozen_process_is_halted_by_its_ledger(tmp_path: Path, trader: Background) -> None:
    trading = tmp_path / "trading"
    trader.process.send_signal(signal.SIGSTOP)
    done = truebook(trading, "halt", "--json")
    assert done.returncode == 3
    assert "halted in the ledger" in done.stderr
    assert f"kill -CONT {trader.process.pid}" in done.stderr
    trader.process.send_signal(signal.SIGCONT)
    assert mode(trading) == "halted"
    assert truebook(trading, "resume").returncode == 0


def test_a_torn_access_file_does_not_keep_a_halt_away(tmp_path: Path, trader: Background) -> None:
    access = tmp_path / "trading" / ACCOUNT / "operator.json"
    content = access.read_bytes()
    access.write_bytes(content[:20])
    done = truebook(tmp_path / "trading", "halt", "--json")
    assert (done.returncode, last_json(done.stdout)["orders"]) == (0, "left_to_execution"), done.stderr
    access.write_bytes(content)
    assert mode(tmp_path / "trading") == "halted"


def test_all_systems_of_a_folder_are_halted(tmp_path: Path, trader: Background) -> None:
    trading = tmp_path / "trading"
    done = truebook(trading, "halt", "--all", "--json", TRUEBOOK_ACCOUNT="other")
    assert done.returncode == 0, done.stderr
    [(name, halted)] = last_json(done.stdout)["halted"].items()
    assert name.startswith(str(trading / ACCOUNT)) and halted["result"] == "held"
    assert mode(trading) == "halted"
