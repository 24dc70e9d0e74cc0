"""The fields of every message, and the enums that several messages share."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

KEY_SEPARATOR: Final = "/"
"""Record keys with the same text before it are in one partition: those that begin with a market's ticker."""


class Source(StrEnum):
    """The source of the market data behind a message; execution refuses to mix them."""

    SIMULATED = "simulated"
    CAPTURE = "capture"
    DEMO = "demo"
    PRODUCTION = "production"


class BookSide(StrEnum):
    """A side of the YES-leg book: a bid buys YES, an ask sells YES (= buys NO at $1 - price)."""

    BID = "bid"
    ASK = "ask"

    @property
    def other(self) -> BookSide:
        return BookSide.ASK if self is BookSide.BID else BookSide.BID


class TimeInForce(StrEnum):
    """How long an order may rest, in the exchange's spelling."""

    GOOD_TILL_CANCELED = "good_till_canceled"
    IMMEDIATE_OR_CANCEL = "immediate_or_cancel"
    FILL_OR_KILL = "fill_or_kill"


class _Origin(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=False):
    """Most of the envelope: the fields that may be passed by position, for a message of which there are many.

    Python passes more than 15 keyword arguments through a dictionary, which takes several times as long.
    """

    id: str
    cause_id: str
    account: str
    strategy: str
    ticker: str
    source: Source
    exchange_us: int | None
    produced_us: int


class Message(_Origin, frozen=True, kw_only=True):
    """The envelope. Subclasses add the body; the tag ``type`` names the subclass on the wire.

    ``id`` is this message's, ``cause_id`` that of the message that caused it (empty at the source), so that logs relate
    a market update to its fill. ``exchange_us`` is the exchange's time of the event, null if it gives none.
    """

    v: int = 2


class Tombstone(msgspec.Struct, frozen=True):
    """An empty record of a compacted topic: its key is deleted."""
