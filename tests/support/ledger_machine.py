"""Any verbs in any order, on the rules in memory and on a server at once: the same answers and the same books."""

from __future__ import annotations

import asyncio
import itertools
from typing import ClassVar

from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support import ledger_verbs as v
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.redis_store import RedisStore
from truebook.ledger.restore import call_verb
from truebook.ledger.rules import replay
from truebook.ledger.verbs import Arguments, OpenAccount

_accounts = itertools.count()


class TwoLedgers(RuleBasedStateMachine):
    """A subclass names the server's address."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.server = self.runner.run(RedisStore.connect(self.url, f"machine-{id(self)}-{next(_accounts)}"))
        self.memory = MemoryStore(self.server.incarnation)
        self.done: list[Arguments] = []

    def both(self, verb: Arguments) -> None:
        self.done.append(verb)
        expected = self.runner.run(call_verb(self.memory, verb))
        assert self.runner.run(call_verb(self.server, verb)) == expected, verb

    @initialize(verb=v.opens)
    def open_account(self, verb: OpenAccount) -> None:
        self.both(verb)

    @rule(verb=v.reserves)
    def reserve(self, verb: Arguments) -> None:
        self.both(verb)

    @rule(verb=v.acknowledges)
    def acknowledge(self, verb: Arguments) -> None:
        self.both(verb)

    @rule(verb=v.fills)
    def settle_fill(self, verb: Arguments) -> None:
        self.both(verb)

    @rule(verb=v.closes)
    def close(self, verb: Arguments) -> None:
        self.both(verb)

    @rule(verb=v.verbs)
    def anything(self, verb: Arguments) -> None:
        self.both(verb)

    @rule(data=v.st.data())
    def something_again(self, data: v.st.DataObject) -> None:
        """News arrive more than once, and late."""
        self.both(data.draw(v.st.sampled_from(self.done)))

    @invariant()
    def books_are_equal(self) -> None:
        mine, theirs = self.runner.run(self.memory.view()), self.runner.run(self.server.view())
        assert theirs == mine
        assert mine.account.conservation_error_micros == 0

    def teardown(self) -> None:
        try:
            self.runner.run(self._compare_all())
        finally:
            self.runner.run(self.server.aclose())
            self.runner.close()

    async def _compare_all(self) -> None:
        for order_id in v.ORDER_IDS:
            assert await self.server.order(order_id) == await self.memory.order(order_id)
        for exchange_id in v.EXCHANGE_IDS:
            theirs = await self.server.order_of_exchange_id(exchange_id)
            assert theirs == await self.memory.order_of_exchange_id(exchange_id)
        assert await self.server.parked_fills() == await self.memory.parked_fills()
        assert await self.server.watermark("fills") == await self.memory.watermark("fills")
        assert await self.server.view(("M", "nix")) == await self.memory.view(("M", "nix"))
        entries = await self.server.journal()
        assert entries == await self.memory.journal()
        assert replay(entries).view() == await self.server.view()
