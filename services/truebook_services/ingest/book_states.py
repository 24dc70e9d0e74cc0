"""The message of the topic ``book_states``. No I/O; ``FollowedBooks`` decides when one is due."""

from __future__ import annotations

from truebook.messages.book_states import BookState
from truebook.messages.reasons import Reason
from truebook.runtime.context import Context


def book_state(
    context: Context, ticker: str, *, epoch: int, version: int, confirmed_us: int, stale: Reason | None, number: int
) -> BookState:
    """Return the state of a market's book; ``number`` distinguishes the states of one version."""
    return BookState(
        id=f"{ticker}:{epoch}:{version}:state:{number}", cause_id="", account=context.account,
        strategy=context.strategy, ticker=ticker, source=context.source, exchange_us=None,
        produced_us=context.clock.now_us(), epoch=epoch, version=version, confirmed_us=confirmed_us, stale=stale,
    )  # fmt: skip
