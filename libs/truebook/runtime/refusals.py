"""Count what a service refuses, by market and reason, and publish the counts on the topic ``refusals``.

One message per market and window: its rate depends on the number of markets, not on the number of refusals.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from truebook.messages.codec import encode
from truebook.messages.reasons import Reason
from truebook.messages.refusals import RefusalsCounted
from truebook.messages.topics import REFUSALS
from truebook.runtime.context import Context
from truebook.runtime.frames import Periodic

WINDOW_S: Final = 1.0


class RefusalCounter:
    """The counts of the current window, which are lost only if the process is killed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._counts: dict[str, Counter[Reason]] = {}
        self._since_us = context.clock.now_us()

    def frame(self) -> Periodic:
        """Build the frame that publishes the counts once per window."""
        return Periodic(self._context, "refusals", WINDOW_S, self.publish, at_stop=True)

    def count(self, ticker: str, reason: Reason, amount: int = 1) -> None:
        self._counts.setdefault(ticker, Counter())[reason] += amount

    async def publish(self) -> None:
        """Publish the counts and start the next window; raises ``BusError`` and then keeps the counts."""
        now_us, since_us = self._context.clock.now_us(), self._since_us
        counts, self._counts, self._since_us = self._counts, {}, now_us
        if not counts:
            return
        batch = [(ticker, encode(self._message(ticker, since_us, now_us, counts[ticker]))) for ticker in counts]
        try:
            await self._context.bus.publish_many(REFUSALS, batch)
        except BaseException:
            for ticker, counted in counts.items():
                self._counts.setdefault(ticker, Counter()).update(counted)
            self._since_us = since_us
            raise

    def _message(self, ticker: str, since_us: int, until_us: int, counts: Counter[Reason]) -> RefusalsCounted:
        context = self._context
        return RefusalsCounted(
            id=f"{ticker}:refusals:{context.service}:{since_us}", cause_id="", account=context.account,
            strategy=context.strategy, ticker=ticker, source=context.source, exchange_us=None, produced_us=until_us,
            service=context.service, since_us=since_us, until_us=until_us, counts=dict(counts),
        )  # fmt: skip
