from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from truebook.runtime.state_folder import LOCK, LOG, FolderInUse, Owner, StateFolder, owner_of

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from truebook.runtime.state_folder import StateFolder
folder = StateFolder(Path(sys.argv[1])).__enter__()
print("held", flush=True)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False, stdout=-3)
print(child.pid, flush=True)
time.sleep(60)
"""


def start_holder(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_the_folder_is_created_and_its_lock_names_the_owner(tmp_path: Path) -> None:
    path = tmp_path / ".truebook" / "sim-main-simulated"
    with StateFolder(path):
        assert owner_of(path) == Owner(os.getpid())
        assert (path / LOCK).stat().st_mode & 0o777 == 0o600
    assert owner_of(path) is None


def test_a_second_owner_is_refused_also_in_the_same_process(tmp_path: Path) -> None:
    with StateFolder(tmp_path), pytest.raises(FolderInUse, match=f"process {os.getpid()}"):
        StateFolder(tmp_path).__enter__()
    with StateFolder(tmp_path):
        pass


def test_another_process_is_named_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    holder = start_holder(tmp_path)
    try:
        with pytest.raises(FolderInUse) as refused:
            StateFolder(tmp_path).__enter__()
        assert f"process {holder.pid}" in str(refused.value)
        assert refused.value.owner == Owner(holder.pid)
    finally:
        assert holder.stdout is not None
        os.kill(int(holder.stdout.readline()), signal.SIGKILL)
        holder.kill()
        holder.communicate()
    assert owner_of(tmp_path) == Owner(holder.pid), "a killed process can not clean up"
    with StateFolder(tmp_path):
        assert owner_of(tmp_path) == Owner(os.getpid())


def test_a_lock_file_with_invalid_content_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("not json, and longer than what will be written there in its place " * 10)
    with StateFolder(tmp_path):
        assert owner_of(tmp_path) == Owner(os.getpid())


def test_a_child_that_outlives_a_killed_owner_does_not_hold_its_lock(tmp_path: Path) -> None:
    holder = start_holder(tmp_path)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        holder.kill()
        holder.wait()
        os.kill(child, 0)
        with StateFolder(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()


def test_fresh_empties_the_folder_but_for_lock_and_log(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "appendonly.aof").write_text("x")
    (tmp_path / "books.json").write_text("x")
    (tmp_path / LOG).write_text("earlier")
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "kept").write_text("x")
    (tmp_path / "link").symlink_to(outside)
    called: list[bool] = []
    with StateFolder(tmp_path, fresh=True, before_fresh=lambda path: called.append((path / "ledger").exists())):
        assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([LOCK, LOG])
    assert called == [True], "a process that still uses the files is ended first"
    assert (outside / "kept").exists()


def test_fresh_does_not_touch_a_folder_that_another_holds(tmp_path: Path) -> None:
    (tmp_path / "books.json").write_text("x")
    with StateFolder(tmp_path), pytest.raises(FolderInUse):
        StateFolder(tmp_path, fresh=True).__enter__()
    assert (tmp_path / "books.json").exists()
