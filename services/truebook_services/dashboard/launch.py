"""Starts the page beside ``truebook run``, as a process of its own, so that it can't slow what trades.

The child ends when its standard input does: also where this process is killed. Light: the page's libraries are imported
in the child only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import msgspec

from truebook.runtime.settings import TruebookSettings
from truebook_services.dashboard.access import where

COMMAND: Final = ("-m", "truebook_services.cli", "dashboard", "--beside-run")
STARTS_WITHIN_S: Final = 30.0
STOPS_WITHIN_S: Final = 3.0


class Started(msgspec.Struct, frozen=True):
    """What the child reports in a line on its standard output."""

    url: str
    token_file: str


@contextlib.asynccontextmanager
async def page_beside(settings: TruebookSettings, report: Callable[[str], None]) -> AsyncIterator[None]:
    """Run the page while entered; a page that fails to start is reported and costs the run nothing."""
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=_environment(settings), start_new_session=True,
        )  # fmt: skip
    except OSError as error:  # the limit of processes or memory
        report(f"the page did not start: {error.strerror}; trading is not affected")
        yield
        return
    starting = asyncio.create_task(_report_start(child, report))
    try:
        yield
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await _stop(child)


async def _report_start(child: asyncio.subprocess.Process, report: Callable[[str], None]) -> None:
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        async with asyncio.timeout(STARTS_WITHIN_S):
            line = await child.stdout.readline()
    except TimeoutError:
        child.kill()
        report(f"the page did not start within {STARTS_WITHIN_S:g} s: use `truebook dashboard`")
        return
    if not line:
        reason = _last_line(await child.stderr.read())
        report(f"the page did not start: {reason}; trading is not affected")
        return
    started = msgspec.json.decode(line, type=Started)
    report(where(started.url, Path(started.token_file), is_terminal=sys.stderr.isatty()))
    tail = b""
    while part := await child.stderr.read(65_536):  # a full pipe would block the child
        tail = (tail + part)[-4_096:]
    report(f"the page has ended: {_last_line(tail)}; trading is not affected; use `truebook dashboard`")


def _last_line(errors: bytes) -> str:
    return errors.decode(errors="replace").strip().rpartition("\n")[2] or "no reason was given"


async def _stop(child: asyncio.subprocess.Process) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        async with asyncio.timeout(STOPS_WITHIN_S):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()


def _environment(settings: TruebookSettings) -> dict[str, str]:
    """Return the environment by which the child finds the same state folder, whatever flags this run has."""
    return os.environ | {
        "TRUEBOOK_ACCOUNT": settings.account,
        "TRUEBOOK_MARKET_DATA": str(settings.market_data),
        "TRUEBOOK_STATE_FOLDER": str(settings.state_folder.resolve()),
        "PYTHONSAFEPATH": "1",
    }
