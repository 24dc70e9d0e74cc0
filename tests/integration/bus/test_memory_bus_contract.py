"""The in-process bus passes the contract tests of all buses."""

from __future__ import annotations

import itertools

import pytest

from support.bus_contract import PARTITIONS, BusContract, Harness
from truebook.bus.memory.bus import MemoryBus
from truebook.bus.port import Bus
from truebook.messages.topics import StartAt, Topic


class MemoryHarness:
    settle_s = 0.02

    def __init__(self) -> None:
        self._bus = MemoryBus(PARTITIONS, pipeline_capacity=1_000, observer_log=100)
        self._numbers = itertools.count()

    async def bus(self) -> Bus:
        return self._bus

    async def topic(self, start_at: StartAt, *, compacted: bool = False) -> Topic:
        return Topic(name=f"topic-{next(self._numbers)}", carries=(), start_at=start_at, compacted=compacted)


class TestMemoryBus(BusContract):
    @pytest.fixture
    def harness(self) -> Harness:
        return MemoryHarness()
