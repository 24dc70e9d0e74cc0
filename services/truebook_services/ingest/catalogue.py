"""What is known of markets, and which of them are followed: written to the topic ``markets``.

Facts come from REST at every choice of the universe and, in between, from the exchange's life-cycle frames. Only
markets that are or were followed are published; one that is over and not followed any more is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Sequence

import msgspec

from truebook.clock import MICROS
from truebook.kalshi.port import ExchangeError, LifecycleFrame, NotFound, RateLimited, RestClient
from truebook.ledger.port import LedgerStore
from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketFacts, MarketStatus
from truebook.messages.markets import Market
from truebook.runtime.context import Context
from truebook.runtime.frames import Incoming
from truebook.venue.lifecycle import may_become, takes_orders
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.outbox import Outbox
from truebook_services.ingest.settings import IngestSettings
from truebook_services.ingest.universe import Shape, Universe, is_of_shard

NEVER_US = 2**62
NEW_MARKET_EVENTS = frozenset({"created", "activated"})


class Catalogue:
    """Facts of followed markets, and the choice of the universe."""

    def __init__(
        self, context: Context, settings: IngestSettings, rest: RestClient, ledger: LedgerStore, books: FollowedBooks,
        outbox: Outbox,
    ) -> None:  # fmt: skip
        self._context = context
        self._settings = settings
        self._rest = rest
        self._ledger = ledger
        self._books = books
        self._outbox = outbox
        self._universe = Universe(settings.universe)
        self._facts: dict[str, MarketFacts] = {}
        self._published: dict[str, Market] = {}
        self._shapes: dict[str, tuple[int, Shape]] = {}
        self._refresh_at_us = 0
        self._refreshed_us = 0
        self._next_turn_us = NEVER_US
        self._pace_s = settings.refresh_soon_s / 2
        self._count = 0
        self.wanted: frozenset[str] = frozenset()
        self.chosen_once = False

    def event_of(self, ticker: str) -> str:
        return self._facts[ticker].event

    def refresh_soon(self) -> None:
        """Bring the next choice forward, as far as ``refresh_soon_s`` lets it."""
        self._pace_s = self._settings.refresh_soon_s
        self._refresh_at_us = min(self._refresh_at_us, self._refreshed_us + int(self._pace_s * MICROS))

    def facts_changed(self) -> None:
        """The exchange told that an event's or a series' facts (its fees) are others now."""
        self._rest.forget_facts()
        self.refresh_soon()

    def is_due(self) -> bool:
        """Tell whether it is time to choose.

        The cadence is of the steady clock: it spends the exchange's patience, not its time. Opening and closing of a
        followed market are times to look too: nobody announces a close.
        """
        if self._context.clock.now_us() >= self._next_turn_us:
            self._next_turn_us = NEVER_US
            return True
        return self._context.clock.monotonic_us() >= self._refresh_at_us

    async def refresh(self) -> None:
        """Choose the universe anew and publish what has changed; raises what REST or the ledger raise."""
        now_us = self._context.clock.now_us()
        self._refreshed_us = self._context.clock.monotonic_us()
        self._refresh_at_us = self._refreshed_us + int(self._settings.refresh_soon_s * MICROS)
        pinned = await self._pinned()
        listed = {
            ticker: self._newer(ticker, read)
            for ticker, read in (await self._list(pinned)).items()
            if is_of_shard(read, self._settings.universe)
        }
        self._books.know_events(_members(listed.values()))
        shapes = self._own_shapes() | await self._probe(listed, now_us)
        chosen = self._universe.choose(listed, shapes, self.wanted, pinned & listed.keys(), now_us)
        for ticker in sorted(chosen | (listed.keys() & self._facts.keys())):
            self._facts[ticker] = listed[ticker]
        is_changed, self.wanted, self.chosen_once = chosen != self.wanted, chosen, True
        self._publish_changes()
        self._forget(listed.keys())
        self._context.metrics.gauge("followed_markets", len(chosen))
        self._plan([self._facts[ticker] for ticker in chosen], now_us, is_changed=is_changed)

    def _is_full(self) -> bool:
        universe = self._settings.universe
        places = min(universe.most_markets, len(universe.tickers) or universe.most_markets)
        return len(self.wanted) >= places

    def _plan(self, followed: Sequence[MarketFacts], now_us: int, *, is_changed: bool) -> None:
        """Look again soon while places are free, but ever more seldom while that finds nothing."""
        turns_us = [turn_us for facts in followed for turn_us in (facts.open_us, facts.close_us) if turn_us > now_us]
        self._next_turn_us = min(turns_us, default=NEVER_US)
        if any(_is_behind(facts, now_us) for facts in followed):
            self._pace_s = self._settings.refresh_soon_s
        elif self._is_full():
            self._pace_s = self._settings.refresh_s
        elif is_changed:
            self._pace_s = self._settings.refresh_soon_s
        else:
            self._pace_s = min(2 * self._pace_s, self._settings.refresh_s)
        self._refresh_at_us = self._refreshed_us + int(self._pace_s * MICROS)

    def take_lifecycle(self, frame: LifecycleFrame) -> None:
        """Take news of one market's state; news of markets that are not known may be of one to be chosen."""
        facts = self._facts.get(frame.ticker)
        if facts is None:
            if frame.event_type in NEW_MARKET_EVENTS and not self._is_full():
                self.refresh_soon()
            return
        status = frame.status if frame.status and may_become(facts.status, frame.status) else facts.status
        self._facts[frame.ticker] = msgspec.structs.replace(
            facts,
            status=status,
            close_us=facts.close_us if frame.close_us is None else frame.close_us,
            settlement_cc=facts.settlement_cc if frame.settlement_cc is None else frame.settlement_cc,
        )
        self._context.log.info("market changed", ticker=frame.ticker, news=frame.event_type, status=str(status))
        self._publish_changes()
        if not takes_orders(status):
            self.refresh_soon()

    async def take_earlier(self, batch: Sequence[Incoming]) -> None:
        """Read back what earlier lives published, so that markets which they followed and we do not are let go.

        Another shard's markets are its own affair.
        """
        for incoming in batch:
            message = incoming.message
            if not isinstance(message, Market) or not is_of_shard(message.facts, self._settings.universe):
                continue
            if message.chosen and message.ticker not in self._published:
                self._published[message.ticker] = message
                self._facts.setdefault(message.ticker, message.facts)
        if self.chosen_once:
            self._publish_changes()

    async def _pinned(self) -> frozenset[str]:
        view = await self._ledger.view()
        return frozenset(
            market.ticker
            for market in view.markets
            if market.orders or (market.position_centi != 0 and market.settlement_cc is None)
        )

    async def _list(self, pinned: frozenset[str]) -> dict[str, MarketFacts]:
        """Read the open markets that the filter can take, and apart from them the ones that we must know of."""
        universe = self._settings.universe
        if universe.tickers:
            found = await self._rest.markets(tickers=universe.tickers)
        else:
            found = [
                facts
                for series in universe.series or (None,)
                for facts in await self._rest.markets(status="open", series=series, multivariate=universe.multivariate)
            ]
        listed = {facts.ticker: facts for facts in found}
        missing = sorted((pinned | self.wanted | self._facts.keys()) - listed.keys())
        if missing:
            listed |= {facts.ticker: facts for facts in await self._rest.markets(tickers=missing)}
        return listed

    def _own_shapes(self) -> dict[str, Shape]:
        shapes = {}
        for followed in self._books.all():
            if followed.stale is None:
                bid, ask = followed.book.best(BookSide.BID), followed.book.best(BookSide.ASK)
                shapes[followed.ticker] = _shape(bid, ask)
        return shapes

    async def _probe(self, listed: dict[str, MarketFacts], now_us: int) -> dict[str, Shape]:
        """Read the books of the busiest candidates by REST, a few each time, and keep them a while.

        At most twice as many candidates as there are places are ever looked at.
        """
        valid_us = int(self._settings.probe_valid_s * MICROS)
        self._shapes = {ticker: at for ticker, at in self._shapes.items() if now_us - at[0] < valid_us}
        universe = self._settings.universe
        newcomers = self._universe.newcomers(listed.values(), self.wanted, now_us)[: 2 * universe.most_markets]
        unknown = [
            each for each in newcomers if each.ticker not in self._shapes and each.ticker not in universe.tickers
        ]
        for facts in unknown[: self._settings.most_probes]:
            try:
                book = await self._rest.book(facts.ticker)
            except NotFound:
                continue
            except RateLimited:
                break
            except ExchangeError as error:
                if not error.retry:
                    raise
                self._context.log.warning("candidate's book not read", ticker=facts.ticker, error=str(error))
                break
            shape = _shape(book.bids[0] if book.bids else None, book.asks[0] if book.asks else None)
            self._shapes[facts.ticker] = (now_us, shape)
        return {ticker: shape for ticker, (_, shape) in self._shapes.items()}

    def _newer(self, ticker: str, read: MarketFacts) -> MarketFacts:
        """Of two states of a market the later one holds: a REST answer may be older than a life-cycle frame."""
        known = self._facts.get(ticker)
        if known is not None and may_become(read.status, known.status) and not may_become(known.status, read.status):
            return msgspec.structs.replace(read, status=known.status, settlement_cc=known.settlement_cc)
        return read

    def _publish_changes(self) -> None:
        for ticker, facts in list(self._facts.items()):
            chosen, before = ticker in self.wanted, self._published.get(ticker)
            if before is None or before.facts != facts or before.chosen != chosen:
                self._publish(facts, chosen)

    def _forget(self, known_to_exchange: KeysView[str]) -> None:
        """Drop markets that are over, or that the exchange does not know (any more), once that is published."""
        for ticker, facts in list(self._facts.items()):
            is_over = facts.status is MarketStatus.FINALIZED or ticker not in known_to_exchange
            if is_over and ticker not in self.wanted:
                del self._facts[ticker]
                self._published.pop(ticker, None)

    def _publish(self, facts: MarketFacts, chosen: bool) -> None:
        context, now_us = self._context, self._context.clock.now_us()
        self._count += 1
        message = Market(
            id=f"{facts.ticker}:market:{self._books.epoch}:{self._count}:{now_us}", cause_id="",
            account=context.account, strategy=context.strategy, ticker=facts.ticker, source=context.source,
            exchange_us=None, produced_us=now_us, facts=facts, chosen=chosen,
        )  # fmt: skip
        self._published[facts.ticker] = message
        self._outbox.put_market(message)


def _shape(bid: tuple[int, int] | None, ask: tuple[int, int] | None) -> Shape:
    if bid is None or ask is None:
        return Shape(None, 0)
    return Shape(ask[0] - bid[0], min(bid[1], ask[1]))


def _is_behind(facts: MarketFacts, now_us: int) -> bool:
    """Tell whether the exchange has yet to say that the market has opened or closed, though its time has come."""
    if facts.status is MarketStatus.INITIALIZED:
        return facts.open_us <= now_us
    return facts.status is MarketStatus.ACTIVE and facts.close_us <= now_us


def _members(listed: Iterable[MarketFacts]) -> dict[str, frozenset[str]]:
    members: dict[str, set[str]] = {}
    for facts in listed:
        if facts.status is MarketStatus.ACTIVE:
            members.setdefault(facts.event, set()).add(facts.ticker)
    return {event: frozenset(tickers) for event, tickers in members.items()}
