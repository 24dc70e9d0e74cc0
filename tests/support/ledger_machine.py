"""Any verbs in any order, on the rules in memory and on a server: the same results and the same account."""

from __future__ import annotations

import asyncio
import itertools
from typing import ClassVar

import msgspec
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support import ledger_verbs as v
from support.ledger_verbs import AnyVerb
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.rules.ledger import Ledger, replay
from truebook.ledger.verbs import OpenAccount

_accounts = itertools.count()


class TwoLedgers(RuleBasedStateMachine):
    """A subclass names the server's address."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.server = self.runner.run(RedisStore.connect(self.url, f"machine-{id(self)}-{next(_accounts)}"))
        self.memory = MemoryStore(self.server.ledger_id)
        self.done: list[AnyVerb] = []
        self.anchor = Ledger(self.memory.ledger_id)

    def both(self, verb: AnyVerb) -> None:
        self.done.append(verb)
        expected = self.runner.run(self.memory.apply(verb))
        assert self.runner.run(self.server.apply(verb)) == expected, verb

    @initialize(verb=v.opens)
    def open_account(self, verb: OpenAccount) -> None:
        self.both(verb)

    @rule(verb=v.reserves)
    def reserve(self, verb: AnyVerb) -> None:
        self.both(verb)

    @rule(verbs=v.st.lists(v.reserves, min_size=2, max_size=6))
    def reserve_at_once(self, verbs: list[AnyVerb]) -> None:
        """Those that wait at the same time share a run of the script."""
        self.done += verbs
        expected = [self.runner.run(self.memory.apply(verb)) for verb in verbs]
        assert self.runner.run(self._apply_at_once(verbs)) == expected, verbs

    async def _apply_at_once(self, verbs: list[AnyVerb]) -> list[object]:
        return await asyncio.gather(*(self.server.apply(verb) for verb in verbs))

    @rule(verb=v.acknowledges)
    def acknowledge(self, verb: AnyVerb) -> None:
        self.both(verb)

    @rule(verb=v.fills)
    def settle_fill(self, verb: AnyVerb) -> None:
        self.both(verb)

    @rule(verb=v.closes)
    def close(self, verb: AnyVerb) -> None:
        self.both(verb)

    @rule(verb=v.verbs)
    def anything(self, verb: AnyVerb) -> None:
        self.both(verb)

    @rule(data=v.st.data())
    def something_again(self, data: v.st.DataObject) -> None:
        """Reports arrive more than once, and late."""
        self.both(data.draw(v.st.sampled_from(self.done)))

    @precondition(lambda self: len(self.done) % 8 == 7)  # it takes as long as a dozen verbs
    @rule()
    def load_the_saved_state(self) -> None:
        """The server's account is replaced by the saved state of the rules: no difference may show, then or later."""
        seq = self.memory.ledger.seq
        self.anchor = Ledger.from_state(self.memory.ledger_id, seq, self.memory.ledger.saved_state())
        self.runner.run(self._load(self.memory.ledger.saved_state(), seq))
        self.runner.run(self.memory.trim_journal(seq))

    async def _load(self, state: msgspec.Raw, seq: int) -> None:
        restorer = await self.server.begin_restore(self.memory.ledger_id, seq)
        assert restorer is not None
        await restorer.load(state, seq)
        await self.server.end_restore()

    @invariant()
    def accounts_are_equal(self) -> None:
        mine, theirs = self.runner.run(self.memory.view()), self.runner.run(self.server.view())
        assert theirs == mine
        assert mine.conservation_error_micros == 0
        live, audit = self.runner.run(self.server.live_view()), self.runner.run(self.server.audit())
        assert live == self.runner.run(self.memory.live_view())
        assert audit.errors == {}, "the index of live markets too"

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
        assert await self.server.transfers() == await self.memory.transfers()
        assert await self.server.watermark("fills") == await self.memory.watermark("fills")
        assert await self.server.view(("M", "nix")) == await self.memory.view(("M", "nix"))
        entries = await self.server.journal()
        assert entries == await self.memory.journal()
        assert replay(entries, self.anchor).view() == await self.server.view()
