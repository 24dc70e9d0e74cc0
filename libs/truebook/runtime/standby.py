"""A frame around a whole service of which one process is active and the others stand by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from truebook.clock import MICROS
from truebook.ledger.lease import Lease
from truebook.ledger.port import LedgerError
from truebook.runtime.attempt import pause
from truebook.runtime.context import Context
from truebook.runtime.frames import Service

RENEWALS_PER_LEASE: Final = 4


class Standby:
    """Runs the service while this process holds the lease; otherwise waits for it, subscribed to nothing.

    The service is built anew each time, so that it takes its partitions over from the beginning, with new epochs. A
    process that could not renew in time stops it, also when it gets the lease again: others may have been active in
    between.
    """

    def __init__(self, context: Context, lease: Lease, build: Callable[[], Service]) -> None:
        self.name = "lease"
        self._context = context
        self._lease = lease
        self._build = build
        self._renew_s = lease.lasts_s / RENEWALS_PER_LEASE
        self._until_us = 0
        self._active: Service | None = None
        self._down: str | None = "has not asked for the lease yet"

    def not_ready(self) -> str | None:
        """Standing by is being ready."""
        if self._active is not None:
            return "; ".join(self._active.not_ready()) or None
        return None if self._down is None else f"{self.name}: {self._down}"

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if await self._take():
                self._context.log.info("active: this process holds the lease")
                await self._lead(stop)
                self._context.log.info("no longer active")
            else:
                await pause(stop, self._context, self._renew_s)

    async def _lead(self, stop: asyncio.Event) -> None:
        service = self._active = self._build()
        self._show()
        ending = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(service.run(ending), name=f"{service.name}:active")
                group.create_task(self._renew(stop, ending, running), name=f"{service.name}:lease")
        finally:
            self._active = None
            self._show()
            await self._release()

    async def _renew(self, stop: asyncio.Event, ending: asyncio.Event, running: asyncio.Task[None]) -> None:
        """Renew until the service ends; a lease that was lost, or was not renewed in time, ends it."""
        is_lost = False
        while not running.done():
            if stop.is_set() or is_lost:
                ending.set()
                await asyncio.wait((running,), timeout=self._renew_s)
            else:
                await pause(stop, self._context, self._renew_s)
            if not is_lost:  # also while the service ends in peace: nobody is to start beside it
                was_frozen = self._context.clock.monotonic_us() >= self._until_us
                is_lost = was_frozen or (not await self._take() and self._down is None)
                if is_lost:
                    self._context.log.warning("the lease is lost", was_frozen=was_frozen)

    async def _take(self) -> bool:
        """Ask for the lease; a store that can't be reached gives none, and takes none away before its time."""
        asked_us = self._context.clock.monotonic_us()
        try:
            is_ours = await self._lease.take()
        except LedgerError as error:
            if not error.retry:
                raise
            self._down = str(error)
            self._context.metrics.failed(self.name, type(error).__name__)
            return False
        self._down = None
        if is_ours:
            self._until_us = asked_us + int(self._lease.lasts_s * MICROS)
        return is_ours

    async def _release(self) -> None:
        try:
            await self._lease.release()
        except LedgerError as error:
            self._context.log.warning("the lease was not given up, it runs out by itself", error=str(error))

    def _show(self) -> None:
        self._context.metrics.gauge("lease_held", float(self._active is not None))
