"""Topic ``account`` (compacted): the account's values and whether ledger and exchange agree, by the reconciler.

Keyed by account and ten minutes of time, ``sim-main/2982541``: live readers get every report, and compaction keeps the
last one of each ten minutes for ever, which is the history of the equity.
"""

from __future__ import annotations

from typing import Final

from truebook.messages.envelope import Message

WINDOW_US: Final = 600_000_000
"""Of each such window of time the newest report is kept."""


class AccountReported(Message, frozen=True, kw_only=True, tag="account_reported"):
    """The account at ``ledger_seq``; published every ten seconds and when it changes. ``ticker`` is empty.

    Null is not known. Amounts are those of ``truebook.ledger.valuation.AccountValues``.
    """

    ledger_seq: int
    opened: bool
    mode: str
    holds: tuple[str, ...]
    """Each as "NAME (MODE, by OWNER)"."""
    deposits_micros: int
    cash_micros: int
    overdrawn_micros: int
    reserved_micros: int
    position_cost_micros: int
    """What the open positions have cost: the exposure."""
    positions: int
    """Number of markets with an open position."""
    open_orders: int
    equity_micros: int | None
    """Null where a position has no known value."""
    valued_us: int | None
    """When the books were read that value the positions; null without positions or values."""
    realized_micros: int
    unrealized_micros: int | None
    fees_micros: int
    conservation_error_micros: int
    differences: tuple[str, ...] | None
    """What differed in the newest comparison with the exchange; null before the first one."""
    compared_us: int | None
    """When they were compared last."""
    true_since_us: int | None
    """Since when every comparison agreed, as far back as this reconciler runs; null while they differ."""
    unknown_orders: int
    """Orders whose outcome at the exchange is not known."""
    unknown_since_us: int | None
    """When the oldest of those was reserved."""
    daily_loss_micros: int | None
    """At the last mark; null while no limit of losses is set."""
    drawdown_micros: int | None


def record_key(report: AccountReported) -> str:
    """Return the key of a report's record."""
    return f"{report.account}/{report.produced_us // WINDOW_US}"
