"""A lease: one of several processes is active; the others wait until its lease expires.

It avoids two senders that share one account's rate limit. It is not a lock: a process that was suspended may briefly
act as if it still held the lease. The ledger's epochs and ids make that harmless.
"""

from __future__ import annotations

from typing import Protocol

from truebook.clock import MICROS, Clock


class Lease(Protocol):
    """One process's access to one lease. ``lasts_s`` counts from the beginning of the call that took it."""

    lasts_s: float

    async def take(self) -> bool:
        """Take the lease if it is free, renew it if it is ours; return whether it is ours. Raises ``LedgerError``."""
        ...

    async def release(self) -> None:
        """Release it at once, if it is ours. Raises ``LedgerError``."""
        ...


class MemoryLeases:
    """Leases by name in one process: the owner of each, and until when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, tuple[str, int]] = {}

    def lease(self, name: str, owner: str, lasts_s: float) -> MemoryLease:
        """Return one owner's access to a lease."""
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
    """A lease in memory, with the behaviour of ``RedisLease``."""

    def __init__(self, leases: MemoryLeases, name: str, owner: str, lasts_s: float) -> None:
        self.lasts_s = lasts_s
        self._leases = leases
        self._name = name
        self._owner = owner

    async def take(self) -> bool:
        return self._leases.take(self._name, self._owner, self.lasts_s)

    async def release(self) -> None:
        self._leases.release(self._name, self._owner)
