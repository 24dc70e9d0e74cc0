"""Cash of shards: transfers conserve it at every step, reports in any order agree, and earlier states are read."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from support import ledger_verbs as v
from support.ledger_verbs import AnyVerb, a_fill, a_reserve
from truebook.ledger.port import JournalEntry
from truebook.ledger.rules.ledger import Ledger, replay, verb_of
from truebook.ledger.verbs import Adjust, OpenAccount, ReportTransfer, RequestTransfer
from truebook.venue.shards import ShardCash

thorough = settings(max_examples=150, deadline=None)
any_history = st.tuples(v.opens, st.lists(v.verbs, max_size=30)).map(lambda drawn: [drawn[0], *drawn[1]])
REQUEST = RequestTransfer(transfer_id="x", from_shard=0, to_shard=2, amount_micros=300, now_us=5)


def report(status: str, transfer_id: str = "x") -> ReportTransfer:
    return ReportTransfer(
        transfer_id=transfer_id, exchange_transfer_id="e", from_shard=0, to_shard=2, amount_micros=300, status=status,
        now_us=7,
    )  # fmt: skip


def opened() -> Ledger:
    ledger = Ledger("test")
    ledger.apply(OpenAccount(balance_micros=1_000, shards=(ShardCash(exchange_index=2, balance_micros=50),)))
    return ledger


@given(any_history)
@thorough
def test_a_transfer_conserves_cash_at_every_step(history: list[AnyVerb]) -> None:
    ledger = Ledger("test")
    for verb in history:
        before = ledger.account()
        ledger.apply(verb)
        after = ledger.account()
        assert after.in_transit_micros == sum(one.amount_micros for one in after.transfers)
        if isinstance(verb, RequestTransfer | ReportTransfer):
            assert after.owned_micros == before.owned_micros
            assert after.reserved_micros == before.reserved_micros


@given(st.lists(st.sampled_from(["accepted", "arrived"]), min_size=1, max_size=6), st.booleans())
def test_reports_of_a_transfer_agree_in_any_order(statuses: list[str], is_ours: bool) -> None:
    ledger = opened()
    if is_ours:
        ledger.apply(REQUEST)
    for status in [*statuses, "arrived"]:
        ledger.apply(report(status))
    expected = opened()
    if is_ours:
        expected.apply(REQUEST)
    expected.apply(report("arrived"))
    mine, other = (msgspec.structs.replace(one.account(), ledger_seq=0) for one in (ledger, expected))
    assert mine == other
    assert [(shard.exchange_index, shard.cash_micros) for shard in mine.shards] == [(0, 700), (2, 350)]


@given(any_history)
@thorough
def test_a_replayed_journal_has_the_same_shards(history: list[AnyVerb]) -> None:
    ledger = Ledger("test")
    for verb in history:
        ledger.apply(verb)
    again = replay(ledger.journal(0, 1_000))
    assert (again.view(), again.transfers()) == (ledger.view(), ledger.transfers())
    assert Ledger.from_state("test", ledger.seq, ledger.saved_state()).view() == ledger.view()


def test_a_saved_state_without_shards_is_read() -> None:
    """As earlier versions wrote it: adjustments of two fields, and no field of shards."""
    ledger = Ledger("test")
    for verb in (
        OpenAccount(balance_micros=1_000_000), a_reserve(size_centi=100), Adjust(
            adjust_id="d", amount_micros=5, kind="deposit", reason=""
        ),
    ):  # fmt: skip
        ledger.apply(verb)
    saved = msgspec.json.decode(ledger.saved_state())
    assert not {"shards", "transfers", "transfer_ids"} & saved.keys()
    saved["adjusts"] = {name: fields[:2] for name, fields in saved["adjusts"].items()}
    del saved["markets"]["M"]["exchange_index"]
    again = Ledger.from_state("test", ledger.seq, msgspec.Raw(msgspec.json.encode(saved)))
    assert again.view() == ledger.view()
    assert str(again.apply(a_reserve("b", book_side=v.ASK, exchange_index=2))) == "refused:shard"


def test_a_journal_without_shards_is_read() -> None:
    arguments = msgspec.json.decode(msgspec.json.encode(a_fill()))
    del arguments["exchange_index"]
    entry = JournalEntry(
        seq=1, ledger_id="test", verb="settle_fill", arguments=msgspec.Raw(msgspec.json.encode(arguments)),
        result="parked",
    )  # fmt: skip
    assert verb_of(entry) == a_fill()
