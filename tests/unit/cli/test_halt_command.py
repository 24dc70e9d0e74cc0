"""``truebook halt`` where another system runs: it asks in a terminal, and refuses without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from truebook_services.cli import halt as command
from truebook_services.cli.errors import UsageError
from truebook_services.operator.port import AfterHalt, HaltAllResult, HaltResult, OthersRun
from truebook_services.operator.systems import RunningSystem

OTHER = RunningSystem(pid=7, user="me", command="truebook run", folder=Path("/elsewhere/main-simulated"))
HALTED = HaltResult(result="held", orders=AfterHalt.CANCELLED)


@pytest.fixture
def halted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RunningSystem]:
    """What a halt of everything was called with; another system is the only one that runs."""
    called: list[RunningSystem] = []

    async def halt_all(settings: Any, running: list[RunningSystem], *, keep_orders: bool) -> HaltAllResult:
        called.extend(running)
        return HaltAllResult(halted={str(each): HALTED for each in running}, failed={})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "find_on_machine", lambda: [OTHER])
    monkeypatch.setattr(command, "halt_all", halt_all)
    return called


def in_terminal(monkeypatch: pytest.MonkeyPatch, *, agrees: bool) -> None:
    def confirm(text: str, **_: Any) -> None:
        if not agrees:
            raise typer.Abort

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", confirm)


def test_without_a_terminal_it_names_the_system(halted: list[RunningSystem], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(OthersRun, match=r"/elsewhere/main-simulated \(process 7 of me\)"):
        command.halt()
    assert halted == []


def test_in_a_terminal_it_asks(
    halted: list[RunningSystem], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_terminal(monkeypatch, agrees=False)
    with pytest.raises(typer.Abort):
        command.halt()
    assert halted == []
    in_terminal(monkeypatch, agrees=True)
    with pytest.raises(typer.Exit) as ended:
        command.halt()
    assert (ended.value.exit_code, halted) == (0, [OTHER])
    assert "all orders are cancelled" in capsys.readouterr().out


def test_json_output_never_asks(halted: list[RunningSystem], monkeypatch: pytest.MonkeyPatch) -> None:
    in_terminal(monkeypatch, agrees=True)
    with pytest.raises(OthersRun):
        command.halt(json_=True)


def test_a_folder_that_is_none_of_an_account_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "no-simulated"):
        with pytest.raises(UsageError, match="is not the state folder of an account"):
            command.halt(folder=folder)
