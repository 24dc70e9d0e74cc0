"""The ledger in memory: the rules themselves behind the port. For tests and for runs that keep nothing."""

from __future__ import annotations

import uuid

import msgspec

from truebook.ledger.port import (
    Acknowledge,
    AdoptedPosition,
    Close,
    JournalEnd,
    JournalEntry,
    LedgerStore,
    Limits,
    OrderView,
    Reserve,
    RestorableStore,
    SettleFill,
    StoreUnavailable,
    View,
)
from truebook.ledger.rules import Ledger
from truebook.ledger.rules_view import fenced
from truebook.ledger.verbs import (
    Adjust,
    AdvanceWatermark,
    Arguments,
    Forget,
    Hold,
    MarkUnknown,
    NextNumber,
    OpenAccount,
    RaiseEpoch,
    Release,
    SettleMarket,
)


class MemoryStore(RestorableStore):
    """One account in this process's memory."""

    def __init__(self, incarnation: str | None = None) -> None:
        self.ledger = Ledger(incarnation or uuid.uuid4().hex)
        self._restorer: MemoryStore | None = None
        """Who alone may change the account, while it is fenced off."""
        self._whole = self
        """The store whose fence counts: a restorer's is the one that it restores."""

    @property
    def incarnation(self) -> str:
        """The name of this history; another one begins with an empty store."""
        return self.ledger.incarnation

    def _apply(self, arguments: Arguments) -> str:
        if self._whole._restorer not in (None, self):
            raise StoreUnavailable("the ledger is being restored from its journal")
        return self.ledger.apply(arguments)

    async def open_account(self, balance_micros: int, positions: tuple[AdoptedPosition, ...]) -> str:
        return self._apply(OpenAccount(balance_micros=balance_micros, positions=positions))

    async def reserve(self, order: Reserve) -> str:
        return self._apply(order)

    async def acknowledge(self, news: Acknowledge) -> str:
        return self._apply(news)

    async def settle_fill(self, fill: SettleFill) -> str:
        return self._apply(fill)

    async def close(self, news: Close) -> str:
        return self._apply(news)

    async def mark_unknown(self, order_id: str) -> str:
        return self._apply(MarkUnknown(order_id=order_id))

    async def settle_market(self, ticker: str, settlement_cc: int) -> str:
        return self._apply(SettleMarket(ticker=ticker, settlement_cc=settlement_cc))

    async def adjust(self, adjust_id: str, amount_micros: int, kind: str, reason: str) -> str:
        return self._apply(Adjust(adjust_id=adjust_id, amount_micros=amount_micros, kind=kind, reason=reason))

    async def hold(self, name: str, mode: str, owner: str) -> str:
        return self._apply(Hold(name=name, mode=mode, owner=owner))

    async def release(self, name: str, owner: str) -> str:
        return self._apply(Release(name=name, owner=owner))

    async def set_limits(self, limits: Limits) -> str:
        return self._apply(limits)

    async def raise_epoch(self, partition: int, epoch: int) -> str:
        return self._apply(RaiseEpoch(partition=partition, epoch=epoch))

    async def next_number(self, name: str) -> int:
        return int(self._apply(NextNumber(name=name)))

    async def view(self, tickers: tuple[str, ...] | None = None) -> View:
        view = self.ledger.view(tickers)
        return view if self._restorer is None else msgspec.structs.replace(view, account=fenced(view.account))

    async def order(self, order_id: str) -> OrderView | None:
        return self.ledger.order(order_id)

    async def order_of_exchange_id(self, exchange_order_id: str) -> OrderView | None:
        return self.ledger.order_of_exchange_id(exchange_order_id)

    async def parked_fills(self) -> tuple[SettleFill, ...]:
        return self.ledger.parked_fills()

    async def journal(self, after_seq: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        return self.ledger.journal(after_seq, limit)

    async def trim_journal(self, through_seq: int) -> int:
        return self.ledger.trim_journal(through_seq)

    async def watermark(self, name: str) -> int:
        return self.ledger.state.watermarks.get(name, 0)

    async def advance_watermark(self, name: str, to_us: int) -> int:
        return int(self._apply(AdvanceWatermark(name=name, to_us=to_us)))

    async def forget(self, terminal_before_us: int) -> int:
        return int(self._apply(Forget(terminal_before_us=terminal_before_us)))

    async def journal_end(self) -> JournalEnd:
        first = self.ledger.journal(0, 1)
        return JournalEnd(
            incarnation=self.ledger.incarnation, seq=self.ledger.seq, first_kept=first[0].seq if first else 0,
            fenced=self._restorer is not None,
        )  # fmt: skip

    async def fence(self, incarnation: str, seq: int) -> LedgerStore | None:
        if self.ledger.seq != seq or (seq and self.ledger.incarnation != incarnation):
            return None
        self.ledger.incarnation = incarnation
        self._restorer = MemoryStore()
        self._restorer.ledger, self._restorer._whole = self.ledger, self
        return self._restorer

    async def unfence(self) -> None:
        self._restorer = None

    async def aclose(self) -> None:
        """Nothing to close."""
