"""Whether ledger and journal agree, as a table."""

from __future__ import annotations

import msgspec
import pytest

from support.journals import LEDGER_ID, entries_of, numbered, plain_history
from truebook.ledger.journal.compare import LedgerPosition, check_same, compare_ends, is_same
from truebook.ledger.journal.port import JournalMismatch
from truebook.ledger.port import JournalEnd

NO_TAIL = None


def end(seq: int, first_kept: int = 1, ledger_id: str = LEDGER_ID) -> JournalEnd:
    return JournalEnd(ledger_id=ledger_id, seq=seq, first_kept=first_kept if seq else 0, restoring=False)


@pytest.mark.parametrize(
    ("ledger", "tail_seq", "position"),
    [
        (end(0), 0, LedgerPosition.HAS_ALL),  # a first start
        (end(7), 0, LedgerPosition.HAS_ALL),  # no journal yet, or it was moved away
        (end(7, first_kept=5), 0, LedgerPosition.HAS_ALL),
        (end(7), 7, LedgerPosition.HAS_ALL),
        (end(9), 7, LedgerPosition.HAS_ALL),
        (end(9, first_kept=7), 7, LedgerPosition.HAS_ALL),  # the tail itself is still there
        (end(6), 7, LedgerPosition.LACKS_NEWEST),
        (end(1), 7, LedgerPosition.LACKS_NEWEST),
        (end(0), 7, LedgerPosition.LACKS_NEWEST),
        (end(0, ledger_id="new"), 7, LedgerPosition.LACKS_NEWEST),  # emptied: it takes the old name
        (end(0, ledger_id=""), 7, LedgerPosition.LACKS_NEWEST),  # emptied while clients are connected
        (end(6, first_kept=6), 7, LedgerPosition.LACKS_NEWEST),
    ],
)
def test_which_side_has_more_entries(ledger: JournalEnd, tail_seq: int, position: LedgerPosition) -> None:
    assert compare_ends(ledger, numbered(1, first=tail_seq)[0] if tail_seq else None) is position


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        (end(7, ledger_id="other"), "another history"),
        (end(1, ledger_id="other"), "another history"),
        (end(3, ledger_id=""), "another history"),
        (end(12, first_kept=8), "ends at entry 7.*from 8 on"),  # entries between them are lost
        (end(9, first_kept=0), "can't be compared"),  # its own journal was removed
    ],
)
def test_diverged_histories_are_refused_with_a_remedy(ledger: JournalEnd, expected: str) -> None:
    with pytest.raises(JournalMismatch, match=f"(?s){expected}.*trading is halted.*move the journal away"):
        compare_ends(ledger, numbered(1, first=7)[0])


def test_entries_are_compared_by_meaning() -> None:
    entry = entries_of(plain_history())[2]
    spelled = msgspec.Raw(msgspec.json.format(bytes(entry.arguments), indent=1))
    assert is_same(entry, msgspec.structs.replace(entry, arguments=spelled)), "spacing is no difference"
    later = msgspec.Raw(bytes(entry.arguments)[:-1] + b',"added_later":1}')
    assert is_same(entry, msgspec.structs.replace(entry, arguments=later)), "nor is an unknown field"


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 4},
        {"ledger_id": "other"},
        {"verb": "next_number"},
        {"result": "refused:cash"},
        {"arguments": msgspec.Raw(msgspec.json.encode(plain_history()[5]))},
    ],
)
def test_any_other_difference_counts(changes: dict[str, object]) -> None:
    entries = entries_of(plain_history())[:3]
    other = [*entries[:2], msgspec.structs.replace(entries[2], **changes)]
    check_same(entries, entries)
    with pytest.raises(JournalMismatch, match=r"differ at entry 3: reserve \{.*in the ledger, .*in the journal"):
        check_same(entries, other)
