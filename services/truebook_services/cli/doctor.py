"""``truebook doctor``: everything that a run depends on, one line each, with what to do.

| exit code | meaning |
|---|---|
| 0 | all is well |
| 1 | a warning: it will run |
| 2 | the settings can't be used |
| 3 | a problem: a run will fail or refuse to trade |
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
from truebook_services.cli import checks_here, checks_there
from truebook_services.cli.findings import Finding, State, ok, problem, worst
from truebook_services.embedded.settings import EmbeddedSettings

EXIT_CODES: Final[dict[State, int]] = {"ok": 0, "warning": 1, "problem": 3}
MARKS: Final[dict[State, tuple[str, str]]] = {
    "ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("PROBLEM", "bold red"),
}  # fmt: skip


def doctor(
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Check keys, clock, ports, folder, ledger, rate limit, disk and packages, and say what to do."""
    findings, code = examine(SystemClock())
    if json_:
        print(json.dumps({"worst": worst(findings), "findings": msgspec.to_builtins(findings)}))
    else:
        _show(findings)
    raise typer.Exit(code)


def examine(clock: Clock) -> tuple[list[Finding], int]:
    """Run every check; answers the findings and the exit code."""
    findings = [checks_here.check_python(), *checks_here.check_packages()]
    try:
        settings = load(EmbeddedSettings)
    except SettingsError as error:
        what_to_do = "mend the environment, or truebook.toml; the other checks need settings"
        findings += [problem("settings", text, what_to_do) for text in error.problems]
        return findings, 2
    findings.append(ok("settings", f"account {settings.account}, market data {settings.market_data}"))
    findings += [checks_here.check_folder(settings), checks_here.check_disk(settings)]
    findings += [*checks_here.check_ports(settings), checks_here.check_keys(settings)]
    findings.append(checks_here.check_model(settings))
    bundled = checks_here.check_bundled_server(settings)
    findings += [bundled] if bundled is not None else []
    findings += asyncio.run(_ask_others(settings, clock))
    return findings, EXIT_CODES[worst(findings)]


async def _ask_others(settings: EmbeddedSettings, clock: Clock) -> list[Finding]:
    asked = await asyncio.gather(
        checks_there.check_redis(settings),
        checks_there.check_kafka(settings),
        checks_there.check_exchange(settings, clock),
    )
    return [finding for found in asked for finding in found]


def _show(findings: list[Finding]) -> None:
    console = Console(markup=False)
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        word, style = MARKS[finding.state]
        line = Text(f"{word:<8}", style=style)
        line.append(f" {finding.check:<{width}}  {finding.about}", style="default")
        console.print(line, soft_wrap=True)
        if finding.what_to_do:
            console.print(Text(f"{'':<8} {'':<{width}}  → {finding.what_to_do}", style="dim"), soft_wrap=True)
