"""What every service that runs alone watches beside its work: the bus, and the exchange's clock."""

from __future__ import annotations

from truebook.bus.kafka import KafkaBus
from truebook.clock import ExchangeClock
from truebook.kalshi.port import RestClient
from truebook.runtime.context import Context


class BusWatch:
    """Tells whether Kafka answers, and how far this process's groups are behind."""

    def __init__(self, context: Context, bus: KafkaBus) -> None:
        self._context = context
        self._bus = bus

    async def check(self) -> None:
        """Raise ``BusUnavailable`` where Kafka does not answer, which makes this process not ready; set the gauges."""
        await self._bus.probe()
        for group, partitions in self._bus.assigned().items():
            self._context.metrics.gauge("assigned_partitions", partitions, group=group)
        for group, by_topic in (await self._bus.lag()).items():
            for topic, records in by_topic.items():
                self._context.metrics.gauge("consumer_lag_records", records, group=group, topic=topic)


class ClockFollower:
    """Keeps this process's clock at the exchange's time. Execution judges jumps itself and does not use this."""

    def __init__(self, context: Context, clock: ExchangeClock, rest: RestClient) -> None:
        self._context = context
        self._clock = clock
        self._rest = rest

    async def check(self) -> None:
        """Take one measurement; raises ``ExchangeError``."""
        self._clock.observe(await self._rest.exchange_time_us())
        self._context.metrics.gauge("clock_offset_seconds", self._clock.offset_us / 1e6)
