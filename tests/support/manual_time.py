"""A time that a test moves, for functions that take ``now_us``."""

from __future__ import annotations

from truebook.clock import MICROS


class Now:
    """Returns its time when it is called."""

    def __init__(self, at_us: int = 0) -> None:
        self.at_us = at_us

    def __call__(self) -> int:
        return self.at_us

    def pass_s(self, seconds: float) -> None:
        self.at_us += int(seconds * MICROS)
