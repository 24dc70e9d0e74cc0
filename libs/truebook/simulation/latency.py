"""Latency of orders and cancels on their way to the matching engine.

A fixed part and a jitter derived from the seed and the id: the same order has the same latency in every run, whatever
else is sent. Responses return at once: the whole round trip is modelled on the way there, where it matters.
"""

from __future__ import annotations

import msgspec

from truebook.messages.ids import digest


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds of exchange time; the jitter is uniform between 0 and ``jitter_us``."""

    seed: int
    order_us: int = 0
    cancel_us: int = 0
    jitter_us: int = 0

    def of_order(self, client_order_id: str) -> int:
        """Return the latency of a new order or a change of one."""
        return self.order_us + self._jitter("order", client_order_id)

    def of_cancel(self, exchange_order_id: str) -> int:
        """Return the latency of a cancel."""
        return self.cancel_us + self._jitter("cancel", exchange_order_id)

    def _jitter(self, kind: str, sent_id: str) -> int:
        if not self.jitter_us:
            return 0
        return int(digest("latency", self.seed, kind, sent_id), 16) % (self.jitter_us + 1)
