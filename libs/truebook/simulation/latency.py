"""Latency of orders and cancels on their way to the matching engine.

A fixed part and a jitter derived from the seed and the id: the same order has the same latency in every run, whatever
else is sent. This is the way out alone; ``latency_profile`` describes the way back as well.
"""

from __future__ import annotations

import msgspec

from truebook.messages.ids import digest


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds of exchange time; the jitter is uniform between 0 and ``jitter_us``.

    With ``offsets_us`` it is one of these instead, perhaps negative: measured latencies around the fixed part.
    """

    seed: int
    order_us: int = 0
    cancel_us: int = 0
    jitter_us: int = 0
    offsets_us: tuple[int, ...] = ()

    def of_order(self, client_order_id: str) -> int:
        """Return the latency of a new order or a change of one."""
        return self.order_us + self._jitter("order", client_order_id)

    def of_cancel(self, exchange_order_id: str) -> int:
        """Return the latency of a cancel."""
        return self.cancel_us + self._jitter("cancel", exchange_order_id)

    def _jitter(self, kind: str, sent_id: str) -> int:
        if self.offsets_us:
            return self.offsets_us[int(digest("latency", self.seed, kind, sent_id), 16) % len(self.offsets_us)]
        if not self.jitter_us:
            return 0
        return int(digest("latency", self.seed, kind, sent_id), 16) % (self.jitter_us + 1)
