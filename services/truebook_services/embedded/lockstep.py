"""Lock-step: a recording is traded as fast as this machine can, and market time moves only while the system is idle.

Everything runs in this process on a virtual loop: the exchange without sockets, the ledger's rules in memory, no thread
and no clock of the machine. While anything is left to do, time stands still; then it jumps to the next thing that is
due. So two runs, on any two machines, give the same orders and fills: why, says
``docs/decisions/0005-lock-step-runs-on-virtual-time.md``.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from truebook.capture.reader import read_capture
from truebook.kalshi.rest import HttpRestClient
from truebook.kalshi.signing import StubSigner
from truebook.ledger.memory_store import MemoryStore
from truebook.runtime.logs import logger
from truebook.runtime.virtual_loop import VirtualClock
from truebook_services.embedded.direct import HOST, DirectConnector, DirectTransport
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.surroundings import Surroundings
from truebook_services.paper_exchange.server import PaperExchange

KEY_ID: Final = "lockstep"
LEAD_US: Final = 60_000_000
"""Virtual time before the first frame, within which everything gets ready."""


async def open_in_lockstep(settings: EmbeddedSettings, folder: Path, stack: AsyncExitStack) -> Surroundings:
    """Open everything in memory; raises ``CaptureError``."""
    assert settings.capture is not None, "checked with the settings"
    clock = VirtualClock(next(iter(read_capture(settings.capture))).at_us, lead_us=LEAD_US)
    update = {
        "state_folder": None,  # nothing of the run outlives it, so no journal either
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
        transport=DirectTransport(exchange), signature_life_s=settings.execution.signature_life_s,
        read_attempts=1,  # repeated reads wait for a time that is drawn at random; the services repeat them as well
    )  # fmt: skip
    stack.push_async_callback(rest.aclose)
    return Surroundings(
        clock=clock, exchange=exchange, url="in this process", rest=rest, connector=DirectConnector(exchange),
        ledger=MemoryStore(KEY_ID), journal=None,
    )  # fmt: skip
