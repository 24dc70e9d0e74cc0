"""Both transports of the seeded runs, without faults, pass the contract suite of the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from chaos.conditions import NetworkConditions
from chaos.exchange import Exchange
from chaos.fleet import ServiceLog
from chaos.history import START_US, History
from chaos.processes import Process
from chaos.rest_http import http_rest
from chaos.rest_in_memory import ProcessRest
from chaos.sockets import Network, ProcessConnector
from support.contract_harnesses import PaperHarness
from support.exchange_contract import RestContract
from support.stream_contract import StreamContract
from truebook.clock import SystemClock

SEED = 1


@pytest.fixture(params=[ProcessRest, http_rest])
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[PaperHarness]:
    clock = SystemClock()
    history = History(lambda: START_US)
    conditions = NetworkConditions(SEED, history, asyncio.get_running_loop().time)
    exchange = Exchange(
        SEED, clock, ServiceLog(history, "paper_exchange"), history=history, conditions=conditions, schedule=()
    )
    network = Network(SEED, exchange, conditions, history)
    harness = PaperHarness(
        exchange.paper,
        ProcessConnector(network, Process("contract")),
        lambda machine_clock: request.param(exchange, machine_clock, None),
        network.drop,
    )
    pump = asyncio.create_task(exchange.run())
    yield harness
    pump.cancel()


class TestSeededRest(RestContract):
    pass


@pytest.mark.parametrize("harness", [ProcessRest], indirect=True)
class TestSeededStream(StreamContract):
    pass
