"""``LiveSource`` while nothing runs: what the last run left in its state folder, nothing live."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from truebook.clock import MICROS
from truebook.evidence.records import MarketRecord, Snapshot
from truebook.live.system_views import AccountPoint, AccountState, ModelView, SystemView
from truebook.live.views import Changes, Lifecycle, MarketDetail, MarketRow
from truebook_services.operator.client import HttpOperator
from truebook_services.operator.live import LiveSource
from truebook_services.operator.model_failures import after_run, failure_view, read_pointer
from truebook_services.operator.port import NotRunning, Status
from truebook_services.operator.run_files import read_evidence, read_history, read_summary


class StoppedLive(LiveSource):
    """Reads the files at each question; a run that starts meanwhile ends it, by ``NotRunning``."""

    def __init__(self, folder: Path, account: str, models_path: Path) -> None:
        self._folder = folder
        self._account = account
        self._models_path = models_path

    async def changes(self, since: str | None = None) -> Changes:
        """Return everything once; the files do not change while nothing runs."""
        async with HttpOperator.of_folder(self._folder) as running:
            if running is not None:
                raise NotRunning("a system has started meanwhile", "connect to it: this view is of the last run")
        evidence, summary = read_evidence(self._folder), read_summary(self._folder)
        at_us = max(0 if evidence is None else evidence.at_us, 0 if summary is None else summary.at_us)
        version, note = f"stopped:{at_us}", _note(at_us)
        if since == version:
            return Changes(version=version, is_complete=False, is_live=False, note=note, at_us=at_us)
        points = read_history(self._folder)
        return Changes(
            version=version, is_complete=True, is_live=False, note=note, at_us=at_us,
            rows=() if evidence is None else tuple(_row(market) for market in evidence.markets),
            points=tuple(points), services=(),
            account=None if summary is None else _account(self._account, summary, points),
            funnel=None if evidence is None else evidence.funnel,
        )  # fmt: skip

    async def market(self, ticker: str) -> MarketDetail | None:
        evidence = read_evidence(self._folder)
        record = next((each for each in _markets(evidence) if each.ticker == ticker), None)
        if evidence is None or record is None:
            return None
        return MarketDetail(
            at_us=evidence.at_us, row=_row(record), bids=(), asks=(), more_levels=0, prices=(), fills=(),
            decisions=tuple(reversed(record.decisions)), counted=record.counted, refused=record.refused, orders=(),
            position_cost_micros=None, realized_micros=None, unrealized_micros=None, fees_micros=None,
            settlement_cc=None,
        )  # fmt: skip

    async def lifecycle(self, action_id: str) -> Lifecycle | None:
        """Return None: decisions are joined while a system runs; ``market`` has the last ones gate by gate."""
        return None

    async def model(self) -> ModelView:
        last, pointer = read_summary(self._folder), read_pointer(self._models_path)
        summary = None if last is None else after_run(last, pointer)
        return ModelView(
            at_us=0 if summary is None else summary.at_us, active=None if pointer is None else pointer.active.name,
            active_sha256=None if pointer is None else pointer.active.sha256,
            shadow=None if pointer is None or pointer.shadow is None else pointer.shadow.name,
            stopped=None if summary is None else failure_view(summary.model_stopped),
            rolled_back=None if summary is None else failure_view(summary.model_rolled_back),
            minutes=(), probabilities=(), observations=(), calibration=(),
        )  # fmt: skip

    async def system(self) -> SystemView:
        summary = read_summary(self._folder)
        if summary is None:
            return SystemView(
                at_us=0, since_us=0, services=(), dead_letters=(), dead_letter_count=0, refused={}, outcomes={},
                stale={}, counts={}, skipped_messages=0, tick_to_send_p50_us=None, tick_to_send_p99_us=None,
            )  # fmt: skip
        orders, latency = summary.orders, summary.tick_to_order_ms
        outcomes = {
            name: getattr(orders, name) for name in ("sent", "acknowledged", "rejected", "cancelled", "unknown")
        }
        return SystemView(
            at_us=summary.at_us, since_us=summary.at_us - int(summary.seconds * MICROS), services=(), dead_letters=(),
            dead_letter_count=summary.dead_letters, refused=dict(orders.refused), outcomes=outcomes,
            stale=dict(summary.stale_books or {}),
            counts={
                "observations": summary.observations, "actions": summary.actions, "decisions": summary.decisions or 0,
            },
            skipped_messages=summary.skipped_messages or 0,
            tick_to_send_p50_us=None if latency.p50 is None else round(latency.p50 * 1000),
            tick_to_send_p99_us=None if latency.p99 is None else round(latency.p99 * 1000),
        )  # fmt: skip

    async def aclose(self) -> None:
        """Nothing is open."""


def _note(at_us: int) -> str:
    if not at_us:
        return "nothing runs, and nothing has run in this state folder yet: start with `truebook run`"
    return f"nothing runs: this is what the last run left at {datetime.fromtimestamp(at_us / MICROS, UTC):%F %T} UTC"


def _markets(evidence: Snapshot | None) -> Iterator[MarketRecord]:
    yield from () if evidence is None else evidence.markets


def _row(record: MarketRecord) -> MarketRow:
    """Return a market's line without anything that only a running system has."""
    return MarketRow(
        ticker=record.ticker, event="", status=record.status, selected=record.selected, exclusion=record.exclusion,
        bid_cc=None, bid_centi=None, ask_cc=None, ask_centi=None, last_cc=None, stale="not_live", stale_since_us=None,
        updated_us=record.observed_us or None, close_us=None, position_centi=None, open_orders=None,
        updates=record.book_updates, decisions=len(record.decisions) + sum(record.counted.values()),
        last_reason=record.last_reason, mids=(),
    )  # fmt: skip


def _account(account: str, summary: Status, points: list[AccountPoint]) -> AccountState:
    """Return the account as of the end of the run."""
    last = points[-1] if points else None
    return AccountState(
        at_us=summary.at_us, account=account, ledger_seq=None, opened=True, mode=summary.mode, holds=summary.holds,
        deposits_micros=summary.deposits_micros, cash_micros=summary.cash_micros,
        overdrawn_micros=summary.overdrawn_micros, reserved_micros=summary.reserved_micros,
        position_cost_micros=summary.position_cost_micros, positions=None, open_orders=None,
        equity_micros=summary.equity_micros, valued_us=None if last is None else last.at_us,
        realized_micros=summary.realized_micros, unrealized_micros=summary.unrealized_micros,
        fees_micros=summary.fees_micros, conservation_error_micros=summary.conservation_error_micros,
        differences=None if summary.ledger_equals_exchange is None else summary.differences,
        compared_us=None if summary.ledger_equals_exchange is None else summary.at_us, true_since_us=None,
        unknown_orders=len(summary.unresolved_orders), unknown_since_us=None, daily_loss_micros=None,
        drawdown_micros=None, peak_micros=None, below_peak_micros=None,
    )  # fmt: skip
