"""The page on made data, as a process of its own.

``python -m support.dashboard_process FOLDER MARKETS CHANGES EVERY_S PORT`` moves the prices of so many markets.

Lines on standard input control it: ``lose`` and ``find`` the source, ``advance``, ``hold`` and ``release`` as another
operator, ``count`` the cancellations. Each is confirmed by a line of JSON; the first line states the address.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from support.fake_operator import FakeOperator
from support.made_live import MadeLive
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import SystemClock
from truebook.live.views import Changes
from truebook.messages.envelope import Source
from truebook.runtime.context import Context
from truebook.runtime.logs import configure_logs, logger
from truebook.runtime.loop import run_until_done
from truebook.runtime.metrics import Metrics
from truebook_services.dashboard.poller import Backend
from truebook_services.dashboard.service import serve_page
from truebook_services.dashboard.settings import DashboardSection
from truebook_services.operator.port import NotRunning


class LosableLive(MadeLive):
    """Made data with the mode and the holds of a ledger of rules; can be lost."""

    def __init__(self, markets: int, operator: FakeOperator) -> None:
        super().__init__(markets)
        self.operator = operator
        self.is_lost = False
        self.calls = 0

    async def changes(self, since: str | None = None) -> Changes:
        self.calls += 1
        if self.is_lost:
            raise NotRunning("http://127.0.0.1:1 does not respond", "check `truebook run`")
        changes = await super().changes(since)
        account = (await self.operator.ledger.view(())).account
        if changes.account is None:
            return changes
        holds = tuple(f"{hold.name} ({hold.mode}, by {hold.owner})" for hold in account.holds)
        return msgspec.structs.replace(
            changes, account=msgspec.structs.replace(changes.account, mode=str(account.mode), holds=holds)
        )


async def main(folder: Path, markets: int, changes: int, every_s: float, port: int) -> None:
    operator = FakeOperator()
    source = LosableLive(markets, operator)

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Backend]:
        yield Backend(source, operator)

    @contextlib.asynccontextmanager
    async def connect_operator() -> AsyncIterator[FakeOperator]:
        yield operator

    context = Context(
        service="dashboard", account="sim-main", strategy="main", source=Source.SIMULATED, clock=SystemClock(),
        bus=MemoryBus(), metrics=Metrics("dashboard"), log=logger("dashboard"),
    )  # fmt: skip
    settings = DashboardSection(port=port)
    async with serve_page(context, settings, folder / "sim-main-simulated", connect, connect_operator) as page:
        stop = asyncio.Event()
        running = asyncio.create_task(page.service.run(stop))
        moving = asyncio.create_task(_move(source, changes, every_s))
        _report({"url": page.address.url, "token": page.token_file.read_text()})
        await _obey(source, operator)
        moving.cancel()
        stop.set()
        await running


async def _move(source: LosableLive, changes: int, every_s: float) -> None:
    while changes:
        await asyncio.sleep(every_s)
        source.advance(changes)


async def _obey(source: LosableLive, operator: FakeOperator) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        match line.split():
            case ["lose"]:
                source.is_lost = True
            case ["find"]:
                source.is_lost = False
            case ["advance", count]:
                source.advance(int(count))
            case ["remove", ticker]:
                source.remove(ticker)
            case ["hold"]:
                await operator.halt()
            case ["release"]:
                await operator.resume()
            case ["count"]:
                pass
        _report({"cancels": operator.cancels, "calls": source.calls})


def _report(result: dict[str, object]) -> None:
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    configure_logs("info", json=True, file=Path(sys.argv[1]) / "log.jsonl")
    run_until_done(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])))
