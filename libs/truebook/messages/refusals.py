"""Topic ``refusals``: why nothing was done, counted over short windows.

A market was not observed, its observation was not decided, or the decision changes nothing.
"""

from __future__ import annotations

from truebook.messages.actions import Action
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


class DecisionsCounted(Message, frozen=True, kw_only=True, tag="decisions_counted"):
    """Decisions of one model that change nothing in one market, and are not on the topic ``actions`` one by one.

    At most one message per market, model and window; a statistic, which no order depends on. ``cause_id`` is the
    observation of the newest of them.
    """

    model: str
    model_sha256: str
    since_us: int
    until_us: int
    """When the first and the newest of them were made."""
    counts: dict[Reason, int]
    reason: Reason
    """That of the newest."""


def decided_us(decided: Action | DecisionsCounted) -> int:
    """Return when a decision was made; of counted decisions the newest."""
    return decided.produced_us if isinstance(decided, Action) else decided.until_us
