"""A checkpoint leads to where the whole journal leads, and one that does not fit is passed over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import structlog

from support.paper_rig import paper_settings, running
from support.turned_exchange import ACCOUNT, SECOND_US, START_US, TurnedExchange, request
from truebook.clock import ManualClock
from truebook_services.paper_exchange.commands import Place
from truebook_services.paper_exchange.server import PaperExchange


async def test_from_a_checkpoint_the_market_goes_on_as_from_the_whole_journal(tmp_path: Path) -> None:
    rig = TurnedExchange(tmp_path / "one")
    rig.turn(20)
    await rig.command(Place(ACCOUNT, request(rig.tickers()[0], 1, price_cc=9_900)))
    rig.exchange.keep_checkpoint()
    rig.turn(20)
    await rig.command(Place(ACCOUNT, request(rig.tickers()[1], 2, price_cc=9_900)))
    rig.kill()
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    (tmp_path / "other" / "checkpoint").unlink()
    one, other = (
        TurnedExchange(tmp_path / "one", rig.clock.now_us()),
        TurnedExchange(tmp_path / "other", rig.clock.now_us()),
    )
    for again in (one, other):
        again.turn(60)
        again.kill()
    assert one.told == other.told != []
    assert one.state() == other.state()


@pytest.mark.parametrize("damage", ["torn", "bit", "other program", "other journal", "longer than the journal"])
async def test_a_checkpoint_that_does_not_fit_is_passed_over(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = TurnedExchange(tmp_path)
    rig.turn(20)
    await rig.command(Place(ACCOUNT, request(rig.tickers()[0], 1, price_cc=9_900)))
    journal = (tmp_path / "journal.jsonl").read_bytes()
    rig.exchange.keep_checkpoint()
    written = (tmp_path / "checkpoint").read_bytes()
    before = rig.state()
    rig.kill()
    match damage:
        case "torn":
            (tmp_path / "checkpoint").write_bytes(written[:-100])
        case "bit":
            (tmp_path / "checkpoint").write_bytes(written[:-1] + bytes([written[-1] ^ 1]))
        case "other program":
            monkeypatch.setattr("truebook_services.paper_exchange.checkpoint._program", lambda: "another")
        case "other journal":
            shutil.rmtree(tmp_path)
            rig = TurnedExchange(tmp_path, seed=99)
            rig.turn(30)
            before = rig.state()
            rig.kill()
            (tmp_path / "checkpoint").write_bytes(written)
        case _:
            first = journal.splitlines(keepends=True)[0]
            (tmp_path / "journal.jsonl").write_bytes(first)
            before = {}
    back = TurnedExchange(tmp_path, rig.clock.now_us())
    if before:
        assert back.state() == before
    else:
        assert back.state()["orders"] == [], "the journal is the truth: what it does not tell has not been"
    back.kill()


async def test_a_checkpoint_is_kept_every_so_many_steps_and_at_a_graceful_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("truebook_services.paper_exchange.server.CHECKPOINT_STEPS", 100)
    exchange = PaperExchange(paper_settings(tmp_path), clock := ManualClock(START_US), structlog.get_logger())
    exchange.prepare()
    for _ in range(100):
        clock.set(clock.now_us() + SECOND_US)
        while not exchange.turn():
            pass
    assert (tmp_path / "checkpoint").stat().st_mode & 0o777 == 0o600
    exchange._journal.close()
    (tmp_path / "checkpoint").unlink()
    async with running(paper_settings(tmp_path)):
        pass
    assert (tmp_path / "checkpoint").exists()
