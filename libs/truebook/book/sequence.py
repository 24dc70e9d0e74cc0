"""Sequence numbers of one subscription (``sid``): the exchange numbers per subscription, not per market."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["next", "gap", "restart", "repeated"]


class Sequence:
    """Checks each frame's ``seq``. The first number seen starts the sequence, whatever it is.

    Only the last frame again, with identical text, is a repetition and may be ignored. Any other number that is not new
    means that the exchange has restarted the numbers, and that frames may have been lost. After a gap or a restart the
    sequence continues from the newer number, so that one loss is reported once. Only a snapshot of every market of the
    subscription recovers from it.
    """

    __slots__ = ("_last_frame", "last")

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self._last_frame: str | None = None

    def take(self, seq: int, frame: str) -> Verdict:
        """Classify a frame by its number and its text; only a ``repeated`` frame may be ignored."""
        last = self.last
        if seq == last and frame == self._last_frame:
            return "repeated"
        self.last, self._last_frame = seq, frame
        if last is None or seq == last + 1:
            return "next"
        return "gap" if seq > last else "restart"

    def take_next(self, seq: int, frame: str) -> bool:
        """Take a frame only if its number follows the last one, as ``take`` does; nothing changes otherwise."""
        if self.last is None or seq != self.last + 1:
            return False
        self.last, self._last_frame = seq, frame
        return True
