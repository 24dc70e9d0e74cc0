"""Topic ``journal``: the ledger's journal in order, kept for ever: a lost ledger is restored from it."""

from __future__ import annotations

from truebook.messages.envelope import Message


class JournalRecorded(Message, frozen=True, kw_only=True, tag="journal_recorded"):
    """One change of the account. ``ticker`` is empty: the journal is keyed by the account."""

    seq: int
    """Numbers the entries of one ledger without gaps; a repeated number is the same entry."""
    ledger_id: str
    """Id of the ledger; one that lost its data gets another id."""
    verb: str
    arguments: str
    """The verb's arguments as JSON, as the ledger wrote them."""
    result: str
    previous_hash: str = ""
    """Hash of the entry before (SHA-256); empty where an earlier version copied the entry."""
