"""A frame around a service of which one process is active, by a lease, and the others are standbys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from truebook.clock import MICROS
from truebook.ledger.lease import Lease
from truebook.ledger.port import LedgerError
from truebook.runtime.context import Context
from truebook.runtime.frames import Service
from truebook.runtime.retry import pause

RENEWALS_PER_LEASE: Final = 4


class Standby:
    """Runs the service while this process holds the lease; otherwise waits for it, without subscriptions.

    The service is built again each time, so that it takes over its partitions from scratch, with new epochs. A process
    that did not renew in time stops it even if it gets the lease again: another one may have been active in between.
    """

    def __init__(self, context: Context, lease: Lease, build: Callable[[], Service]) -> None:
        self.name = "lease"
        self._context = context
        self._lease = lease
        self._build = build
        self._renew_s = lease.lasts_s / RENEWALS_PER_LEASE
        self._until_us = 0
        self._active: Service | None = None
        self._down: str | None = "has not requested the lease yet"

    @property
    def active(self) -> Service | None:
        """The service, while this process is the active one."""
        return self._active

    def not_ready(self) -> str | None:
        """Return the active service's reasons; a standby is ready."""
        if self._active is not None:
            return "; ".join(self._active.not_ready()) or None
        return None if self._down is None else f"{self.name}: {self._down}"

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if await self._take():
                self._context.log.info("active: lease acquired")
                await self._lead(stop)
                self._context.log.info("no longer active")
            else:
                await pause(stop, self._context, self._renew_s)

    async def _lead(self, stop: asyncio.Event) -> None:
        service = self._active = self._build()
        self._export()
        ending = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(service.run(ending), name=f"{service.name}:active")
                group.create_task(self._renew(stop, ending, running), name=f"{service.name}:lease")
        finally:
            self._active = None
            self._export()
            await self._release()

    async def _renew(self, stop: asyncio.Event, ending: asyncio.Event, running: asyncio.Task[None]) -> None:
        """Renew until the service ends; stop it if the lease is lost or was not renewed in time."""
        is_lost = False
        while not running.done():
            if stop.is_set() or is_lost:
                ending.set()
                await asyncio.wait((running,), timeout=self._renew_s)
            else:
                await pause(stop, self._context, self._renew_s)
            if not is_lost:  # also while the service stops: no other process may start beside it
                was_frozen = self._context.clock.monotonic_us() >= self._until_us
                is_lost = was_frozen or (not await self._take() and self._down is None)
                if is_lost:
                    self._context.log.warning("lease lost", was_frozen=was_frozen)

    async def _take(self) -> bool:
        """Request or renew the lease. An unreachable store grants none, and revokes none before it expires."""
        requested_us = self._context.clock.monotonic_us()
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
            self._until_us = requested_us + int(self._lease.lasts_s * MICROS)
        return is_ours

    async def _release(self) -> None:
        try:
            await self._lease.release()
        except LedgerError as error:
            self._context.log.warning("could not release the lease; it will expire", error=str(error))

    def _export(self) -> None:
        self._context.metrics.gauge("lease_held", float(self._active is not None))
