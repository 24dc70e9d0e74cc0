"""Calls of scripts that are made at once go to the server at once, in their order, over one connection.

For a restore: a server that forces every write to disk does so once per batch, not once per call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

Call = tuple[AsyncScript, Sequence[Any], Sequence[Any], "asyncio.Future[Any]"]


class Batches:
    """Gathers what is called until the loop has run all callers that were ready."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._calls: list[Call] = []
        self._task: asyncio.Task[None] | None = None

    async def call(self, *calls: tuple[AsyncScript, Sequence[Any], Sequence[Any]]) -> list[Any]:
        """Run scripts in this order and answer their replies; raises what the client raises."""
        return list(await asyncio.gather(*[self._answer(*call) for call in calls]))

    def _answer(self, script: AsyncScript, keys: Sequence[Any], arguments: Sequence[Any]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._calls.append((script, keys, arguments, answer))
        if self._task is None:
            self._task = loop.create_task(self._send())
        return answer

    async def aclose(self) -> None:
        """Nothing to do: its connection is the client's."""

    async def _send(self) -> None:
        """Send all that is waiting, batch after batch: never two at a time."""
        while self._calls:
            await asyncio.sleep(0)  # callers that are ready come first
            calls, self._calls = self._calls, []
            try:
                async with self._client.pipeline(transaction=False) as pipeline:
                    for script, keys, arguments, _ in calls:
                        await script(keys, arguments, client=pipeline)
                    replies = await pipeline.execute(raise_on_error=False)
            except (RedisError, OSError) as error:
                replies = [error] * len(calls)
            for (*_, answer), reply in zip(calls, replies, strict=True):
                if answer.cancelled():
                    continue
                if isinstance(reply, BaseException):
                    answer.set_exception(reply)
                else:
                    answer.set_result(reply)
        self._task = None
