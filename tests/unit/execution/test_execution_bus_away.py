"""While what execution tells can't be published, orders go on: nothing ends, nothing is sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from support.execution_rig import RecordingBus, Rig, bid, until
from truebook.bus.port import BusUnavailable
from truebook.messages.envelope import BookSide
from truebook.messages.orders import OrderOutcome
from truebook.messages.topics import ORDERS, Topic


class AwayForOrders(RecordingBus):
    """A bus that takes no order events while ``is_away``."""

    is_away = False

    async def publish_many(self, topic: Topic, records: Sequence[tuple[str, bytes]]) -> None:
        if self.is_away and topic is ORDERS:
            raise BusUnavailable("the broker is away")
        await super().publish_many(topic, records)


async def test_a_failed_publish_ends_nobodys_order_and_the_action_is_told_later() -> None:
    bus, posted, release = AwayForOrders(partitions=2), asyncio.Event(), asyncio.Event()
    async with Rig(bus=bus) as rig:
        await rig.open_market("M")
        await rig.open_market("N")

        async def hold_the_other(request: object) -> None:
            if getattr(request, "ticker", "") == "N":
                posted.set()
                await release.wait()

        rig.exchange.before["create_order"] = hold_the_other
        other = await rig.send(rig.action(bid(), ticker="N"))
        await posted.wait()
        bus.is_away = True
        action = await rig.send(rig.action(bid(), ticker="M"))
        await until(lambda: rig.service.context.metrics.total("failures") > 0, "the publish has failed")
        bus.is_away = False
        release.set()
        await rig.clock.advance(1.0)
        await until(lambda: len(rig.exchange.posted) == 2 and len(bus.of(ORDERS)) >= 3, "both are told")
        for each in (action, other):
            order = await rig.order(each, BookSide.BID)
            assert order.state == "acknowledged"
        told = [event.outcome for event in bus.of(ORDERS) if event.action_id == action.id]
        assert told == [OrderOutcome.KEPT], "what it had become of is told by the repetition"
        assert len(rig.exchange.posted) == 2
