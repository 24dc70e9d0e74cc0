"""What every message carries, whatever its topic."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Source(StrEnum):
    """Where the market data behind a message came from; mixing them is refused by execution."""

    SIMULATED = "simulated"
    CAPTURE = "capture"
    DEMO = "demo"
    PRODUCTION = "production"


class BookSide(StrEnum):
    """A side of the one YES-leg book: a bid buys YES, an ask sells YES (= buys NO at $1 - price)."""

    BID = "bid"
    ASK = "ask"

    @property
    def other(self) -> BookSide:
        return BookSide.ASK if self is BookSide.BID else BookSide.BID


class TimeInForce(StrEnum):
    """How long an order may rest. Spelled as the exchange spells it."""

    GOOD_TILL_CANCELED = "good_till_canceled"
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel"
    FILL_OR_KILL = "fill_or_kill"


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=False):
    """The envelope. Subclasses add the body; the tag ``type`` names the subclass on the wire.

    ``id`` names this message, ``cause_id`` the one that it came from (empty at the source), so that logs tie a market
    update to its fill. ``exchange_us`` is the exchange's own time of the fact, null where it gives none.
    """

    id: str
    cause_id: str
    account: str
    strategy: str
    ticker: str
    source: Source
    exchange_us: int | None
    produced_us: int
    v: int = 1
