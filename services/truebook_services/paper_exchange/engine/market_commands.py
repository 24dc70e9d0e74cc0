"""The operator's commands to a market, as values: the journal keeps them like those of accounts."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from truebook.messages.market_metadata import MarketStatus, PriceRange
from truebook.simulation.events import SimulationEvent
from truebook.simulation.venue.exchange import SimulatedExchange


class MarketChange(StrEnum):
    """What changes of a market."""

    PAUSE = "pause"
    OPEN = "open"
    """The end of a pause, or a close taken back."""
    CLOSE = "close"
    MOVE_CLOSE = "move_close"
    """Its close is moved to now."""
    SETTLE = "settle"
    GRID = "grid"
    FEES = "fees"


class ChangeMarket(msgspec.Struct, frozen=True, tag="change_market"):
    """``value``: centi-cents of a YES contract that is settled, or the fee multiplier in millionths."""

    ticker: str
    change: MarketChange
    value: int = 0
    price_ranges: tuple[PriceRange, ...] = ()


_STATUS = {
    MarketChange.PAUSE: MarketStatus.INACTIVE,
    MarketChange.OPEN: MarketStatus.ACTIVE,
    MarketChange.CLOSE: MarketStatus.CLOSED,
}


def change_market(engine: SimulatedExchange, command: ChangeMarket, at_us: int) -> list[SimulationEvent]:
    """Execute a command; no effect on a market that is unknown or already determined."""
    lifecycle, market = engine.lifecycle, engine.queries.market(command.ticker)
    if market is None or market.settlement_cc is not None:
        return lifecycle.advance(at_us)
    match command.change:
        case MarketChange.MOVE_CLOSE:
            return lifecycle.move_close(command.ticker, at_us, at_us)
        case MarketChange.SETTLE:
            return lifecycle.determine(command.ticker, command.value, at_us)
        case MarketChange.GRID:
            return lifecycle.change_grid(command.ticker, command.price_ranges, at_us)
        case MarketChange.FEES:
            return lifecycle.change_fees(command.ticker, command.value, at_us)
        case _:
            return lifecycle.follow_status(command.ticker, _STATUS[command.change], at_us)
