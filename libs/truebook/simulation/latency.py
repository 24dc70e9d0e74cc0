"""How long an order and a cancellation are under way before the matching engine sees them.

A fixed part and a jitter that is drawn from the seed and from the id of what is sent: the same order has the same
latency in every run, whatever else is sent. The answer comes back at once: all of the way is modelled as the way there,
which is where it costs.
"""

from __future__ import annotations

import msgspec

from truebook.messages.ids import digest


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds of the exchange's time; the jitter is even between 0 and ``jitter_us``."""

    seed: int
    order_us: int = 0
    cancel_us: int = 0
    jitter_us: int = 0

    def of_order(self, client_order_id: str) -> int:
        """How long a new order, or a change of one, is under way."""
        return self.order_us + self._jitter("order", client_order_id)

    def of_cancel(self, exchange_order_id: str) -> int:
        """How long a cancellation is under way."""
        return self.cancel_us + self._jitter("cancel", exchange_order_id)

    def _jitter(self, kind: str, sent_id: str) -> int:
        if not self.jitter_us:
            return 0
        return int(digest("latency", self.seed, kind, sent_id), 16) % (self.jitter_us + 1)
