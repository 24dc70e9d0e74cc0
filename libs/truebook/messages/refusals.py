"""Topic ``refusals``: why a market was not observed or its observation not decided, counted over short windows."""

from __future__ import annotations

from truebook.messages.envelope import Message
from truebook.messages.reasons import Reason


class RefusalsCounted(Message, frozen=True, kw_only=True, tag="refusals_counted"):
    """What one service refused for one market in one window; at most one message per market and window.

    A market with no refusal in a window has no message. What execution and the ledger refuse is on the topic
    ``orders``, one event per target; why ingest does not select a market is on the topic ``markets``.
    """

    service: str
    since_us: int
    until_us: int
    """The window on the service's clock; it ends when the message was produced."""
    counts: dict[Reason, int]
