"""Evidence of a run: what metrics tell is added to what the bus has told, asked by ``truebook why``, left in a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import msgspec

from truebook.evidence.records import Snapshot
from truebook.ledger.port import View
from truebook.runtime.frames import Service
from truebook_services.embedded.system import System

FILE: Final = "why.json"
SAMPLE_S: Final = 5.0
SAMPLES_PER_FILE: Final = 6
"""The file is written every half minute, and at the end."""


async def keep_evidence(system: System) -> None:
    """Sample the metrics and write the file again and again, until cancelled."""
    while True:
        for _ in range(SAMPLES_PER_FILE):
            await asyncio.sleep(SAMPLE_S)
            sample(system)
        await asyncio.to_thread(_write, system.folder / FILE, _encoded(system))


def sample(system: System) -> None:
    """Take over what was refused where no message tells of it: before an observation, and before a decision."""
    now_us, evidence = system.clock.now_us(), system.statistics.evidence
    evidence.not_observed(_totals(system.services, "observation", "observations_refused"), now_us)
    evidence.not_decided(_totals(system.services, "policy", "observations_dropped"), now_us)


def write_evidence(system: System) -> None:
    """Leave all that is known in the state folder."""
    sample(system)
    _write(system.folder / FILE, _encoded(system))


def explain(system: System, view: View, ticker: str | None) -> dict[str, Any]:
    """Answer the funnel of the last hour and, for a ticker, what is known of its market."""
    sample(system)
    evidence, now_us = system.statistics.evidence, system.clock.now_us()
    snapshot = Snapshot(at_us=now_us, funnel=evidence.funnel(now_us), markets=())
    market = evidence.market(ticker) if ticker is not None else None
    holds = [f"{hold.name} ({hold.mode}, by {hold.owner})" for hold in view.account.holds]
    return answer(snapshot, market) | {"mode": view.account.mode, "holds": holds}


def answer(snapshot: Snapshot, market: Any) -> dict[str, Any]:
    """The record that ``truebook why --json`` prints; ``market`` is null where none was asked for or is known."""
    return {
        "at_us": snapshot.at_us,
        "funnel": msgspec.to_builtins(snapshot.funnel),
        "market": msgspec.to_builtins(market),
    }


def read_evidence(folder: Path) -> Snapshot | None:
    """Read what the last run has left; null where there is nothing that can be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Snapshot)
    except (OSError, msgspec.DecodeError):
        return None


def _totals(services: tuple[Service, ...], service: str, counter: str) -> dict[str, int]:
    found = next((each for each in services if each.name == service), None)
    return found.context.metrics.totals(counter, "reason") if found is not None else {}


def _encoded(system: System) -> bytes:
    return msgspec.json.encode(system.statistics.evidence.snapshot(system.clock.now_us()))


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(content)
    draft.replace(path)
