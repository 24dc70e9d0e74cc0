"""Status and explanation from what was counted and from the ledger: the same for all ways of running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from truebook.evidence.recorder import Recorder
from truebook.ledger.port import AccountView, LedgerView
from truebook.ledger.reconcile import Difference
from truebook.ledger.valuation import Levels, account_values, hold_labels
from truebook_services.operator.order_counts import OrderCounts
from truebook_services.operator.port import ModelFailure, Orders, Status, Why
from truebook_services.operator.statistics import Statistics
from truebook_services.serving.exit_codes import NOTHING_TRADABLE

COUNTS: Final = (
    "deltas", "public_trades", "observations", "decisions", "actions", "fills", "settlements", "dead_letters",
    "skipped_messages",
)  # fmt: skip
ORDER_OUTCOMES: Final = ("sent", "acknowledged", "rejected", "cancelled", "unknown", "resolved", "kept")


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What identifies a run; ``seed`` and ``model`` are null where no single process has them."""

    seconds: float
    at_us: int
    market_data: str
    seed: int | None = None
    model: str | None = None
    model_stopped: ModelFailure | None = None
    model_rolled_back: ModelFailure | None = None
    adjusted_in_run_micros: int | None = None


def status_of(
    statistics: Statistics,
    view: LedgerView,
    books: Mapping[str, tuple[Levels, Levels]] | None,
    differences: Sequence[Difference] | None,
    info: RunInfo,
    *,
    before: LedgerView | None = None,
    order_counts: OrderCounts | None = None,
) -> Status:
    """Combine counters and ledger; ``differences`` is None while ledger and exchange have not been compared.

    ``books`` value the positions; None where they can't be read. ``before`` is the ledger at the start of the run: the
    numbers of fills, filled markets and settlements are differences to it, and ``order_counts`` has the outcomes of the
    run's orders and its fills, which the funnel of ``why`` has too. Without them they are those of the messages.
    """
    outcomes = {name: statistics.outcomes[name] for name in ORDER_OUTCOMES}
    counts: dict[str, Any] = {name: statistics.counts[name] for name in COUNTS}
    filled_markets = len(statistics.filled_tickers)
    if before is not None:
        fills_before = {market.ticker: market.fills for market in before.markets}
        counts["fills"] = sum(market.fills for market in view.markets) - sum(fills_before.values())
        filled_markets = sum(
            market.fills > fills_before.get(market.ticker, 0) for market in view.markets if not market.pruned_markets
        )
        counts["settlements"] = _settled(view) - _settled(before)
    if order_counts is not None and order_counts.is_complete:
        outcomes |= order_counts.counts
        counts["fills"] = order_counts.fills
    return Status(
        **msgspec.structs.asdict(account_values(view, books)),
        **msgspec.structs.asdict(info),
        **counts,
        markets=len(statistics.books) + statistics.dropped_markets,
        stale_books=_sorted(statistics.stale),
        orders=Orders(**outcomes, refused=_sorted(statistics.refused)),
        fills_by_basis=_sorted(statistics.fills_by_basis),
        fills_by_side=_sorted(statistics.fills_by_side),
        filled_markets=filled_markets,
        ledger_equals_exchange=None if differences is None else not differences,
        differences=tuple(str(difference) for difference in differences or ()),
        tick_to_order_ms=statistics.latency(),
        not_traded=None if outcomes["sent"] or not info.seconds else statistics.evidence.funnel(info.at_us).verdict,
    )


def exit_code(status: Status, statistics: Statistics) -> int:
    """Return the exit code of a run: see ``serving.exit_codes``."""
    if not is_consistent(status):
        return 1
    nothing_tradable = not statistics.was_selected and statistics.evidence.excludes_all
    return NOTHING_TRADABLE if nothing_tradable else 0


def _settled(view: LedgerView) -> int:
    return sum(market.pruned_markets or market.settlement_cc is not None for market in view.markets)


def _sorted(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items()))


def is_consistent(status: Status) -> bool:
    """Whether a run may end with exit code 0. Differences that earlier adjustments have corrected do not count."""
    return (
        status.conservation_error_micros == 0
        and status.reserved_micros == 0
        and status.ledger_equals_exchange is True
        and not status.unresolved_orders
    )


def why_of(evidence: Recorder, ticker: str | None, now_us: int, account: AccountView) -> Why:
    """Combine the recorded evidence with the ledger's mode and trading holds."""
    return Why(
        at_us=now_us,
        funnel=evidence.funnel(now_us),
        market=None if ticker is None else evidence.market(ticker),
        mode=account.mode,
        holds=hold_labels(account),
    )
