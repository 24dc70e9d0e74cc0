"""A lease: of several processes, one is active; the others wait until it has not renewed for a while.

It spares the exchange two senders on one account's rate limit. It is no lock: a process that was frozen believes for a
moment that it still holds the lease. What keeps two active processes from harm are the ledger's epochs and ids.
"""

from __future__ import annotations

from typing import Protocol

from truebook.clock import MICROS, Clock


class Lease(Protocol):
    """One process's view of one lease. ``lasts_s`` counts from the beginning of the call that took it."""

    lasts_s: float

    async def take(self) -> bool:
        """Take the lease if nobody has it, renew it if it is ours; answer whether it is. Raises ``LedgerError``."""
        ...

    async def release(self) -> None:
        """Give it up at once, if it is ours. Raises ``LedgerError``."""
        ...


class MemoryLeases:
    """Leases by name in one process: who holds each, and until when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, tuple[str, int]] = {}

    def lease(self, name: str, owner: str, lasts_s: float) -> MemoryLease:
        """One owner's view of a lease."""
        return MemoryLease(self, name, owner, lasts_s)

    def take(self, name: str, owner: str, lasts_s: float) -> bool:
        now_us = self._clock.monotonic_us()
        holder, until_us = self._held.get(name, (owner, 0))
        if holder != owner and now_us < until_us:
            return False
        self._held[name] = (owner, now_us + int(lasts_s * MICROS))
        return True

    def release(self, name: str, owner: str) -> None:
        if name in self._held and self._held[name][0] == owner:
            del self._held[name]


class MemoryLease(Lease):
    """The twin of ``RedisLease``."""

    def __init__(self, leases: MemoryLeases, name: str, owner: str, lasts_s: float) -> None:
        self.lasts_s = lasts_s
        self._leases = leases
        self._name = name
        self._owner = owner

    async def take(self) -> bool:
        return self._leases.take(self._name, self._owner, self.lasts_s)

    async def release(self) -> None:
        self._leases.release(self._name, self._owner)
