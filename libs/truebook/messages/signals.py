"""Topic ``signals`` (compacted): users' inputs to a layout."""

from __future__ import annotations

from truebook.messages.envelope import KEY_SEPARATOR, Message


class Signal(Message, frozen=True, kw_only=True, tag="signal"):
    """A named value of one market, valid until ``valid_until_us`` (exchange time); null deletes it.

    The key of its record is ``TICKER/NAME``, so that the compacted topic keeps the newest value of each signal.
    """

    name: str
    value: float | None
    as_of_us: int
    valid_until_us: int


def record_key(ticker: str, name: str) -> str:
    """Return the key under which a signal is published: its identity, by which the topic is compacted."""
    return f"{ticker}{KEY_SEPARATOR}{name}"
