"""Brings a store that lost its newest changes up to its journal, by calling the recorded verbs once more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from truebook.ledger.port import (
    Acknowledge,
    Close,
    JournalEntry,
    LedgerStore,
    Limits,
    Reserve,
    SettleFill,
    StoreCorrupt,
)
from truebook.ledger.rules import arguments_of
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


async def replay_into(store: LedgerStore, entries: Iterable[JournalEntry], *, together: int = 1) -> int:
    """Call the verbs of all entries that the store does not have yet; answer how many those were.

    Nothing else may write meanwhile: fence the account off first. So many calls are made ``together``; more than one
    only on a store that keeps their order, as the one that a fence answers does. Raises StoreCorrupt where a number is
    missing or the store answers otherwise than recorded: then it is not behind, it tells another story.
    """
    seq = (await store.view(())).account.ledger_seq
    missing = [entry for entry in entries if entry.seq > seq]
    for number, entry in enumerate(missing, start=seq + 1):
        if entry.seq != number:
            raise StoreCorrupt(f"journal entry {number} is missing: found {entry.seq}")
    for start in range(0, len(missing), together):
        called = missing[start : start + together]
        answers = await asyncio.gather(*(call_verb(store, arguments_of(entry)) for entry in called))
        for entry, answer in zip(called, answers, strict=True):
            if answer != entry.result:
                raise StoreCorrupt(
                    f"journal entry {entry.seq} ({entry.verb}): answers {answer}, recorded {entry.result}"
                )
    return len(missing)


async def call_verb(store: LedgerStore, verb: Arguments) -> str:
    """Call the verb that these arguments belong to, by the port's method; numbers are answered as decimal strings."""
    match verb:
        case OpenAccount():
            return await store.open_account(verb.balance_micros, verb.positions)
        case Reserve():
            return await store.reserve(verb)
        case Acknowledge():
            return await store.acknowledge(verb)
        case SettleFill():
            return await store.settle_fill(verb)
        case Close():
            return await store.close(verb)
        case MarkUnknown():
            return await store.mark_unknown(verb.order_id)
        case SettleMarket():
            return await store.settle_market(verb.ticker, verb.settlement_cc)
        case Adjust():
            return await store.adjust(verb.adjust_id, verb.amount_micros, verb.kind, verb.reason)
        case Hold():
            return await store.hold(verb.name, verb.mode, verb.owner)
        case Release():
            return await store.release(verb.name, verb.owner)
        case Limits():
            return await store.set_limits(verb)
        case RaiseEpoch():
            return await store.raise_epoch(verb.partition, verb.epoch)
        case NextNumber():
            return str(await store.next_number(verb.name))
        case AdvanceWatermark():
            return str(await store.advance_watermark(verb.name, verb.to_us))
        case Forget():
            return str(await store.forget(verb.terminal_before_us))
