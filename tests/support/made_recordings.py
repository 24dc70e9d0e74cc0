"""Recordings that the project makes itself: the synthetic traders' market, as an exchange without sockets tells it."""

from __future__ import annotations

import itertools
from pathlib import Path

import structlog

from truebook.capture.writer import CaptureWriter
from truebook.clock import ManualClock
from truebook.kalshi.commands import subscribe
from truebook.messages.envelope import Source
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

START_US = 1_764_000_000_000_000
STEP_US = 20_000


def make_recording(folder: Path, *, seconds: float, markets: int = 5, seed: int = 3) -> Path:
    """Record the first seconds of an exchange, after a minute in which its books have filled."""
    clock = ManualClock(START_US)
    settings = PaperExchangeSettings(
        seed=seed, markets=markets, key_id="recorder", verify_signatures=False, state_folder=None,
        first_data_after_ms=0,
    )  # fmt: skip
    exchange = PaperExchange(settings, clock, structlog.get_logger())
    exchange.prepare()
    clock.set(START_US + 60_000_000)
    while not exchange.turn():
        pass
    facts = exchange.floor.engine.markets()
    session = exchange.door.open(settings.account, lambda: None)
    session.receive(subscribe(1, ("orderbook_delta", "trade"), [one.ticker for one in facts]))
    with CaptureWriter(folder, source=Source.SIMULATED, hosts=["made"]) as writer:
        writer.add_markets(facts)
        for step in itertools.count():
            while (frame := session.take()) is not None:
                writer.add_frame(clock.now_us(), 0, frame.decode())
            if step * STEP_US >= seconds * 1_000_000:
                return folder
            clock.set(clock.now_us() + STEP_US)
            exchange.turn()
    raise AssertionError("the loop returns")
