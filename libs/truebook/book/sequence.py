"""Sequence numbers of one subscription (``sid``): the exchange counts per subscription, not per market."""

from __future__ import annotations

from typing import Literal


class Sequence:
    """Judges each message's ``seq``. The first one seen starts the count, whatever its number.

    After a gap the count goes on from the newer number, so that one loss is told once; what was lost can only be
    made good by a snapshot of every market of the subscription.
    """

    __slots__ = ("last",)

    def __init__(self, last: int | None = None) -> None:
        self.last = last

    def take(self, seq: int) -> Literal["next", "gap", "old"]:
        """Judge one number: the ``next`` one, one after a ``gap``, or an ``old`` one (a repetition: ignore it)."""
        last = self.last
        if last is not None and seq <= last:
            return "old"
        self.last = seq
        return "next" if last is None or seq == last + 1 else "gap"
