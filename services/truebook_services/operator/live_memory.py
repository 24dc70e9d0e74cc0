"""``LiveSource`` in the process that receives the messages: of an embedded run, or the dashboard's own over Kafka."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from itertools import islice
from typing import Final

import msgspec

from truebook.clock import MICROS, Clock
from truebook.features.layout import UnknownLayout
from truebook.features.plugins import BadPlugin, find_layout
from truebook.ledger.port import LedgerError, LedgerView
from truebook.live.state import LiveState
from truebook.live.system_views import ModelView, SystemView
from truebook.live.views import Changes, Lifecycle, MarketDetail
from truebook.messages.ids import digest
from truebook.models.pointer import Pointer
from truebook_services.operator.live import LiveSource
from truebook_services.operator.model_failures import described, failure_view, model_stopped
from truebook_services.operator.statistics import Statistics

LEDGER_EVERY_US: Final = 1 * MICROS
"""Interval between reads of the ledger, while pages are open."""
MAX_LATENCIES: Final = 2_000


class MemoryLive(LiveSource):
    """Reads the state that ``statistics`` feed; reads the ledger for positions and open orders."""

    def __init__(
        self, statistics: Statistics, clock: Clock, read_ledger: Callable[[], Awaitable[LedgerView]],
        pointer: Callable[[], Pointer | None], *, problem: Callable[[], str | None] = lambda: None,
    ) -> None:  # fmt: skip
        """``problem`` states what is not received at present, in a sentence; it raises what ended the reader."""
        assert statistics.live is not None
        self._state = statistics.live
        self._statistics = statistics
        self._clock = clock
        self._read_ledger = read_ledger
        self._pointer = pointer
        self._problem = problem
        self._ledger_due_us = 0
        self._ledger_problem: str | None = None

    async def changes(self, since: str | None = None) -> Changes:
        await self._refresh_ledger()
        changes = self._state.changes(since, self._clock.now_us())
        problems = [problem for problem in (self._problem(), self._ledger_problem) if problem is not None]
        return msgspec.structs.replace(changes, note="; ".join(problems) or None)

    async def market(self, ticker: str) -> MarketDetail | None:
        await self._refresh_ledger()
        return self._state.market(ticker, self._clock.now_us())

    async def lifecycle(self, action_id: str) -> Lifecycle | None:
        return self._state.lifecycle(action_id)

    async def model(self) -> ModelView:
        pointer, newest = self._pointer(), self._state.newest_decision
        return self._state.model(
            self._clock.now_us(), shadow=None if pointer is None or pointer.shadow is None else pointer.shadow.name,
            stopped=failure_view(model_stopped(() if newest is None else (newest,), pointer)),
            rolled_back=failure_view(described(None if pointer is None else pointer.rolled_back)),
        )  # fmt: skip

    async def system(self) -> SystemView:
        counted = self._statistics
        ordered = sorted(islice(reversed(counted.latencies_us), MAX_LATENCIES))
        p50, p99 = (ordered[(len(ordered) - 1) * share // 100] if ordered else None for share in (50, 99))
        return msgspec.structs.replace(
            self._state.system(self._clock.now_us()),
            refused=dict(sorted(counted.refused.items())), outcomes=dict(sorted(counted.outcomes.items())),
            stale=dict(sorted(counted.stale.items())), counts=dict(sorted(counted.counts.items())),
            skipped_messages=counted.counts["skipped_messages"], tick_to_send_p50_us=p50, tick_to_send_p99_us=p99,
        )  # fmt: skip

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _refresh_ledger(self) -> None:
        """Read the ledger if that is due; without it, positions stay as they were and the results state that."""
        now_us = self._clock.monotonic_us()
        if now_us < self._ledger_due_us:
            return
        self._ledger_due_us = now_us + LEDGER_EVERY_US
        try:
            self._state.take_ledger(await self._read_ledger())
        except LedgerError as error:
            self._ledger_problem = f"positions and open orders are not up to date: the ledger can't be read ({error})"
        else:
            self._ledger_problem = None


def live_state(statistics: Statistics, now_us: int, name: str) -> LiveState:
    """Return a new state that shares these statistics' books and evidence; ``name`` is that of the process."""
    return LiveState(
        statistics.books, statistics.evidence, epoch=digest(name, now_us)[:12], since_us=now_us, names=feature_names
    )  # fmt: skip


@cache
def feature_names(layout: str) -> tuple[str, ...]:
    """Return the names of a layout's features; none if it is not installed here."""
    try:
        return find_layout(layout).names
    except (UnknownLayout, BadPlugin):
        return ()
