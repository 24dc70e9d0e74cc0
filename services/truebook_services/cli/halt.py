"""``truebook halt``: stops what trades on this machine, from any folder, shell or account."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from truebook.messages.envelope import Source
from truebook.runtime.settings import SettingsError, load
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import Json, print_json
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.halting import halt_all, halt_configured, halt_system
from truebook_services.operator.holds import AFTER_HALT
from truebook_services.operator.port import HaltAllResult, HaltResult, OthersRun
from truebook_services.operator.systems import RunningSystem, find_at, find_in, find_on_machine


def halt(
    keep_orders: Annotated[bool, typer.Option("--keep-orders", help="Do not cancel resting orders.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Halt the system of this state folder, such as .truebook/sim-main-simulated."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Halt every system that runs on this machine.")] = False,
    json_: Json = False,
) -> None:
    """Halt all trading and cancel all orders, until resumed."""
    settings, problem = _load()
    if folder is not None:
        _print(_halt_folder(folder, settings, problem, keep_orders=keep_orders), json_)
        return
    running = find_running(settings)
    if not all_:
        try:
            if settings is None or problem is not None:
                raise _of_invalid_settings(problem, running)
            _print(asyncio.run(halt_configured(settings, running, keep_orders=keep_orders)), json_)
            return
        except OthersRun as error:
            if json_ or not sys.stdin.isatty():
                raise
            typer.echo(str(error), err=True)
            typer.confirm("halt all of them?", abort=True, err=True)
    _print_all(asyncio.run(halt_all(settings, running, keep_orders=keep_orders)), json_)


def _load() -> tuple[EmbeddedSettings | None, SettingsError | None]:
    """Load the settings. Invalid ones are reported, but must not keep a halt from what runs."""
    try:
        return load(EmbeddedSettings), None
    except SettingsError as error:
        typer.echo(f"truebook: {error}", err=True)
        return None, error


def find_running(settings: EmbeddedSettings | None) -> list[RunningSystem]:
    """Find the systems that a halt must not leave out: all on this machine, or those of the settings' folder."""
    if settings is not None and settings.operator.find_systems == "folder":
        return find_in(settings.state_folder)
    return find_on_machine()


def _of_invalid_settings(problem: SettingsError | None, running: list[RunningSystem]) -> Exception:
    """Return the error of a halt whose settings select nothing."""
    if not running and problem is not None:
        return problem
    return OthersRun("the settings are invalid and select no account", [str(each) for each in running])


def _halt_folder(
    folder: Path, settings: EmbeddedSettings | None, problem: SettingsError | None, *, keep_orders: bool
) -> HaltResult:
    """Halt the system of this folder, or the idle ledger in it."""
    account, _, source = folder.resolve().name.rpartition("-")
    if not account or source not in set(Source) or not folder.is_dir():
        raise UsageError(f"{folder} is not the state folder of an account, such as .truebook/sim-main-simulated")
    system = find_at(folder)
    if system is not None:
        return asyncio.run(halt_system(system, keep_orders=keep_orders))
    if settings is None:
        raise problem or UsageError(f"nothing runs in {folder}")
    changes = {
        "state_folder": folder.resolve().parent, "account": account, "market_data": Source(source),
        "kafka_servers": None,
    }  # fmt: skip
    return asyncio.run(halt_configured(settings.model_copy(update=changes), (), keep_orders=keep_orders))


def _print(result: HaltResult, as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        print(f"trading is halted: {AFTER_HALT[result.orders]}")
    for each in result.still_running or ():
        typer.echo(f"STILL RUNNING: {each}; halt it with --folder or --all", err=True)


def _print_all(result: HaltAllResult, as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        for name, halted in result.halted.items():
            print(f"{name}: trading is halted: {AFTER_HALT[halted.orders]}")
        for name, problem in result.failed.items():
            print(f"{name}: {problem}")
    raise typer.Exit(3 if result.failed else 0)
