"""Topic ``signals`` (compacted): a user's own inputs to a layout."""

from __future__ import annotations

from truebook.messages.envelope import Message


class Signal(Message, frozen=True, kw_only=True, tag="signal"):
    """A named value of one market, valid until ``valid_until_us`` (exchange time)."""

    name: str
    value: float
    as_of_us: int
    valid_until_us: int
