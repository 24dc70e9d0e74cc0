"""An agent's client of ``truebook mcp``, from synchronous code, as the tests with a browser are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from anyio.from_thread import start_blocking_portal
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters


class Agent(Protocol):
    """Calls a tool and returns its result."""

    def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]: ...


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content or {}
    return found


@contextmanager
def agent_of(command: list[str], *, folder: Path, env: Mapping[str, str]) -> Iterator[Agent]:
    """Start the server by that command; its event loop has a thread of its own beside the browser's."""
    server = StdioServerParameters(command=command[0], args=command[1:], cwd=folder, env=dict(env))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(server)) as client:
        yield lambda tool, **arguments: portal.call(partial(call, client, tool, **arguments))
