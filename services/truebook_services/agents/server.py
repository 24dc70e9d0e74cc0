"""The MCP server: an agent reads the account through tools and may halt it. It must not do anything else.

No tool places an order, resumes trading, changes a limit or selects a model. Every call connects to what runs at that
time, so a server outlives the systems that it reports on. Results are the operator's port's own, as JSON: integers with
the unit in the name, null for what is not known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from importlib import metadata
from typing import Any, Final

import msgspec
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from truebook_services.operator.port import Operator
from truebook_services.operator.requests import (
    ListFills,
    ListModels,
    ListOrders,
    ListPositions,
    ShowPnl,
    ShowStatement,
)

OpenOperator = Callable[[], AbstractAsyncContextManager[Operator]]
"""Connects to what runs now; raises what can't be reached or is refused."""
Halt = Callable[[bool], Awaitable[msgspec.Struct]]
"""Halts as `truebook halt` does; the argument is whether resting orders are kept."""
Describe = Callable[[BaseException], str | None]
"""Returns one line about an expected error; None for a bug."""

READS: Final = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
HALTS: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
)  # fmt: skip
INSTRUCTIONS: Final = (
    "Reports on a paper-trading account on Kalshi's prediction markets and can halt it. Units: micros are 1/1,000,000 "
    "dollar, cc 1/10,000 dollar on the YES leg, centi 1/100 contract, us microseconds since 1970. Null is not known. "
    "Nothing here places an order, resumes trading or changes a limit: a person does that."
)
MAX_FILLS: Final = 200
"""Of one call: more would fill an agent's context."""


class OperatorTools:
    """The tools, one method each: its docstring is what the agent reads."""

    def __init__(self, open_operator: OpenOperator, halt: Halt, describe: Describe) -> None:
        self._open_operator = open_operator
        self._halt = halt
        self._describe = describe
        self._one_at_a_time = asyncio.Lock()
        """Of reads: where nothing runs, each opens the ledger, which only one may do. A halt does not wait for them."""

    async def status(self) -> dict[str, Any]:
        """Report mode, trading holds, cash, equity, orders, fills, and whether ledger and exchange are equal."""
        return await self._call(lambda operator: operator.status())

    async def why(self, ticker: str | None = None) -> dict[str, Any]:
        """Explain why orders were or were not sent: the funnel and, of one market, its last decisions gate by gate."""
        return await self._call(lambda operator: operator.why(ticker))

    async def positions(self, ticker: str | None = None) -> dict[str, Any]:
        """List the open positions with cost and profit, of one market or of all."""
        return await self._call(lambda operator: operator.perform(ListPositions(ticker=ticker)))

    async def orders(self, ticker: str | None = None) -> dict[str, Any]:
        """List the open orders, also those whose outcome at the exchange is unknown."""
        return await self._call(lambda operator: operator.perform(ListOrders(ticker=ticker)))

    async def fills(self, ticker: str | None = None, limit: int = 50) -> dict[str, Any]:
        """List the newest fills, at most 200; `is_complete` means that there are no earlier ones."""
        if not 1 <= limit <= MAX_FILLS:
            raise ToolError(f"limit {limit}: expected 1 to {MAX_FILLS}")
        return await self._call(lambda operator: operator.perform(ListFills(ticker=ticker, limit=limit)))

    async def profit(self) -> dict[str, Any]:
        """Report realized and unrealized profit of the account and of each market that was traded."""
        return await self._call(lambda operator: operator.perform(ShowPnl()))

    async def model(self) -> dict[str, Any]:
        """Report the model in use, the shadow, the other models and the last changes."""
        return await self._call(lambda operator: operator.perform(ListModels()))

    async def statement(self, day: str | None = None) -> dict[str, Any]:
        """Report one day (YYYY-MM-DD, `today` or `yesterday`): balances, flows, profit by market and model, the checks.

        The single fills are left out, except for their number: `fills` lists the newest ones.
        """
        return _without_fills(await self._call(lambda operator: operator.perform(ShowStatement(day=day))))

    async def halt(self, keep_orders: bool = False) -> dict[str, Any]:
        """Halt all trading and cancel all resting orders (unless `keep_orders`); only a person can resume it."""
        return await self._result(lambda: self._halt(keep_orders))

    async def _call(self, action: Callable[[Operator], Awaitable[msgspec.Struct]]) -> dict[str, Any]:
        async def connected() -> msgspec.Struct:
            async with self._one_at_a_time, self._open_operator() as operator:
                return await action(operator)

        return await self._result(connected)

    async def _result(self, action: Callable[[], Awaitable[msgspec.Struct]]) -> dict[str, Any]:
        """Return the result as JSON values; an expected error becomes the tool's, with what to do."""
        try:
            result: dict[str, Any] = msgspec.to_builtins(await action())
            return result
        except Exception as error:
            line = self._describe(error)
            if line is None:
                raise
            raise ToolError(line) from error


def _without_fills(statement: dict[str, Any]) -> dict[str, Any]:
    """Replace the list of fills, thousands on a busy day, by its length: it would fill an agent's context."""
    fills = statement.pop("fills")
    return {**statement, "number_of_fills": len(fills)}


def mcp_server(open_operator: OpenOperator, halt: Halt, describe: Describe) -> MCPServer:
    """Build the server with its tools."""
    server = MCPServer(name="truebook", version=metadata.version("truebook"), instructions=INSTRUCTIONS)
    tools = OperatorTools(open_operator, halt, describe)
    reads = (
        tools.status,
        tools.why,
        tools.positions,
        tools.orders,
        tools.fills,
        tools.profit,
        tools.model,
        tools.statement,
    )
    for tool in reads:
        server.tool(annotations=READS)(tool)
    server.tool(annotations=HALTS)(tools.halt)
    return server
