"""One connection for all script calls: concurrent calls are sent together, replies are read as they arrive.

The server runs one script at a time, and one fsync covers all calls that it has read by then: many calls on one
connection cost it no more than on many. They cost the client a fraction: one system call for all of them, and no
connection to take from a pool and to return. Compared with two libraries in ``docs/decisions/0009-*``.

Consecutive calls of one script that takes several are sent as one run of it, with the arguments of each: they share
what a script costs before its first rule (``lua/include/several.lua``). Each has its own reply.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import hiredis
from redis.asyncio import ConnectionPool, Redis
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError, NoScriptError, RedisError, ResponseError, TimeoutError

from truebook.ledger.redis.connection import NOT_PRIMARY

MAX_PENDING: Final = 1_000
"""Calls that may wait for replies; the next one waits for a free place."""
MAX_JOINED: Final = 32
"""Calls that are sent together, at most in one run of a script: it keeps the server from other callers for 2 ms."""
_CLOSED: Final = "the ledger's connection was closed"
_LOST: Final = "the connection was lost, and its calls may not be retried"
_ATTEMPTS: Final = 3
_RETRY_AFTER_S: Final = 0.05
"""Every verb is idempotent by its id, so that one whose reply was lost may be called again."""


class Call(NamedTuple):
    """A script, its keys, its arguments, and whether the script takes those of several calls."""

    script: AsyncScript
    keys: Sequence[str]
    arguments: bytes
    takes_several: bool = False


_Reply = asyncio.Future[Any]


class _Run(NamedTuple):
    """One command to send, and what awaits its reply: of a script that takes several calls, each its part of it."""

    packed: bytes
    replies: Sequence[_Reply]
    has_parts: bool = False

    def settle(self, reply: Any, error: Exception | None) -> None:
        """Pass the reply, or an error, to what awaits it and is not cancelled."""
        parts = reply if self.has_parts and error is None else [reply] * len(self.replies)
        for pending, part in zip(self.replies, parts, strict=True):
            failure = error if error is not None else part
            if pending.done():
                continue
            if isinstance(failure, Exception):
                pending.set_exception(failure)
            else:
                pending.set_result(part)


_Sending = tuple[Call | bytes, _Reply]
"""A call, or a command that is packed already, and what awaits its reply."""


class PipelinedConnection:
    """Calls scripts over one connection of a pool; the next call replaces a lost connection.

    ``once`` is for a restore, which relies on the order of its calls: no call is retried, no lost connection is
    replaced, and the scripts must be loaded before.
    """

    def __init__(self, client: Redis, *, once: bool = False) -> None:
        self._once = once
        self._pool: ConnectionPool = client.connection_pool
        self._unsent: list[_Sending] = []
        self._sending: asyncio.Task[None] | None = None
        self._session: _Session | None = None
        self._room = asyncio.Semaphore(MAX_PENDING)
        self._collects = False
        self._is_closed = False

    async def call(self, *calls: Call) -> list[Any]:
        """Run scripts in this order and return their replies; raises the client's errors, of a lost connection or a
        server that is no primary only after some attempts.
        """
        async with self._room:
            for _ in range(0 if self._once else _ATTEMPTS - 1):
                try:
                    return await self._replies(calls)
                except NoScriptError:  # after a restart or a fail-over, the server has none of the scripts
                    await self._load(calls)
                except NOT_PRIMARY:
                    await self._pool.disconnect(inuse_connections=False)  # they lead to the same server
                    await asyncio.sleep(_RETRY_AFTER_S)
                except (ConnectionError, TimeoutError):
                    await asyncio.sleep(_RETRY_AFTER_S)
            return await self._replies(calls)

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
        commands = [("SCRIPT", "LOAD", script.script) for script, *_ in calls]
        try:
            await self._replies([_packed(*command) for command in commands])
        except (ConnectionError, TimeoutError, *NOT_PRIMARY):
            await asyncio.sleep(_RETRY_AFTER_S)

    async def _replies(self, calls: Sequence[Call | bytes]) -> list[Any]:
        """Send the first call of an event loop iteration at once if the server has nothing to do; the others of that
        iteration are sent together at its end, or as soon as they fill a run.
        """
        if self._is_closed:
            raise ConnectionError(_CLOSED)
        self._check_not_lost()
        loop = asyncio.get_running_loop()
        replies: list[_Reply] = [loop.create_future() for _ in calls]
        self._unsent.extend(zip(calls, replies, strict=True))
        if self._sending is None:
            session, is_first = self._session, not self._collects
            if is_first:
                self._collects = True
                loop.call_soon(self._next_iteration)
            is_ready = session is not None and ((is_first and session.is_idle) or len(self._unsent) >= MAX_JOINED)
            if session is not None and is_ready and not session.is_over:
                unsent, self._unsent = self._unsent, []
                await session.send(_joined(unsent))
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
                unsent, self._unsent = self._unsent, []
                await self._session.send(_joined(unsent))
        except (RedisError, OSError) as error:
            self._fail_unsent(error)
        finally:
            self._sending = None

    def _check_not_lost(self) -> None:
        if self._once and self._session is not None and self._session.is_over:
            raise ConnectionError(_LOST)

    def _fail_unsent(self, error: Exception) -> None:
        _fail([reply for _, reply in self._unsent], error)
        self._unsent = []


class _Session:
    """One connection: replies arrive in the order of the calls; when it ends, all pending calls fail. It ends too when
    its server is no primary.
    """

    def __init__(self, pool: ConnectionPool, connection: Any) -> None:
        self._pool = pool
        self._connection = connection
        self._pending: deque[_Run] = deque()
        self._called = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())
        self.is_over = False

    @property
    def is_idle(self) -> bool:
        """Whether no reply is awaited."""
        return not self._pending

    async def send(self, runs: Sequence[_Run]) -> None:
        """Send runs of scripts; a failure ends the session and fails their calls."""
        self._pending.extend(runs)
        self._called.set()
        try:
            await self._connection.send_packed_command([run.packed for run in runs], check_health=False)
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
        for run in self._pending:
            run.settle(None, error)
        self._pending.clear()
        await self._connection.disconnect(nowait=True)
        await self._pool.release(self._connection)

    async def _read_reply(self) -> None:
        try:
            reply, error = await self._connection.read_response(), None
        except ResponseError as refused:
            reply, error = None, refused
        self._pending.popleft().settle(reply, error)
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


def _joined(unsent: Iterable[_Sending]) -> list[_Run]:
    """Make the commands for these calls, in their order: one for consecutive calls of one script that takes several."""
    runs: list[_Run] = []
    several: list[tuple[Call, _Reply]] = []

    def join() -> None:
        if several:
            script, keys, *_ = several[0][0]
            packed = _packed("EVALSHA", script.sha, len(keys), *keys, *(call.arguments for call, _ in several))
            runs.append(_Run(packed, [reply for _, reply in several], has_parts=True))
            several.clear()

    for call, reply in unsent:
        is_alone = isinstance(call, bytes) or not call.takes_several
        if several and (is_alone or len(several) == MAX_JOINED or call[:2] != several[0][0][:2]):
            join()
        if isinstance(call, bytes):
            runs.append(_Run(call, [reply]))
        elif not call.takes_several:
            packed = _packed("EVALSHA", call.script.sha, len(call.keys), *call.keys, call.arguments)
            runs.append(_Run(packed, [reply]))
        else:
            several.append((call, reply))
    join()
    return runs


def _packed(*command: Any) -> bytes:
    packed: bytes = hiredis.pack_command(command)
    return packed


def _fail(pending: Iterable[asyncio.Future[Any]], error: Exception) -> None:
    for reply in pending:
        if not reply.done():
            reply.set_exception(error)
