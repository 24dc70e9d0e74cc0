"""Count decisions that change nothing, by market and reason, and publish the counts on the topic ``refusals``.

One message per market and window: its rate depends on the number of markets, not on the number of decisions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from truebook.decision.decide import Decision
from truebook.messages.codec import encode
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.messages.refusals import DecisionsCounted
from truebook.messages.topics import REFUSALS
from truebook.runtime.context import Context
from truebook.runtime.frames import Periodic

WINDOW_S: Final = 1.0


class _Tally:
    """The counts of one market and model."""

    __slots__ = ("counts", "observation", "reason", "since_us", "until_us")

    def __init__(self, observation: Observation, reason: Reason, at_us: int) -> None:
        self.counts: Counter[Reason] = Counter()
        self.since_us = at_us
        self.add(observation, reason, at_us)

    def add(self, observation: Observation, reason: Reason, at_us: int) -> None:
        self.counts[reason] += 1
        self.observation, self.reason, self.until_us = observation, reason, at_us

    def add_earlier(self, earlier: _Tally) -> None:
        self.counts.update(earlier.counts)
        self.since_us = earlier.since_us


class DecisionCounter:
    """The counts of the current window, which are lost only if the process is killed: they are a statistic."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tallies: dict[tuple[str, str, str], _Tally] = {}
        """By market, and by name and digest of the model."""

    def frame(self) -> Periodic:
        """Build the frame that publishes the counts once per window."""
        return Periodic(self._context, "counted decisions", WINDOW_S, self.publish, at_stop=True)

    def count(self, decided: Iterable[tuple[Observation, Decision]], model: str, sha256: str, at_us: int) -> None:
        """Count decisions of one model that were made now."""
        tallies = self._tallies
        for observation, decision in decided:
            key, reason = (observation.ticker, model, sha256), decision.reason or Reason.NO_ACTION
            tally = tallies.get(key)
            if tally is None:
                tallies[key] = _Tally(observation, reason, at_us)
            else:
                tally.add(observation, reason, at_us)

    async def publish(self) -> None:
        """Publish the counts and start the next window; raises ``BusError`` and then keeps the counts."""
        if not self._tallies:
            return
        tallies, self._tallies = self._tallies, {}
        now_us = self._context.clock.now_us()
        batch = [(key[0], encode(self._message(*key, tally, now_us))) for key, tally in tallies.items()]
        try:
            await self._context.bus.publish_many(REFUSALS, batch)
        except BaseException:
            for key, tally in tallies.items():
                later = self._tallies.get(key)
                if later is None:
                    self._tallies[key] = tally
                else:
                    later.add_earlier(tally)
            raise

    def _message(self, ticker: str, model: str, sha256: str, tally: _Tally, now_us: int) -> DecisionsCounted:
        context = self._context
        return DecisionsCounted(
            id=f"{ticker}:decisions:{tally.since_us}:{sha256[:12]}", cause_id=tally.observation.id,
            account=context.account, strategy=context.strategy, ticker=ticker, source=context.source,
            exchange_us=tally.observation.exchange_us, produced_us=now_us, model=model, model_sha256=sha256,
            since_us=tally.since_us, until_us=tally.until_us, counts=dict(tally.counts), reason=tally.reason,
        )  # fmt: skip
