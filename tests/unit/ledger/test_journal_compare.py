"""Whether ledger and journal tell one story, as a table."""

from __future__ import annotations

import msgspec
import pytest

from support.journals import INCARNATION, entries_of, numbered, plain_history
from truebook.ledger.journal_compare import Standing, check_same, is_same, judge
from truebook.ledger.journal_port import JournalMismatch
from truebook.ledger.port import JournalEnd

NO_TAIL = None


def end(seq: int, first_kept: int = 1, incarnation: str = INCARNATION) -> JournalEnd:
    return JournalEnd(incarnation=incarnation, seq=seq, first_kept=first_kept if seq else 0, fenced=False)


@pytest.mark.parametrize(
    ("ledger", "tail_seq", "standing"),
    [
        (end(0), 0, Standing.AHEAD),  # a first start
        (end(7), 0, Standing.AHEAD),  # no journal yet, or it was moved away
        (end(7, first_kept=5), 0, Standing.AHEAD),
        (end(7), 7, Standing.AHEAD),
        (end(9), 7, Standing.AHEAD),
        (end(9, first_kept=7), 7, Standing.AHEAD),  # the tail itself is still there
        (end(6), 7, Standing.BEHIND),
        (end(1), 7, Standing.BEHIND),
        (end(0), 7, Standing.BEHIND),
        (end(0, incarnation="new"), 7, Standing.BEHIND),  # emptied: it takes the old name over
        (end(0, incarnation=""), 7, Standing.BEHIND),  # emptied beside living connections
        (end(6, first_kept=6), 7, Standing.BEHIND),
    ],
)
def test_who_knows_more(ledger: JournalEnd, tail_seq: int, standing: Standing) -> None:
    assert judge(ledger, numbered(1, first=tail_seq)[0] if tail_seq else None) is standing


@pytest.mark.parametrize(
    ("ledger", "told"),
    [
        (end(7, incarnation="other"), "another history"),
        (end(1, incarnation="other"), "another history"),
        (end(3, incarnation=""), "another history"),
        (end(12, first_kept=8), "ends at entry 7.*from 8 on"),  # entries between them are lost
        (end(9, first_kept=0), "can't be compared"),  # its own journal was removed
    ],
)
def test_two_stories_are_refused_with_what_to_do(ledger: JournalEnd, told: str) -> None:
    with pytest.raises(JournalMismatch, match=f"(?s){told}.*nothing is traded.*move the journal away"):
        judge(ledger, numbered(1, first=7)[0])


def test_entries_are_compared_by_what_they_mean() -> None:
    entry = entries_of(plain_history())[2]
    spelled = msgspec.Raw(msgspec.json.format(bytes(entry.arguments), indent=1))
    assert is_same(entry, msgspec.structs.replace(entry, arguments=spelled)), "spacing is no difference"
    later = msgspec.Raw(bytes(entry.arguments)[:-1] + b',"added_later":1}')
    assert is_same(entry, msgspec.structs.replace(entry, arguments=later)), "nor is a field that is not known here"


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 4},
        {"incarnation": "other"},
        {"verb": "next_number"},
        {"result": "refused:cash"},
        {"arguments": msgspec.Raw(msgspec.json.encode(plain_history()[5]))},
    ],
)
def test_any_other_difference_is_one(changes: dict[str, object]) -> None:
    entries = entries_of(plain_history())[:3]
    other = [*entries[:2], msgspec.structs.replace(entries[2], **changes)]
    check_same(entries, entries)
    with pytest.raises(JournalMismatch, match=r"differ at entry 3: reserve \{.*in the ledger, .*in the journal"):
        check_same(entries, other)
