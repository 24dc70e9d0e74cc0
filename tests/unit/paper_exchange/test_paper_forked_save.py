"""Checkpoints written by a forked process: complete, one at a time, and no part of the exchange's own descriptors."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
import structlog

from support.manual_exchange import ManualExchange
from truebook_services.paper_exchange.engine.checkpoint import load
from truebook_services.paper_exchange.engine.forked_save import ForkedSave

CHECKPOINT = "truebook_services.paper_exchange.engine.checkpoint"


def test_a_forked_save_succeeds_or_fails_alone(tmp_path: Path) -> None:
    forked = ForkedSave()
    with (tmp_path / "kept").open("w") as kept:
        forked.begin(lambda: (tmp_path / "saved").write_bytes(b"state"), kept.fileno())
        assert forked.is_running
        assert forked.ended(wait=True) is True
        forked.begin(lambda: (tmp_path / "no folder" / "saved").write_bytes(b""), kept.fileno())
        assert forked.ended(wait=True) is False
    assert (tmp_path / "saved").read_bytes() == b"state" and not forked.is_running


def test_a_forked_save_holds_no_lock_of_its_parent(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    began, go_on = os.pipe(), tmp_path / "go on"
    os.mkfifo(go_on)
    forked = ForkedSave()

    def save() -> None:
        os.write(began[1], b"x")
        go_on.read_bytes()  # blocks until the parent writes

    forked.begin(save, began[1])
    assert os.read(began[0], 1) == b"x"
    os.close(lock)
    again = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as the next instance of a killed exchange does
    go_on.write_bytes(b"")
    assert forked.ended(wait=True) is True
    for descriptor in (*began, again):
        os.close(descriptor)


async def test_a_killed_exchange_continues_from_a_forked_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{CHECKPOINT}.FORKED_STEPS", 100)
    exchange = ManualExchange(tmp_path)
    opened = exchange.server._opened
    assert opened is not None and opened.checkpoints is not None
    opened.checkpoints.forks = True
    exchange.tick(30)
    exchange.server.tick()
    exchange.tick(30)
    opened.checkpoints._forked.ended(wait=True)
    saved = next(load(tmp_path, structlog.get_logger()))
    assert 0 < saved.source.position < opened.core.source.position
    before = exchange.state()
    exchange.kill()
    back = ManualExchange(tmp_path, exchange.clock.now_us())
    assert back.state() == before
    back.kill()
