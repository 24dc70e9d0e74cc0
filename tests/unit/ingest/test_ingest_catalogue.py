"""The catalogue: what is read from REST and the ledger, when, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from support.fakes_market import FakeFeed, FakeMarketRest, context, facts, opened_ledger
from truebook.bus.port import Record
from truebook.clock import ManualClock
from truebook.kalshi.port import LifecycleFrame, RateLimited, Unreachable
from truebook.ledger.port import Acknowledge, Reserve, SettleFill
from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketStatus
from truebook.messages.markets import Market
from truebook.runtime.frames import Incoming
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.catalogue import Catalogue
from truebook_services.ingest.outbox import Outbox
from truebook_services.ingest.settings import IngestSettings, UniverseSettings

BOOK = (((4_000, 3_000),), ((4_400, 1_000),))
WIDE = (((1_000, 3_000),), ((9_000, 1_000),))


class Told(Outbox):
    """Keeps what would be published."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.markets: list[Market] = []

    def put_market(self, message: Market) -> None:
        self.markets.append(message)


class World:
    def __init__(self, **universe: Any) -> None:
        self.clock = ManualClock()
        surroundings = context("ingest", clock=self.clock)
        self.settings = IngestSettings(universe=UniverseSettings(**universe))
        self.feed = FakeFeed({"T-1": BOOK, "T-2": WIDE})
        self.rest = FakeMarketRest([facts("T-1"), facts("T-2")], self.feed)
        self.books = FollowedBooks(surroundings)
        self.told = Told(surroundings, most_backlog=1_000, collapse=self.books.collapse)
        self.surroundings = surroundings

    async def start(self) -> World:
        self.ledger = await opened_ledger()
        self.catalogue = Catalogue(
            self.surroundings, self.settings, self.rest, self.ledger, self.books, self.told
        )  # fmt: skip
        return self

    def news(self, ticker: str, event_type: str, **fields: Any) -> None:
        values = {"sid": 1, "seq": None, "received_us": 0, "close_us": None, "settlement_cc": None, "status": None}
        self.catalogue.take_lifecycle(LifecycleFrame(ticker=ticker, event_type=event_type, **(values | fields)))

    async def buy(self, ticker: str, *, filled: bool) -> None:
        """Give the ledger an open order, or the position that it became."""
        now_us = self.clock.now_us()
        order = Reserve(
            order_id=f"tb1-{ticker}", nonce="n", ticker=ticker, event="E", exclusive=False, book_side=BookSide.BID,
            price_cc=4_000, size_centi=100, reduce_only=False, fee_rate_ppm=0, deadline_us=now_us + 10**9,
            now_us=now_us, partition=0, epoch=0,
        )  # fmt: skip
        assert await self.ledger.reserve(order) == "reserved"
        if filled:
            news = Acknowledge(
                order_id=order.order_id, exchange_order_id="x", ticker=ticker, filled_centi=100, remaining_centi=0
            )
            await self.ledger.acknowledge(news)
            fill = SettleFill(
                trade_id="t", order_id="x", ticker=ticker, book_side=BookSide.BID, price_cc=4_000, size_centi=100,
                fee_micros=0,
            )  # fmt: skip
            assert await self.ledger.settle_fill(fill) == "applied"


async def test_candidates_are_judged_by_their_books_read_once_by_rest() -> None:
    world = await World().start()
    await world.catalogue.refresh()
    await world.catalogue.refresh()
    assert world.catalogue.wanted == {"T-1"}
    assert world.rest.calls.count("book T-2") == 1


async def test_many_candidates_are_looked_at_a_few_each_time() -> None:
    world = await World(most_markets=100).start()
    for number in range(60):
        world.rest.listed[f"M-{number}"] = facts(f"M-{number}")
        world.feed.books[f"M-{number}"] = world.feed.books["T-1"].copy()
    chosen = []
    for _ in range(3):
        await world.catalogue.refresh()
        chosen.append(len(world.catalogue.wanted))
    assert chosen == [25, 50, 61]


async def test_a_named_market_is_followed_without_looking_at_its_book() -> None:
    world = await World(tickers=("T-2",)).start()
    await world.catalogue.refresh()
    assert world.catalogue.wanted == {"T-2"}
    assert [call for call in world.rest.calls if call.startswith("book")] == []


@pytest.mark.parametrize("filled", [False, True], ids=["an open order", "a position"])
async def test_a_market_with_something_of_ours_stays_even_closed_and_unlisted(filled: bool) -> None:
    world = await World(most_markets=0).start()
    await world.buy("T-2", filled=filled)
    world.rest.listed["T-2"] = facts("T-2", status=MarketStatus.CLOSED)
    await world.catalogue.refresh()
    assert world.catalogue.wanted == {"T-2"}


async def test_a_settled_position_does_not_keep_its_market() -> None:
    world = await World(most_markets=0).start()
    await world.buy("T-2", filled=True)
    await world.ledger.settle_market("T-2", 10_000)
    await world.catalogue.refresh()
    assert world.catalogue.wanted == frozenset()


async def test_facts_are_published_once_and_again_only_when_they_change() -> None:
    world = await World().start()
    await world.catalogue.refresh()
    await world.catalogue.refresh()
    assert [(market.ticker, market.chosen) for market in world.told.markets] == [("T-1", True)]
    world.news("T-1", "close_date_updated", close_us=123)
    world.news("T-1", "determined", status=MarketStatus.DETERMINED, settlement_cc=10_000)
    assert [market.facts.close_us for market in world.told.markets] == [facts().close_us, 123, 123]
    assert world.told.markets[-1].facts.settlement_cc == 10_000


async def test_an_older_answer_by_rest_does_not_undo_a_life_cycle_frame() -> None:
    world = await World().start()
    await world.catalogue.refresh()
    world.news("T-1", "determined", status=MarketStatus.DETERMINED, settlement_cc=0)
    await world.catalogue.refresh()
    last = world.told.markets[-1]
    assert (last.facts.status, last.facts.settlement_cc, last.chosen) == (MarketStatus.DETERMINED, 0, False)


async def test_choosing_comes_soon_after_news_of_a_market_while_places_are_free_and_not_sooner() -> None:
    world = await World().start()
    await world.catalogue.refresh()
    for _ in range(6):
        world.clock.set(world.clock.now_us() + 15_000_000)
        assert world.catalogue.is_due()
        await world.catalogue.refresh()
    world.clock.set(world.clock.now_us() + 1_900_000)
    world.news("N-1", "created")
    assert not world.catalogue.is_due()
    world.clock.set(world.clock.now_us() + 100_000)
    assert world.catalogue.is_due()


async def test_news_of_other_markets_does_not_hurry_a_full_universe() -> None:
    world = await World(most_markets=1).start()
    await world.catalogue.refresh()
    world.news("N-1", "created")
    world.clock.set(world.clock.now_us() + 14_000_000)
    assert not world.catalogue.is_due()


async def test_the_close_of_a_followed_market_is_looked_at_although_nobody_announces_it() -> None:
    world = await World(most_markets=1).start()
    world.rest.listed["T-1"] = facts("T-1", close_us=world.clock.now_us() + 61_000_000)
    await world.catalogue.refresh()
    world.clock.set(world.clock.now_us() + 14_000_000)
    await world.catalogue.refresh()
    world.clock.set(world.clock.now_us() + 14_000_000)
    assert not world.catalogue.is_due()
    world.clock.set(world.clock.now_us() + 33_000_000)
    assert world.catalogue.is_due()


async def test_a_named_market_is_looked_at_when_it_opens_and_again_until_the_exchange_says_so() -> None:
    world = await World(tickers=("T-2",)).start()
    early = facts("T-2", status=MarketStatus.INITIALIZED, open_us=world.clock.now_us() + 500_000)
    world.rest.listed["T-2"] = early
    await world.catalogue.refresh()
    assert world.catalogue.wanted == {"T-2"}
    world.clock.set(world.clock.now_us() + 499_999)
    assert not world.catalogue.is_due()
    world.clock.set(world.clock.now_us() + 1)
    assert world.catalogue.is_due()
    await world.catalogue.refresh()
    assert not world.catalogue.is_due()
    world.clock.set(world.clock.now_us() + 2_000_000)
    assert world.catalogue.is_due()


async def test_two_shards_follow_every_market_between_them_and_let_none_of_the_others_go() -> None:
    worlds = [await World(most_markets=50, shard=shard, shards=2).start() for shard in (0, 1)]
    names = [f"E{number}-1" for number in range(8)]
    for world in worlds:
        for name in names:
            world.rest.listed[name] = facts(name, event=name.partition("-")[0])
            world.feed.books[name] = world.feed.books["T-1"].copy()
        await world.buy(names[0], filled=True)
        await world.catalogue.refresh()
    first, second = (world.catalogue.wanted for world in worlds)
    assert first and second
    assert first | second == {"T-1", *names}
    assert not first & second, "not even the market with a position is followed twice"
    for world, other in (worlds, worlds[::-1]):
        told = [Incoming(Record("markets", 0, 0, each.ticker, b""), each, lambda: None) for each in other.told.markets]
        await world.catalogue.take_earlier(told)
        await world.catalogue.refresh()
    assert [each.ticker for world in worlds for each in world.told.markets if not each.chosen] == []


async def test_a_failed_query_changes_nothing_and_is_raised_to_be_tried_again() -> None:
    world = await World().start()
    await world.catalogue.refresh()
    world.rest.failure = Unreachable("no route")
    with pytest.raises(Unreachable):
        await world.catalogue.refresh()
    assert world.catalogue.wanted == {"T-1"}


async def test_a_rate_limit_while_reading_books_leaves_the_rest_for_the_next_time() -> None:
    world = await World().start()
    book, answers = world.rest.book, [RateLimited(429, "too_many_requests")]

    async def limited(ticker: str) -> Any:
        if answers:
            raise answers.pop()
        return await book(ticker)

    world.rest.book = limited  # type: ignore[method-assign]
    await world.catalogue.refresh()
    assert world.catalogue.wanted == frozenset()
    await world.catalogue.refresh()
    assert world.catalogue.wanted == {"T-1"}


async def test_a_market_that_the_exchange_has_forgotten_is_let_go_and_forgotten() -> None:
    world = await World().start()
    await world.catalogue.refresh()
    del world.rest.listed["T-1"]
    await world.catalogue.refresh()
    assert (world.told.markets[-1].ticker, world.told.markets[-1].chosen) == ("T-1", False)
    before = len(world.rest.calls)
    await world.catalogue.refresh()
    assert "T-1" not in "".join(world.rest.calls[before:])
