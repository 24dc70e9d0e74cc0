"""The metadata of followed markets and the selection of the universe, published on the topic ``markets``.

Metadata is read from REST at each selection and updated in between by the exchange's life-cycle frames. Published are
the markets that are or were followed, and a bounded number of others with the reason why they are not selected. A
market that has ended and is not followed any more is dropped, and deleted from the compacted topic.
"""

from __future__ import annotations

import heapq
from collections.abc import KeysView, Mapping, Sequence

from truebook.clock import MICROS
from truebook.kalshi.port import ExchangeError, LifecycleFrame, ListedMarket, NotFound, RateLimited, RestClient
from truebook.ledger.port import LedgerStore
from truebook.messages.envelope import BookSide, Tombstone
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.messages.markets import Exclusion, MarketUpdated
from truebook.runtime.context import Context
from truebook.runtime.frames import Incoming
from truebook.universe.reported import NEW_MARKET_EVENTS, ReportedChanges, is_to_be_read
from truebook.universe.schedule import SelectionSchedule
from truebook.universe.selection import (
    TopOfBook,
    Universe,
    active_members,
    busiest_first,
    choose_candidates,
    is_full,
    is_of_shard,
)
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.outbox import Outbox
from truebook_services.ingest.settings import IngestSettings

DELETED_AFTER_S = 600
"""Compaction may remove a market's last message as soon as the market is deleted; a reader may lag by so long."""


class Catalogue:
    """Selects the universe and publishes what changes about its markets."""

    def __init__(
        self, context: Context, settings: IngestSettings, *, rest: RestClient, ledger: LedgerStore,
        books: FollowedBooks, outbox: Outbox,
    ) -> None:  # fmt: skip
        self._context = context
        self._settings = settings
        self._rest = rest
        self._ledger = ledger
        self._books = books
        self._outbox = outbox
        self._rules = settings.universe.rules()
        self._universe = Universe(self._rules)
        self._schedule = SelectionSchedule(interval_s=settings.refresh_s, min_interval_s=settings.min_refresh_s)
        self._metadata: dict[str, MarketMetadata] = {}
        self._published: dict[str, MarketUpdated] = {}
        self._exclusions: dict[str, Exclusion] = {}
        """Why each tracked market that is not selected is excluded."""
        self._excluded: dict[str, MarketUpdated] = {}
        """The newest message about each published market that was never followed."""
        self._reported = ReportedChanges()
        self._dropped_us: dict[str, int] = {}
        """When each market was dropped that the topic still has (monotonic)."""
        self._probed: dict[str, tuple[int, TopOfBook]] = {}
        self._count = 0
        self.selected: frozenset[str] = frozenset()
        self.has_selected = False

    def event_of(self, ticker: str) -> str:
        return self._metadata[ticker].event

    def refresh_soon(self) -> None:
        """Bring the next selection forward, to ``min_refresh_s`` after the last one."""
        self._schedule.soon()

    def fees_changed(self) -> None:
        """Read the fees of events and series again: the exchange reported a change."""
        self._rest.clear_metadata_cache()
        self.refresh_soon()

    def is_due(self) -> bool:
        """Return whether a selection is due, by its interval or at a followed market's open or close."""
        return self._schedule.is_due(self._context.clock.now_us(), self._context.clock.monotonic_us())

    async def refresh(self) -> None:
        """Select the universe again and publish what has changed; raises ``ExchangeError`` or ``LedgerError``."""
        now_us = self._context.clock.now_us()
        self._schedule.begin(self._context.clock.monotonic_us())
        pinned = await self._pinned()
        opened, read = await self._list(pinned, now_us)
        listed = {
            ticker: self._reported.newer(market, self._schedule.begun_us)
            for ticker, market in read.items()
            if is_of_shard(market, self._rules)
        }
        others = [market for market in opened if market.ticker not in listed]
        self._books.set_event_members(active_members([*others, *listed.values()]))
        tops = self._followed_tops() | await self._probe(listed, now_us)
        selected = self._universe.select(listed, tops, self.selected, pinned & listed.keys(), now_us)
        for ticker in sorted(selected | (listed.keys() & self._metadata.keys())):
            self._metadata[ticker] = listed[ticker]
        is_changed, self.selected, self.has_selected = selected != self.selected, selected, True
        self._exclude(listed, tops, now_us)
        self._publish_changes()
        self._drop_ended(listed.keys())
        self._delete_dropped()
        self._context.metrics.gauge("selected_markets", len(selected))
        self._schedule.end(
            [self._metadata[ticker] for ticker in selected], now_us, self._context.clock.monotonic_us(),
            is_full=is_full(selected, self._rules), is_changed=is_changed,
        )  # fmt: skip

    def apply_lifecycle(self, frame: LifecycleFrame) -> None:
        """Apply a change of one market's state; a new market, of which nothing is known, may be worth selecting."""
        market = self._metadata.get(frame.ticker)
        if market is None:
            if frame.event_type in NEW_MARKET_EVENTS and not is_full(self.selected, self._rules):
                self.refresh_soon()
            return
        changed = self._reported.apply(market, frame, self._context.clock.monotonic_us())
        self._metadata[frame.ticker] = changed
        self._context.log.info(
            "market changed", ticker=frame.ticker, change=frame.event_type, status=str(changed.status)
        )
        self._publish_changes()
        if is_to_be_read(changed, frame):
            self.refresh_soon()  # REST also confirms or denies that a closed market is open again

    async def read_published(self, batch: Sequence[Incoming]) -> None:
        """Read what earlier instances of this shard published.

        Markets that only they followed are deselected; those that are not tracked any more are deleted from the topic.
        """
        now_us = self._context.clock.monotonic_us()
        for incoming in batch:
            message = incoming.message
            if isinstance(message, Tombstone):
                self._dropped_us.pop(incoming.record.key, None)
                continue
            if not isinstance(message, MarketUpdated) or not is_of_shard(message.metadata, self._rules):
                continue
            if not message.selected:
                self._dropped_us.setdefault(message.ticker, now_us)
            elif message.ticker not in self._published:
                self._published[message.ticker] = message
                self._metadata.setdefault(message.ticker, message.metadata)
        if self.has_selected:
            self._publish_changes()

    async def _pinned(self) -> frozenset[str]:
        return frozenset(market.ticker for market in (await self._ledger.live_view()).markets)

    async def _list(self, pinned: frozenset[str], now_us: int) -> tuple[list[ListedMarket], dict[str, MarketMetadata]]:
        """Read all open markets of this shard, and the metadata of the candidates and of pinned and published ones.

        Where the settings name markets, only these are read.
        """
        universe = self._rules
        opened: list[ListedMarket] = []
        for series in () if universe.tickers else universe.series or (None,):
            found = await self._rest.open_markets(series=series, multivariate=universe.multivariate)
            opened += [market for market in found if is_of_shard(market, universe)]
        wanted = choose_candidates(opened, universe, now_us) | set(universe.tickers)
        wanted |= pinned | self.selected | self._metadata.keys()
        wanted |= self._excluded.keys() & {market.ticker for market in opened}
        found_metadata = await self._rest.markets(tickers=sorted(wanted)) if wanted else []
        return opened, {market.ticker: market for market in found_metadata}

    def _followed_tops(self) -> dict[str, TopOfBook]:
        return {
            followed.ticker: _top(followed.book.best(BookSide.BID), followed.book.best(BookSide.ASK))
            for followed in self._books.all()
            if followed.stale is None
        }

    async def _probe(self, listed: dict[str, MarketMetadata], now_us: int) -> dict[str, TopOfBook]:
        """Read the books of the busiest candidates by REST, ``max_probes`` per selection, and cache the results.

        Only the busiest candidates, twice as many as there are places, are considered.
        """
        valid_us = int(self._settings.probe_valid_s * MICROS)
        self._probed = {ticker: at for ticker, at in self._probed.items() if now_us - at[0] < valid_us}
        universe = self._rules
        newcomers = self._universe.newcomers(listed.values(), self.selected, now_us)[: 2 * universe.max_markets]
        unknown = [
            each for each in newcomers if each.ticker not in self._probed and each.ticker not in universe.tickers
        ]
        for market in unknown[: self._settings.max_probes]:
            try:
                book = await self._rest.book(market.ticker)
            except NotFound:
                continue
            except RateLimited:
                break
            except ExchangeError as error:
                if not error.retry:
                    raise
                self._context.log.warning("could not read a candidate's book", ticker=market.ticker, error=str(error))
                break
            top = _top(book.bids[0] if book.bids else None, book.asks[0] if book.asks else None)
            self._probed[market.ticker] = (now_us, top)
        return {ticker: top for ticker, (_, top) in self._probed.items()}

    def _exclude(self, listed: Mapping[str, MarketMetadata], tops: Mapping[str, TopOfBook], now_us: int) -> None:
        """Find the exclusion of each unselected market, and publish those of markets that were never followed.

        Of these at most ``max_excluded`` are published: the ones that the settings name first, then the busiest.
        """
        universe, excluded = self._rules, self._excluded
        self._exclusions = {
            ticker: self._universe.exclusion(listed[ticker], tops.get(ticker), now_us)
            if ticker in listed else Exclusion.NOT_LISTED
            for ticker in self._metadata.keys() - self.selected
        }  # fmt: skip
        for ticker in sorted(excluded.keys() - self._metadata.keys() - listed.keys()):
            self._publish(excluded[ticker].metadata, selected=False, exclusion=Exclusion.NOT_LISTED)
            self._dropped_us[ticker] = self._schedule.begun_us
        known = excluded.keys() & listed.keys() - self._metadata.keys()
        new = [market for ticker, market in listed.items() if ticker not in known and ticker not in self._metadata]
        room = max(0, universe.max_excluded - len(known))
        added = heapq.nsmallest(room, new, key=lambda each: (each.ticker not in universe.tickers, busiest_first(each)))
        self._excluded = {ticker: excluded[ticker] for ticker in known}
        for market in [*(listed[ticker] for ticker in sorted(known)), *added]:
            exclusion = self._universe.exclusion(market, tops.get(market.ticker), now_us)
            before = self._excluded.get(market.ticker)
            if before is None or (before.exclusion, before.metadata.status) != (exclusion, market.status):
                self._excluded[market.ticker] = self._publish(market, selected=False, exclusion=exclusion)

    def _publish_changes(self) -> None:
        for ticker, market in list(self._metadata.items()):
            selected, before = ticker in self.selected, self._published.get(ticker)
            exclusion = None if selected else self._exclusions.get(ticker)
            if before is None or (before.metadata, before.selected, before.exclusion) != (market, selected, exclusion):
                self._published[ticker] = self._publish(market, selected=selected, exclusion=exclusion)

    def _drop_ended(self, listed: KeysView[str]) -> None:
        """Drop markets that have ended or that the exchange does not list, once that is published."""
        for ticker, market in list(self._metadata.items()):
            has_ended = market.status is MarketStatus.FINALIZED or ticker not in listed
            if has_ended and ticker not in self.selected:
                del self._metadata[ticker]
                self._dropped_us[ticker] = self._schedule.begun_us
                self._published.pop(ticker, None)
                self._reported.drop(ticker)

    def _delete_dropped(self) -> None:
        """Delete dropped markets from the topic, once every reader has seen their last message."""
        until_us = self._schedule.begun_us - DELETED_AFTER_S * MICROS
        for ticker, at_us in list(self._dropped_us.items()):
            if ticker in self._metadata or ticker in self._excluded:
                del self._dropped_us[ticker]
            elif at_us <= until_us:
                del self._dropped_us[ticker]
                self._outbox.delete_market(ticker)

    def _publish(self, market: MarketMetadata, *, selected: bool, exclusion: Exclusion | None) -> MarketUpdated:
        context, now_us = self._context, self._context.clock.now_us()
        self._count += 1
        message = MarketUpdated(
            id=f"{market.ticker}:market:{self._books.epoch}:{self._count}:{now_us}", cause_id="",
            account=context.account, strategy=context.strategy, ticker=market.ticker, source=context.source,
            exchange_us=None, produced_us=now_us, metadata=market, selected=selected, exclusion=exclusion,
        )  # fmt: skip
        self._outbox.put_market(message)
        return message


def _top(bid: tuple[int, int] | None, ask: tuple[int, int] | None) -> TopOfBook:
    if bid is None or ask is None:
        return TopOfBook(None, 0)
    return TopOfBook(ask[0] - bid[0], min(bid[1], ask[1]))
