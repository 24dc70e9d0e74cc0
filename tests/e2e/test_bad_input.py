"""A user's mistakes: one line that states what, where and what to do, and the documented exit code."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from support.processes import Background, last_json, truebook


def test_five_wrong_settings_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "truebook.toml").write_text(
        'market_data = "crystal_ball"\nspeed = -1\nno_such_setting = true\n'
        "[paper_exchange]\nmarkets = 0\n[execution]\nx = 1\n"
    )
    done = truebook(tmp_path, "run", "--for", "1s")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for name in ("market_data", "speed", "no_such_setting", "markets", "execution"):
        assert name in done.stderr, done.stderr


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = truebook(tmp_path, "exchange", "--port", port, "--markets", "1")
    assert done.returncode == 3
    assert port in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.long
def test_a_folder_in_use_is_refused_with_the_pid_of_its_owner(tmp_path: Path) -> None:
    first = Background(tmp_path, "run", "--markets", "3")
    try:
        first.wait_for(re.compile("state in"))
        second = truebook(tmp_path, "run", "--for", "1s")
        assert second.returncode == 3
        assert str(first.process.pid) in second.stderr
        running = truebook(tmp_path, "status", "--json")
        assert running.returncode == 0, running.stderr
        assert last_json(running.stdout)["alive"] is True
        assert truebook(tmp_path, "halt", "--json").returncode == 0
        assert last_json(truebook(tmp_path, "status", "--json").stdout)["mode"] == "halted"
        assert truebook(tmp_path, "resume", "--json").returncode == 0
    finally:
        assert first.interrupt() == 0, first.err[-10:]
    stopped = last_json(truebook(tmp_path, "status", "--json").stdout)
    assert stopped["alive"] is False
    assert stopped["reserved_micros"] == stopped["conservation_error_micros"] == 0


def test_a_truncated_recording_is_refused_with_its_line(tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_text('{"type":"subscribed","id":2,"msg":{"channel":"orderbook_delta","sid":1}}\n{"type":"orderbook_del')
    done = truebook(tmp_path, "run", "--capture", str(cut))
    assert done.returncode == 2
    assert "cut.jsonl" in done.stderr
    assert "2" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("not a model")
    done = truebook(tmp_path, "run", "--model", str(tmp_path / "model.onnx"), "--for", "1s", "--markets", "1")
    assert done.returncode == 2
    assert "model.onnx" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_production_host_is_refused_for_safety(tmp_path: Path) -> None:
    done = truebook(
        tmp_path, "run", "--exchange", "https://external-api.kalshi.com", "--for", "1s", TRUEBOOK_KEY_ID="x"
    )
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr


def test_a_redis_that_can_not_be_reached_is_named(tmp_path: Path) -> None:
    done = truebook(tmp_path, "run", "--for", "1s", TRUEBOOK_REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
