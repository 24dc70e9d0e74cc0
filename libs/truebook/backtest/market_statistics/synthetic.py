"""The market data of synthetic traders as columns, as if it had been recorded, without sockets and without delay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from truebook.capture.columns import Columns, Kind, Side
from truebook.messages.envelope import BookSide
from truebook.simulation.events import LevelChanged, SimulationEvent, Traded
from truebook.simulation.synthetic.presets import Preset
from truebook.simulation.synthetic.trader_events import MarketOpened
from truebook.simulation.synthetic.traders import Traders, apply
from truebook.simulation.venue.exchange import synthetic_exchange

START_US = 1_700_000_000_000_000
LONGEST_S = 1_200
"""No fitted market lasts longer."""
_MICROS_PER_S = 1_000_000
_SIDES = {BookSide.BID: int(Side.BID), BookSide.ASK: int(Side.ASK)}


class _Rows:
    """Collects the rows of one market."""

    def __init__(self, ticker: str, at_us: int) -> None:
        self._ticker = ticker
        self.rows = [(at_us, int(Kind.SNAPSHOT), 0, 0, 0)]

    def add(self, event: SimulationEvent) -> None:
        if not isinstance(event, LevelChanged | Traded) or event.ticker != self._ticker:
            return
        if isinstance(event, LevelChanged):
            self.rows.append((event.at_us, int(Kind.DELTA), _SIDES[event.book_side], event.price_cc, event.delta_centi))
        else:
            self.rows.append((event.at_us, int(Kind.TRADE), _SIDES[event.taker_side], event.price_cc, event.size_centi))

    def columns(self, market: int) -> Columns:
        at_us, kind, side, price_cc, size_centi = (
            np.array(column, np.int64) for column in zip(*self.rows, strict=True)
        )
        return Columns(
            at_us=at_us, exchange_us=at_us, market=np.full(len(at_us), market, np.int32), kind=kind.astype(np.int8),
            side=side.astype(np.int8), price_cc=price_cc.astype(np.int32), size_centi=size_centi,
        )  # fmt: skip


def busiest_market(preset: Preset, seed: int, *, market: int = 0, seconds: int = LONGEST_S) -> Columns:
    """Return the rows of the first market of a seed's traders, from its opening to its close or for ``seconds``.

    The first event of the plan has one market, at the preset's highest activity.
    """
    exchange = synthetic_exchange(seed)
    traders = Traders(seed, start_us=START_US, markets=1, preset=preset)
    rows: _Rows | None = None
    end_us = START_US + seconds * _MICROS_PER_S
    while traders.next_due_us() < end_us:
        command = traders.step()
        if isinstance(command, MarketOpened) and rows is None:
            rows = _Rows(command.metadata.ticker, command.at_us)
            end_us = min(end_us, command.metadata.close_us)
        for event in apply(exchange, command):
            if rows is not None:
                rows.add(event)
    assert rows is not None, "the first market opens at the start"
    return rows.columns(market)


def busiest_markets(preset: Preset, seeds: range, *, seconds: int = LONGEST_S) -> Iterator[Columns]:
    """Yield one market of each seed, as markets of one recording; times of different seeds overlap."""
    for market, seed in enumerate(seeds):
        yield busiest_market(preset, seed, market=market, seconds=seconds)
