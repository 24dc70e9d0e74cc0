"""Lock-step resources: a recording is traded as fast as possible, and market time moves only while the system is idle.

Everything runs in this process on a virtual loop: the exchange without sockets, the ledger's rules in memory, no thread
and no machine clock. Time stops while a task is runnable, then jumps to the next timer. Two runs, on any two machines,
give the same orders and fills; see ``docs/decisions/0005-lock-step-runs-on-virtual-time.md``.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from truebook.bus.memory.bus import MemoryBus
from truebook.bus.memory.log import Collapse
from truebook.capture.events import first_event_us
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import StubSigner
from truebook.ledger.memory_store import MemoryStore
from truebook.messages.topics import OBSERVATIONS
from truebook.runtime.logs import logger
from truebook.runtime.virtual_loop import VirtualClock, VirtualLoop
from truebook_services.embedded.direct import HOST, DirectConnector, DirectTransport
from truebook_services.embedded.resources import Resources
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.paper_exchange.server import PaperExchange

KEY_ID: Final = "lockstep"
LEAD_US: Final = 6_000_000
"""Virtual time before the first frame, for all services to become ready: a multiple of the intervals of periodic work,
which is therefore due at whole multiples of its interval after the first frame."""
TURNS: Final = {"truebook.execution": 1, "truebook.observation": 2, "truebook.policy": 3}
"""The order in which groups read what was published in one instant: books are current before anything is decided by
them, and a later group reads what an earlier one has published. Other groups are first."""


def lockstep_bus() -> MemoryBus:
    """Return a bus on which each group reads, in its turn, all that was published in an instant, in one order.

    It has no bounds: no reader is slow on virtual time.
    """

    async def turn(group: str) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await loop.turn(TURNS.get(group, 0))

    keep_newest = {OBSERVATIONS.name: Collapse(keep=1)}
    return MemoryBus(partitions=1, pipeline_capacity=sys.maxsize, policies=keep_newest, turn=turn)


async def open_in_lockstep(settings: EmbeddedSettings, folder: Path, stack: AsyncExitStack) -> Resources:
    """Open everything in memory; raises ``CaptureError``."""
    assert settings.capture is not None, "checked with the settings"
    clock = VirtualClock(first_event_us(settings.capture), lead_us=LEAD_US)
    update = {
        "state_folder": None,  # the run keeps nothing, so no journal either
        "capture": settings.capture,
        "key_id": KEY_ID,
        "public_key_file": None,
        "verify_signatures": False,
    }
    exchange = PaperExchange(settings.paper_exchange.model_copy(update=update), clock, logger("paper_exchange"))
    stack.push_async_callback(exchange.aclose)
    exchange.start_without_sockets()
    rest = HttpRestClient(
        f"{HOST}/trade-api/v2", StubSigner(KEY_ID), clock,
        transport=DirectTransport(exchange), signature_life_s=settings.execution.signature_lifetime_s,
        read_attempts=1,  # retries wait for a random time; the services repeat reads as well
    )  # fmt: skip
    stack.push_async_callback(rest.aclose)
    return Resources(
        clock=clock, exchange=exchange, url="in this process", rest=rest, connector=DirectConnector(exchange),
        ledger=MemoryStore(KEY_ID), server=None, journal=None,
    )  # fmt: skip
