"""``truebook mcp``: tools for agents over standard input and output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from truebook.runtime.settings import load
from truebook_services.cli.exit_codes import EXIT_CODES
from truebook_services.cli.halt import find_running
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.connect import open_operator
from truebook_services.operator.halting import halt_configured
from truebook_services.operator.port import HaltResult, Operator
from truebook_services.serving.exit_codes import exit_code, one_line


def mcp() -> None:
    """Serve tools for agents (MCP over standard input and output): reads, and halt."""
    from truebook_services.agents.server import mcp_server  # loads slowly, and no other command needs it

    load(EmbeddedSettings)  # invalid settings end the command at its start
    asyncio.run(mcp_server(_open, _halt, _describe).run_stdio_async())


@asynccontextmanager
async def _open() -> AsyncIterator[Operator]:
    async with open_operator(load(EmbeddedSettings)) as operator:
        yield operator


async def _halt(keep_orders: bool) -> HaltResult:
    settings = load(EmbeddedSettings)
    return await halt_configured(settings, find_running(settings), keep_orders=keep_orders)


def _describe(error: BaseException) -> str | None:
    return None if exit_code(error, EXIT_CODES) is None else one_line(error)
