"""Topic ``journal``: the ledger's journal, in its order, kept for ever: what a lost ledger is restored from."""

from __future__ import annotations

from truebook.messages.envelope import Message


class JournalRecorded(Message, frozen=True, kw_only=True, tag="journal_recorded"):
    """One change of the account. ``ticker`` is empty: the journal is of the account, and keyed by it."""

    seq: int
    """Numbers the changes of one history without gaps; a repeated entry is the same entry."""
    incarnation: str
    """Names the history; a ledger that lost its data begins another one."""
    verb: str
    arguments: str
    """The verb's arguments as JSON text, as the ledger wrote them."""
    result: str
