"""Which markets the engine follows: the selection of ingest, with the exchange's metadata as calls.

Read are the metadata of the markets of the backtest; the exchange may list others, whose books are not followed. Life
cycle, schedule and filter are those of ``truebook.universe``, at the same times as in the services.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Final

import msgspec

from truebook.backtest.engine.periodic import NEVER_US
from truebook.backtest.engine.settings import DataRules
from truebook.clock import MICROS
from truebook.kalshi.port import LifecycleFrame
from truebook.ledger.rules.ledger import Ledger
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.simulation.events import MarketChanged
from truebook.simulation.venue.queries import VenueQueries
from truebook.universe.reported import NEW_MARKET_EVENTS, ReportedChanges, is_to_be_read
from truebook.universe.schedule import SelectionSchedule
from truebook.universe.selection import Universe, active_members, is_full

_STATUS_AFTER: Final = {
    "created": MarketStatus.INITIALIZED,
    "activated": MarketStatus.ACTIVE,
    "deactivated": MarketStatus.INACTIVE,
    "determined": MarketStatus.DETERMINED,
    "settled": MarketStatus.FINALIZED,
}


class Published(msgspec.Struct, frozen=True):
    """A market's metadata as its readers have them, and whether it is followed."""

    metadata: MarketMetadata
    selected: bool


Publish = Callable[[Published], None]
SetMembers = Callable[[dict[str, frozenset[str]]], None]


class Listing:
    """Selects by the rules; ``publish`` is called with each change of a market, ``set_members`` at each selection."""

    def __init__(
        self, rules: DataRules, tickers: Iterable[str], queries: VenueQueries, ledger: Ledger, *, publish: Publish,
        set_members: SetMembers,
    ) -> None:  # fmt: skip
        self._tickers = tuple(sorted(tickers))
        self._rules = msgspec.structs.replace(rules.universe, tickers=self._tickers, max_markets=len(self._tickers))
        self._queries = queries
        self._ledger = ledger
        self._publish = publish
        self._set_members = set_members
        self._universe = Universe(self._rules)
        self._schedule = SelectionSchedule(interval_s=rules.refresh_s, min_interval_s=rules.min_refresh_s)
        self._reported = ReportedChanges()
        self.metadata: dict[str, MarketMetadata] = {}
        """Of the markets that are or were followed and have not ended."""
        self._published: dict[str, Published] = {}
        self.selected: frozenset[str] = frozenset()

    def refresh(self, now_us: int) -> bool:
        """Select again if that is due; return whether it was."""
        if not self._schedule.is_due(now_us, now_us):
            return False
        self._schedule.begin(now_us)
        queries = self._queries
        read = {ticker: market for ticker in self._tickers if (market := queries.market(ticker)) is not None}
        listed = {ticker: self._reported.newer(market, now_us) for ticker, market in read.items()}
        others = (market for market in queries.markets() if market.ticker not in listed)
        self._set_members(active_members([*others, *listed.values()]))
        selected = self._universe.select(listed, {}, self.selected, self.pinned() & listed.keys(), now_us)
        for ticker in sorted(selected | (listed.keys() & self.metadata.keys())):
            self.metadata[ticker] = listed[ticker]
        is_changed, self.selected = selected != self.selected, selected
        self._publish_changes()
        self._drop_ended()
        self._schedule.end(
            [self.metadata[ticker] for ticker in selected], now_us, now_us,
            is_full=is_full(selected, self._rules), is_changed=is_changed,
        )  # fmt: skip
        return True

    # Idle time: see ``engine.idle``.

    @property
    def idle_state(self) -> Hashable:
        """What a further selection depends on, beside the exchange's markets and the ledger."""
        return self._schedule.interval_s, self._universe.failures

    @property
    def selected_us(self) -> int:
        """When markets were selected last."""
        return self._schedule.begun_us

    def repeat(self, now_us: int, until_us: int, every_us: int) -> None:
        """Take the selections until then as made: none of them changes anything."""
        self._schedule.repeat(now_us, until_us, every_us)

    def unchanged_until_us(self, now_us: int, near_close_us: int) -> int:
        """Return until when no listed market opens, closes, or is near its close."""
        margin_us = max(near_close_us, int(self._rules.min_time_to_close_s * MICROS)) + MICROS
        times = (at_us for one in self._queries.markets() for at_us in (one.open_us, one.close_us) if at_us > now_us)
        return min(times, default=NEVER_US) - margin_us

    def apply(self, changed: MarketChanged, now_us: int) -> None:
        """Apply what the exchange announces about a market."""
        frame = _frame_of(changed)
        market = self.metadata.get(frame.ticker)
        if market is None:
            if frame.event_type in NEW_MARKET_EVENTS and not is_full(self.selected, self._rules):
                self._schedule.soon()
            return
        updated = self.metadata[frame.ticker] = self._reported.apply(market, frame, now_us)
        self._publish_changes()
        if is_to_be_read(updated, frame):
            self._schedule.soon()

    def pinned(self) -> frozenset[str]:
        return frozenset(market.ticker for market in self._ledger.live_view().markets)

    def _publish_changes(self) -> None:
        for ticker, market in self.metadata.items():
            published = Published(market, ticker in self.selected)
            if self._published.get(ticker) != published:
                self._published[ticker] = published
                self._publish(published)

    def _drop_ended(self) -> None:
        for ticker, market in list(self.metadata.items()):
            is_listed = self._queries.market(ticker) is not None
            if (market.status is MarketStatus.FINALIZED or not is_listed) and ticker not in self.selected:
                del self.metadata[ticker]
                self._published.pop(ticker, None)
                self._reported.drop(ticker)


def _frame_of(changed: MarketChanged) -> LifecycleFrame:
    """Return the frame that announces a change: times are in whole seconds there."""
    metadata, kind = changed.metadata, changed.event_type
    has_close, has_grid = (
        kind in ("created", "close_date_updated"),
        kind in ("created", "price_level_structure_updated"),
    )
    return LifecycleFrame(
        sid=None, seq=None, received_us=0, ticker=metadata.ticker, event_type=kind,
        close_us=metadata.close_us // MICROS * MICROS if has_close else None,
        settlement_cc=metadata.settlement_cc if kind == "determined" else None,
        status=_STATUS_AFTER.get(kind), price_ranges=metadata.price_ranges if has_grid else None,
    )  # fmt: skip
