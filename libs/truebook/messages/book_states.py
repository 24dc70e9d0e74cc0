"""Topic ``book_states``: whether each followed book is fresh, published by ingest for readers that keep no books.

``epoch`` and ``version`` are those of the topic ``orderbook``. A state is complete in itself: the newest of a market
replaces all older ones, so that a lost or skipped record does no harm. How often one is published:
``truebook.book.state_pace``.
"""

from __future__ import annotations

from truebook.messages.envelope import Message
from truebook.messages.reasons import Reason


class BookState(Message, frozen=True, kw_only=True, tag="book_state"):
    """The state of one market's book."""

    epoch: int
    """One per start of ingest: a state of an older epoch is that of an instance that was replaced."""
    version: int
    """Number of changes of the book in this epoch."""
    confirmed_us: int
    """The newest exchange time received on the subscription: up to it a fresh book is known to be right."""
    stale: Reason | None
    """Why the book must not be used; null while it is fresh."""
