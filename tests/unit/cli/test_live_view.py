"""The screen of a run: it shows why trading is halted."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.trading_holds import DIFFERENCE, OPERATOR, TradingHold
from truebook.ledger.verbs import OpenAccount
from truebook_services.cli import live_view
from truebook_services.cli.live_view import LiveView, PlainView
from truebook_services.operator.port import Status
from truebook_services.operator.statistics import Statistics
from truebook_services.operator.status import RunInfo, status_of


async def status_under(*holds: TradingHold) -> Status:
    ledger = MemoryStore()
    await ledger.apply(OpenAccount(balance_micros=1_000_000))
    for hold in holds:
        await ledger.apply(hold.place())
    info = RunInfo(seconds=1.0, at_us=5, market_data="simulated")
    return status_of(Statistics(), await ledger.view(), {}, None, info)


async def test_a_plain_line_names_the_holds(capsys: pytest.CaptureFixture[str]) -> None:
    PlainView().show(await status_under(), [])
    assert capsys.readouterr().err.endswith("mode running\n")
    PlainView().show(await status_under(OPERATOR, DIFFERENCE), [])
    line = capsys.readouterr().err
    assert "mode halted: " in line
    assert "operator (halted, by operator)" in line and "difference (halted, by reconciler)" in line


async def test_the_live_view_names_the_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(live_view, "Console", lambda **_: Console(file=shown, width=120))
    view = LiveView()
    for status in (await status_under(), await status_under(DIFFERENCE)):
        view.show(msgspec.structs.replace(status, model="micro"), ["event"])
        view._console.print(view._live.get_renderable())
    running, _, halted = shown.getvalue().partition("event")
    assert "trading hold" not in running
    assert "trading hold: difference (halted, by reconciler)" in halted
