"""Random histories of a group: members join, poll, commit, crash; the guarantees hold throughout."""

from __future__ import annotations

import asyncio

from hypothesis import example, given, settings
from hypothesis import strategies as st

from truebook.bus.memory.bus import MemoryBus, MemoryConsumer
from truebook.bus.port import Partition
from truebook.messages.topics import StartAt, Topic

TOPIC = Topic(name="topic", carries=(), start_at=StartAt.COMMITTED)
KEYS = ("a", "b", "c", "d", "e")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(0, len(KEYS) - 1)),
        st.tuples(st.just("poll"), st.integers(0, 3)),
        st.tuples(st.just("commit"), st.integers(0, 3)),
        st.tuples(st.just("join"), st.just(0)),
        st.tuples(st.just("leave"), st.integers(0, 3)),
    ),
    max_size=60,
)


class History:
    """A bus, some members of one group and what each of them has been given."""

    def __init__(self, partitions: int) -> None:
        self.bus = MemoryBus(partitions, pipeline_capacity=1_000)
        self.members: list[MemoryConsumer] = []
        self.taken: dict[MemoryConsumer, dict[Partition, int]] = {}
        self.published: dict[str, int] = dict.fromkeys(KEYS, 0)
        self.committed: dict[Partition, int] = {}
        self.delivered: dict[str, set[int]] = {key: set() for key in KEYS}
        self.newest: dict[tuple[MemoryConsumer, str], int] = {}

    async def step(self, what: str, which: int) -> None:
        if what == "publish":
            key = KEYS[which]
            await self.bus.publish(TOPIC, key, b"%d" % self.published[key])
            self.published[key] += 1
        elif what == "join":
            self.members.append(await self.bus.consumer("group", [TOPIC]))
            self.newest.clear()  # every rebalance may deliver again
        elif self.members:
            member = self.members[which % len(self.members)]
            if what == "poll":
                await self.poll(member, 3)
            elif what == "commit":
                offsets = self.taken.get(member, {})
                await member.commit(offsets)
            else:
                self.members.remove(member)
                await member.close()
                self.newest.clear()

    async def poll(self, member: MemoryConsumer, most: int) -> int:
        records = await member.poll(most, 0)
        for record in records:
            number, known = int(record.value), self.newest.get((member, record.key), -1)
            assert number > known, "the order of a key"
            assert record.missed == 0
            self.newest[member, record.key] = number
            self.delivered[record.key].add(number)
            self.taken.setdefault(member, {})[Partition(record.topic, record.partition)] = record.offset + 1
        return len(records)


@settings(max_examples=150, deadline=None)
@example(
    4,
    [
        ("join", 0), ("join", 0), ("publish", 2), ("poll", 1), ("join", 0), ("join", 0), ("leave", 0), ("join", 0),
        ("publish", 2), ("leave", 3), ("commit", 0), ("leave", 1),
    ],
)  # fmt: skip
@given(st.integers(1, 4), STEPS)
def test_every_record_is_delivered_in_order_of_its_key(partitions: int, steps: list[tuple[str, int]]) -> None:
    async def live() -> None:
        history = History(partitions)
        for what, which in steps:
            await history.step(what, which)
        await history.step("join", 0)
        for member in history.members:
            while await history.poll(member, 10):
                pass
        for key, count in history.published.items():
            assert history.delivered[key] == set(range(count))

    asyncio.run(live())
