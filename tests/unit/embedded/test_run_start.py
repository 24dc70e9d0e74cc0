"""A signal ends a run at once while it starts: a ledger or an exchange may take minutes to load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from truebook_services.embedded import run as embedded
from truebook_services.embedded.settings import EmbeddedSettings


class Silent:
    every_s = 1.0

    def show(self, status: object, events: list[str]) -> None: ...
    def report(self, text: str) -> None: ...


def starting_with(
    monkeypatch: pytest.MonkeyPatch, ended: asyncio.Event, act: Callable[[], Any]
) -> list[str]:  # fmt: skip
    """Replace what opens the system and what sets signals; return what was closed again."""
    closed: list[str] = []

    @asynccontextmanager
    async def opening(*_: object) -> AsyncIterator[object]:
        try:
            act()
            await asyncio.Event().wait()
            yield
        finally:
            closed.append("ledger")

    monkeypatch.setattr(embedded, "open_system", opening)
    monkeypatch.setattr(embedded, "stop_on_signal", lambda: ended)
    return closed


async def test_a_signal_during_the_start_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()
    closed = starting_with(monkeypatch, ended, ended.set)
    with pytest.raises(embedded.StartInterrupted, match="no order was sent"):
        async with asyncio.timeout(60):
            await embedded.run(EmbeddedSettings(), Silent())
    assert closed == ["ledger"]


async def test_a_time_out_of_the_start_itself_is_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def times_out() -> None:
        raise TimeoutError("the server")

    starting_with(monkeypatch, asyncio.Event(), times_out)
    with pytest.raises(TimeoutError, match="the server"):
        await embedded.run(EmbeddedSettings(), Silent())
