"""One connection for all script calls: concurrent calls are sent together, replies are read as they arrive.

The server runs one script at a time, and one fsync covers all calls that it has read by then: many calls on one
connection cost it no more than on many. They cost the client a fraction: one system call for all of them, and no
connection to take from a pool and to return. Compared with two libraries in ``docs/decisions/0009-*``.
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

from truebook.ledger.redis.connection import NOT_PRIMARY

MAX_PENDING: Final = 1_000
"""Calls that may wait for replies; the next one waits for a free place."""
_SEND_BATCH: Final = 8
_CLOSED: Final = "the ledger's connection was closed"
_LOST: Final = "the connection was lost, and its calls may not be retried"
_ATTEMPTS: Final = 3
_RETRY_AFTER_S: Final = 0.05
"""Every verb is idempotent by its id, so that one whose reply was lost may be called again."""


Call = tuple[AsyncScript, Sequence[str], Sequence[Any]]
"""A script, its keys, its arguments."""
Sending = tuple[bytes, list["asyncio.Future[Any]"]]


class PipelinedConnection:
    """Calls scripts over one connection of a pool; the next call replaces a lost connection.

    ``once`` is for a restore, which relies on the order of its calls: no call is retried, no lost connection is
    replaced, and the scripts must be loaded before.
    """

    def __init__(self, client: Redis, *, once: bool = False) -> None:
        self._once = once
        self._pool: ConnectionPool = client.connection_pool
        self._unsent: list[Sending] = []
        self._sending: asyncio.Task[None] | None = None
        self._session: _Session | None = None
        self._room = asyncio.Semaphore(MAX_PENDING)
        self._collects = False
        self._is_closed = False

    async def call(self, *calls: Call) -> list[Any]:
        """Run scripts in this order and return their replies; raises the client's errors, of a lost connection or a
        server that is no primary only after some attempts.
        """
        packed = b"".join([_packed(*call) for call in calls])
        async with self._room:
            for _ in range(0 if self._once else _ATTEMPTS - 1):
                try:
                    return await self._replies(packed, len(calls))
                except NoScriptError:  # after a restart or a fail-over, the server has none of the scripts
                    await self._load(calls)
                except NOT_PRIMARY:
                    await self._pool.disconnect(inuse_connections=False)  # they lead to the same server
                    await asyncio.sleep(_RETRY_AFTER_S)
                except (ConnectionError, TimeoutError):
                    await asyncio.sleep(_RETRY_AFTER_S)
            return await self._replies(packed, len(calls))

    async def aclose(self) -> None:
        """Close the connection; pending calls raise ``ConnectionError``."""
        self._is_closed = True
        closed = ConnectionError(_CLOSED)
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        self._fail_unsent(closed)
        if self._session is not None:
            await self._session.end(closed)

    async def _load(self, calls: Sequence[Call]) -> None:
        """Load the scripts over this connection: another one may still lead to another server."""
        commands: list[Any] = [("SCRIPT", "LOAD", script.script) for script, *_ in calls]
        try:
            await self._replies(b"".join(map(hiredis.pack_command, commands)), len(commands))
        except (ConnectionError, TimeoutError, *NOT_PRIMARY):
            await asyncio.sleep(_RETRY_AFTER_S)

    async def _replies(self, packed: bytes, count: int) -> list[Any]:
        """Send the first call of an event loop iteration at once; later ones of that iteration are sent in batches, so
        that the server works at the same time.
        """
        if self._is_closed:
            raise ConnectionError(_CLOSED)
        self._check_not_lost()
        loop = asyncio.get_running_loop()
        replies: list[asyncio.Future[Any]] = [loop.create_future() for _ in range(count)]
        self._unsent.append((packed, replies))
        if self._sending is None:
            session, is_first = self._session, not self._collects
            if is_first:
                self._collects = True
                loop.call_soon(self._next_iteration)
            if session is not None and not session.is_over and (is_first or len(self._unsent) >= _SEND_BATCH):
                calls, self._unsent = self._unsent, []
                await session.send(calls)
        return await _each(replies)

    def _next_iteration(self) -> None:
        """Send the collected calls in a task, so that callers that are ready now can still add theirs."""
        self._collects = False
        if self._unsent and self._sending is None and not self._is_closed:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        """Send the collected calls, and those that are added while sending."""
        try:
            while self._unsent:
                self._check_not_lost()
                if self._session is None or self._session.is_over:
                    self._session = _Session(self._pool, await self._pool.get_connection())  # type: ignore[no-untyped-call]
                calls, self._unsent = self._unsent, []
                await self._session.send(calls)
        except (RedisError, OSError) as error:
            self._fail_unsent(error)
        finally:
            self._sending = None

    def _check_not_lost(self) -> None:
        if self._once and self._session is not None and self._session.is_over:
            raise ConnectionError(_LOST)

    def _fail_unsent(self, error: Exception) -> None:
        _fail([reply for _, replies in self._unsent for reply in replies], error)
        self._unsent = []


class _Session:
    """One connection: replies arrive in the order of the calls; when it ends, all pending calls fail. It ends too when
    its server is no primary.
    """

    def __init__(self, pool: ConnectionPool, connection: Any) -> None:
        self._pool = pool
        self._connection = connection
        self._pending: deque[asyncio.Future[Any]] = deque()
        self._called = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())
        self.is_over = False

    async def send(self, calls: Sequence[Sending]) -> None:
        """Send calls; a failure ends the session and fails the calls."""
        for _, replies in calls:
            self._pending.extend(replies)
        self._called.set()
        try:
            await self._connection.send_packed_command([packed for packed, _ in calls], check_health=False)
        except (RedisError, OSError) as error:
            await self.end(error)
        except AttributeError:
            # Before Python 3.12 the client writes in a task, which may find that reading has ended the connection. The
            # pending calls have failed already then.
            if not self.is_over:
                raise

    async def end(self, error: Exception) -> None:
        """Return the connection to the pool; pending calls raise the error."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._finish(error)

    async def _read(self) -> None:
        try:
            while True:
                while self._pending:
                    await self._read_reply()
                self._called.clear()
                await self._called.wait()
        except (RedisError, OSError) as error:
            await self._finish(error)

    async def _finish(self, error: Exception) -> None:
        if self.is_over:
            return
        self.is_over = True
        _fail(self._pending, error)
        self._pending.clear()
        await self._connection.disconnect(nowait=True)
        await self._pool.release(self._connection)

    async def _read_reply(self) -> None:
        try:
            reply, error = await self._connection.read_response(), None
        except ResponseError as refused:
            reply, error = None, refused
        pending = self._pending.popleft()
        if not pending.cancelled():
            if error is not None:
                pending.set_exception(error)
            else:
                pending.set_result(reply)
        if isinstance(error, NOT_PRIMARY):
            raise error


async def _each(replies: Sequence[asyncio.Future[Any]]) -> list[Any]:
    """Await replies in order; an error cancels the rest."""
    try:
        return [await reply for reply in replies]
    except BaseException:
        for reply in replies:
            reply.cancel()
            if not reply.cancelled():
                reply.exception()
        raise


def _packed(script: AsyncScript, keys: Sequence[str], arguments: Sequence[Any]) -> bytes:
    packed: bytes = hiredis.pack_command(("EVALSHA", script.sha, len(keys), *keys, *arguments))
    return packed


def _fail(pending: Iterable[asyncio.Future[Any]], error: Exception) -> None:
    for reply in pending:
        if not reply.done():
            reply.set_exception(error)
