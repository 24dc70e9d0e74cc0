"""``truebook doctor``: checks everything that a run depends on; one line each, with what to do.

| exit code | meaning |
|---|---|
| 0 | all is well |
| 1 | a warning: a run will work |
| 2 | the settings can't be used |
| 3 | a problem: a run will fail, or will refuse to trade |
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from truebook.clock import Clock, SystemClock
from truebook.runtime.settings import SettingsError, load
from truebook_services.cli import local_checks, remote_checks
from truebook_services.cli.check import Check, State, ok, problem, worst
from truebook_services.embedded.settings import EmbeddedSettings

EXIT_CODES: Final[dict[State, int]] = {"ok": 0, "warning": 1, "problem": 3}
MARKS: Final[dict[State, tuple[str, str]]] = {
    "ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("PROBLEM", "bold red"),
}  # fmt: skip


def doctor(
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """Check everything that a run depends on."""
    checks, code = run_checks(SystemClock())
    if json_:
        print(json.dumps({"worst": worst(checks), "checks": msgspec.to_builtins(checks)}))
    else:
        _print(checks)
    raise typer.Exit(code)


def run_checks(clock: Clock) -> tuple[list[Check], int]:
    """Run every check; returns the results and the exit code."""
    checks = [local_checks.check_python(), *local_checks.check_packages()]
    try:
        settings = load(EmbeddedSettings)
    except SettingsError as error:
        hint = "correct the environment or truebook.toml; the other checks need settings"
        checks += [problem("settings", text, hint) for text in error.problems]
        return checks, 2
    checks.append(ok("settings", f"account {settings.account}, market data {settings.market_data}"))
    checks += [local_checks.check_folder(settings), local_checks.check_disk(settings)]
    checks += [*local_checks.check_ports(settings), local_checks.check_keys(settings)]
    checks.append(local_checks.check_model(settings))
    bundled = local_checks.check_bundled_server(settings)
    checks += [bundled] if bundled is not None else []
    checks += asyncio.run(_run_remote_checks(settings, clock))
    return checks, EXIT_CODES[worst(checks)]


async def _run_remote_checks(settings: EmbeddedSettings, clock: Clock) -> list[Check]:
    results = await asyncio.gather(
        remote_checks.check_redis(settings),
        remote_checks.check_kafka(settings),
        remote_checks.check_exchange(settings, clock),
    )
    return [check for checks in results for check in checks]


def _print(checks: list[Check]) -> None:
    console = Console(markup=False)
    width = max(len(check.name) for check in checks)
    for check in checks:
        word, style = MARKS[check.state]
        line = Text(f"{word:<8}", style=style)
        line.append(f" {check.name:<{width}}  {check.detail}", style="default")
        console.print(line, soft_wrap=True)
        if check.hint:
            console.print(Text(f"{'':<8} {'':<{width}}  → {check.hint}", style="dim"), soft_wrap=True)
