"""Recordings of the synthetic traders' market, made by a simulated exchange without sockets."""

from __future__ import annotations

import itertools
from pathlib import Path

import structlog

from truebook.capture.writer import CaptureWriter
from truebook.clock import ManualClock
from truebook.kalshi.stream.commands import subscribe
from truebook.messages.envelope import Source
from truebook.simulation.synthetic.presets import Preset
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

START_US = 1_764_000_000_000_000
STEP_US = 20_000


def make_recording(folder: Path, *, seconds: float, markets: int = 5, seed: int = 3) -> Path:
    """Record some seconds of an exchange whose books have filled for a minute."""
    clock = ManualClock(START_US)
    settings = PaperExchangeSettings(
        seed=seed, markets=markets, preset=Preset.EASY, key_id="recorder", verify_signatures=False, state_folder=None,
        first_data_delay_ms=0,
    )  # fmt: skip
    exchange = PaperExchange(settings, clock, structlog.get_logger())
    exchange.prepare()
    clock.set(START_US + 60_000_000)
    while not exchange.tick():
        pass
    markets = exchange.state.engine.queries.markets()
    session = exchange.hub.open_session(settings.account, lambda: None)
    session.receive(subscribe(1, ("orderbook_delta", "trade"), [one.ticker for one in markets]))
    with CaptureWriter(folder, source=Source.SIMULATED, hosts=["made"]) as writer:
        writer.add_markets(markets)
        for step in itertools.count():
            while (frame := session.take()) is not None:
                writer.add_frame(clock.now_us(), 0, frame.decode())
            if step * STEP_US >= seconds * 1_000_000:
                return folder
            clock.set(clock.now_us() + STEP_US)
            exchange.tick()
    raise AssertionError("the loop returns")
