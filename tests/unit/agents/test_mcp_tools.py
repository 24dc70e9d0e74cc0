"""The agents' tools, called by the SDK's own client: reads and halt, nothing else; errors state what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.client import Client

from support.fake_operator import FakeOperator
from truebook.ledger.port import LedgerError
from truebook_services.agents.server import mcp_server
from truebook_services.cli.mcp import _describe
from truebook_services.operator.port import HaltResult, NotRunning, Operator

READS = {"status", "why", "positions", "orders", "fills", "profit", "model", "statement"}


@asynccontextmanager
async def connected(operator: FakeOperator, opens: Exception | None = None) -> AsyncIterator[Client]:
    @asynccontextmanager
    async def open_operator() -> AsyncIterator[Operator]:
        if opens is not None:
            raise opens
        yield operator

    async def halt(keep_orders: bool) -> HaltResult:
        return await operator.halt(keep_orders=keep_orders)

    async with Client(mcp_server(open_operator, halt, _describe)) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        [content] = result.content
        return content.text  # type: ignore[union-attr]
    return result.structured_content


async def test_only_halt_changes_anything() -> None:
    async with connected(FakeOperator()) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == READS | {"halt"}
    assert {name for name, tool in tools.items() if not tool.annotations.read_only_hint} == {"halt"}  # type: ignore[union-attr]
    assert all(tool.description for tool in tools.values())


async def test_an_agent_halts_but_can_not_resume() -> None:
    operator = FakeOperator()
    async with connected(operator) as client:
        assert (await call(client, "halt"))["orders"] == "cancelled"
        assert (await call(client, "status"))["mode"] == "halted"
        assert "resume" in await call(client, "resume")
    assert operator.cancels == 1
    assert (await operator.ledger.view()).account.holds


@pytest.mark.parametrize("tool", sorted(READS - {"statement"}))  # it needs a journal: tests/e2e/test_mcp.py
async def test_each_read_returns_the_ports_result(tool: str, tmp_path: Any) -> None:
    operator = FakeOperator()
    operator.models_folder = tmp_path
    async with connected(operator) as client:
        result = await call(client, tool)
    assert isinstance(result, dict), result


@pytest.mark.parametrize("limit", [0, 201])
async def test_a_number_of_fills_out_of_range_is_refused(limit: int) -> None:
    async with connected(FakeOperator()) as client:
        assert (await call(client, "fills", limit=limit)).endswith(f"limit {limit}: expected 1 to 200")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotRunning("nothing runs", "start `truebook run`"), "nothing runs; start `truebook run`"),
        (LedgerError("Redis at redis:6379 does not respond"), "Redis at redis:6379 does not respond"),
    ],
)
async def test_an_expected_error_is_the_tools_result(error: Exception, text: str) -> None:
    async with connected(FakeOperator(), opens=error) as client:
        assert text in await call(client, "status")
