"""The ledger in memory: the rules behind the port. For tests and for runs that keep nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import msgspec

from truebook.ledger.port import (
    Adjustment,
    Audit,
    JournalEnd,
    JournalEntry,
    LedgerView,
    OrderView,
    RestorableStore,
    RestoringStore,
    ShardTransferView,
    StoreUnavailable,
)
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.rules.views import while_restoring
from truebook.ledger.verbs import ResultT, SettleFill, Verb, timed


class MemoryStore(RestorableStore, RestoringStore):
    """One account in this process's memory."""

    def __init__(self, ledger_id: str | None = None) -> None:
        self.ledger = Ledger(ledger_id or uuid.uuid4().hex)
        self._restorer: MemoryStore | None = None
        """The only store that may change the account, during a restore."""
        self._owner = self
        """The store whose ``_restorer`` counts: a restorer refers to the store that it restores."""
        self.now_us: Callable[[], int] | None = None
        """The clock of the entries that this store makes; None: their times are not recorded. A restorer has none."""

    @property
    def ledger_id(self) -> str:
        """The name of this history; an empty store begins another one."""
        return self.ledger.ledger_id

    async def apply(self, verb: Verb[ResultT]) -> ResultT:
        if self._owner._restorer not in (None, self):
            raise StoreUnavailable("the ledger is being restored from its journal")
        return self.ledger.apply(timed(verb, self.now_us))

    async def view(self, tickers: tuple[str, ...] | None = None) -> LedgerView:
        return self._shown(self.ledger.view(tickers))

    async def live_view(self) -> LedgerView:
        return self._shown(self.ledger.live_view())

    def _shown(self, view: LedgerView) -> LedgerView:
        return view if self._restorer is None else msgspec.structs.replace(view, account=while_restoring(view.account))

    async def audit(self) -> Audit:
        return msgspec.structs.replace(self.ledger.audit(), view=await self.view())

    async def order(self, order_id: str) -> OrderView | None:
        return self.ledger.order(order_id)

    async def order_of_exchange_id(self, exchange_order_id: str) -> OrderView | None:
        return self.ledger.order_of_exchange_id(exchange_order_id)

    async def parked_fills(self) -> tuple[SettleFill, ...]:
        return self.ledger.parked_fills()

    async def adjustment(self, adjust_id: str) -> Adjustment | None:
        return self.ledger.adjustment(adjust_id)

    async def transfers(self) -> tuple[ShardTransferView, ...]:
        return self.ledger.transfers()

    async def watermark(self, name: str) -> int:
        return self.ledger.state.watermarks.get(name, 0)

    async def journal(self, after_seq: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        return self.ledger.journal(after_seq, limit)

    async def trim_journal(self, through_seq: int) -> int:
        return self.ledger.trim_journal(through_seq)

    async def journal_end(self) -> JournalEnd:
        first = self.ledger.journal(0, 1)
        return JournalEnd(
            ledger_id=self.ledger.ledger_id, seq=self.ledger.seq, first_kept=first[0].seq if first else 0,
            restoring=self._restorer is not None,
        )  # fmt: skip

    async def load(self, state: msgspec.Raw, seq: int) -> None:
        assert self._owner._restorer is self, "only a restorer may replace the account"
        self.ledger = self._owner.ledger = Ledger.from_state(self._owner.ledger.ledger_id, seq, state)

    async def begin_restore(self, ledger_id: str, seq: int) -> RestoringStore | None:
        if self.ledger.seq != seq or (seq and self.ledger.ledger_id != ledger_id):
            return None
        self.ledger.ledger_id = ledger_id
        self._restorer = MemoryStore()
        self._restorer.ledger, self._restorer._owner = self.ledger, self
        return self._restorer

    async def end_restore(self) -> None:
        self._restorer = None

    async def aclose(self) -> None:
        """Nothing to close."""
