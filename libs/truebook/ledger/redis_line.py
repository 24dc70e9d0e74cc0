"""One connection that carries the calls of scripts: what is called at once goes out at once, and answers are read as
they come.

The server runs one script at a time and forces its writes to disk for all that it has read by then: many calls on one
connection cost it no more than on many, and the client a fraction (one way to the kernel for all of them, no connection
to be fetched and put back).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

import hiredis
from redis.asyncio import ConnectionPool, Redis
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError, NoScriptError, RedisError, ResponseError, TimeoutError

MOST_UNDER_WAY: Final = 1_000
"""Calls that may wait for their answers; the next one waits for room."""
_TOGETHER: Final = 8
_CLOSED: Final = "the ledger's connection was closed"
_LOST: Final = "the connection was lost, and what it carried may not be called again"
_TRIES: Final = 3
_RETRY_AFTER_S: Final = 0.05
"""Every verb is idempotent by its id, so that one whose answer was lost may simply be called again."""


Call = tuple[AsyncScript, Sequence[str], Sequence[Any]]
"""A script, its keys, its arguments."""
Sending = tuple[bytes, list["asyncio.Future[Any]"]]


class Line:
    """Calls scripts over one connection of a pool; a lost connection is made anew by the next call.

    ``once`` is for a restore, which relies on the order of its calls: none is made again, the line ends with its first
    connection, and the scripts have to be loaded before.
    """

    def __init__(self, client: Redis, *, once: bool = False) -> None:
        self._client = client
        self._once = once
        self._pool: ConnectionPool = client.connection_pool
        self._unsent: list[Sending] = []
        self._sending: asyncio.Task[None] | None = None
        self._session: _Session | None = None
        self._room = asyncio.Semaphore(MOST_UNDER_WAY)
        self._gathers = False
        self._is_closed = False

    async def call(self, *calls: Call) -> list[Any]:
        """Run scripts in this order and answer their replies; raises what the client raises, a lost connection after
        some tries.
        """
        packed = b"".join([_packed(*call) for call in calls])
        async with self._room:
            for _ in range(0 if self._once else _TRIES - 1):
                try:
                    return await self._answers(packed, len(calls))
                except NoScriptError:  # a server that has forgotten its scripts gets these again
                    for script, *_ in calls:
                        await self._client.script_load(script.script)
                except (ConnectionError, TimeoutError):
                    await asyncio.sleep(_RETRY_AFTER_S)
            return await self._answers(packed, len(calls))

    async def aclose(self) -> None:
        """Close the connection; who waits for an answer gets ``ConnectionError``."""
        self._is_closed = True
        closed = ConnectionError(_CLOSED)
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        self._give_up(closed)
        if self._session is not None:
            await self._session.end(closed)

    async def _answers(self, packed: bytes, count: int) -> list[Any]:
        """Send the first call of a turn of the loop at once; what follows in that turn is gathered and sent together,
        a few at a time, so that the server works while we do.
        """
        if self._is_closed:
            raise ConnectionError(_CLOSED)
        self._must_be_whole()
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Any]] = [loop.create_future() for _ in range(count)]
        self._unsent.append((packed, answers))
        if self._sending is None:
            session, is_first = self._session, not self._gathers
            if is_first:
                self._gathers = True
                loop.call_soon(self._next_turn)
            if session is not None and not session.is_over and (is_first or len(self._unsent) >= _TOGETHER):
                calls, self._unsent = self._unsent, []
                await session.send(calls)
        return await _each(answers)

    def _next_turn(self) -> None:
        """Have sent what has gathered: by a task, so that callers that are ready now come first."""
        self._gathers = False
        if self._unsent and self._sending is None and not self._is_closed:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        """Send what has gathered until this task got its turn, and what comes while it sends."""
        try:
            while self._unsent:
                self._must_be_whole()
                if self._session is None or self._session.is_over:
                    self._session = _Session(self._pool, await self._pool.get_connection())  # type: ignore[no-untyped-call]
                calls, self._unsent = self._unsent, []
                await self._session.send(calls)
        except (RedisError, OSError) as error:
            self._give_up(error)
        finally:
            self._sending = None

    def _must_be_whole(self) -> None:
        if self._once and self._session is not None and self._session.is_over:
            raise ConnectionError(_LOST)

    def _give_up(self, error: Exception) -> None:
        _fail([answer for _, answers in self._unsent for answer in answers], error)
        self._unsent = []


class _Session:
    """The life of one connection: its answers come in the order of its calls, and with it all that is open ends."""

    def __init__(self, pool: ConnectionPool, connection: Any) -> None:
        self._pool = pool
        self._connection = connection
        self._open: deque[asyncio.Future[Any]] = deque()
        self._called = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())
        self.is_over = False

    async def send(self, calls: Sequence[Sending]) -> None:
        """Send calls; where that fails the session ends, and their answers with it."""
        for _, answers in calls:
            self._open.extend(answers)
        self._called.set()
        try:
            await self._connection.send_packed_command([packed for packed, _ in calls], check_health=False)
        except (RedisError, OSError) as error:
            await self.end(error)
        except AttributeError:
            # Before Python 3.12 the client writes in a task, which may find that reading has ended the connection. Then
            # the answers have got their error already.
            if not self.is_over:
                raise

    async def end(self, error: Exception) -> None:
        """Give the connection back; whoever waits for an answer gets the error."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._finish(error)

    async def _read(self) -> None:
        try:
            while True:
                while self._open:
                    await self._take_answer()
                self._called.clear()
                await self._called.wait()
        except (RedisError, OSError) as error:
            await self._finish(error)

    async def _finish(self, error: Exception) -> None:
        if self.is_over:
            return
        self.is_over = True
        _fail(self._open, error)
        self._open.clear()
        await self._connection.disconnect(nowait=True)
        await self._pool.release(self._connection)

    async def _take_answer(self) -> None:
        try:
            reply, error = await self._connection.read_response(), None
        except ResponseError as refused:
            reply, error = None, refused
        answer = self._open.popleft()
        if answer.cancelled():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(reply)


async def _each(answers: Sequence[asyncio.Future[Any]]) -> list[Any]:
    """Await them in their order; after an error nobody waits for the others any more."""
    try:
        return [await answer for answer in answers]
    except BaseException:
        for answer in answers:
            answer.cancel()
            if not answer.cancelled():
                answer.exception()
        raise


def _packed(script: AsyncScript, keys: Sequence[str], arguments: Sequence[Any]) -> bytes:
    packed: bytes = hiredis.pack_command(("EVALSHA", script.sha, len(keys), *keys, *arguments))
    return packed


def _fail(answers: Iterable[asyncio.Future[Any]], error: Exception) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)
