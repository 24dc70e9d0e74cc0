"""The lease in memory fulfils the contract of all leases."""

from __future__ import annotations

import pytest

from support.lease_contract import LASTS_S, LeaseContract, Leases
from truebook.clock import ManualClock
from truebook.ledger.lease import Lease, MemoryLeases


class InMemory:
    def __init__(self) -> None:
        self._clock = ManualClock()
        self._leases = MemoryLeases(self._clock)

    def lease(self, owner: str) -> Lease:
        return self._leases.lease("execution", owner, LASTS_S)

    async def pass_time(self, seconds: float) -> None:
        await self._clock.advance(seconds)


class TestMemoryLease(LeaseContract):
    @pytest.fixture
    def leases(self) -> Leases:
        return InMemory()
