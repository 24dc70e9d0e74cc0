"""The catalogue: what it reads from REST and the ledger, when, and what it publishes."""

from __future__ import annotations

from typing import Any

import pytest

from support.in_memory_exchange import exchange_with, market_metadata, without
from support.in_memory_rest import Shown
from support.services import make_context, opened_ledger
from truebook.bus.port import Record
from truebook.clock import ManualClock
from truebook.kalshi.port import LifecycleFrame, RateLimited, Unreachable
from truebook.ledger.verbs import RESERVED, Acknowledge, Reserve, SettleFill, SettleMarket
from truebook.messages.envelope import BookSide, Tombstone
from truebook.messages.market_metadata import FeeType, MarketStatus, PriceRange
from truebook.messages.markets import Exclusion, MarketUpdated
from truebook.runtime.frames import Incoming
from truebook_services.ingest.books import FollowedBooks
from truebook_services.ingest.catalogue import Catalogue
from truebook_services.ingest.outbox import Outbox
from truebook_services.ingest.settings import IngestSettings, UniverseSettings

BOOK = (((4_000, 3_000),), ((4_400, 1_000),))
WIDE = (((1_000, 3_000),), ((9_000, 1_000),))


class RecordingOutbox(Outbox):
    """Keeps what would be published."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.deleted: list[str] = []
        self.markets: list[MarketUpdated] = []

    def delete_market(self, ticker: str) -> None:
        self.deleted.append(ticker)

    def put_market(self, message: MarketUpdated) -> None:
        self.markets.append(message)

    def of(self, ticker: str) -> list[MarketUpdated]:
        return [market for market in self.markets if market.ticker == ticker]


class CatalogueHarness:
    def __init__(self, **universe: Any) -> None:
        self.clock = ManualClock()
        shared = make_context("ingest", clock=self.clock)
        self.settings = IngestSettings(universe=UniverseSettings(**universe))
        self.exchange = exchange_with({"T-1": BOOK, "T-2": WIDE}, self.clock)
        self.books = FollowedBooks(shared)
        self.outbox = RecordingOutbox(shared, max_backlog=1_000, collapse=self.books.collapse)
        self.shared = shared

    async def start(self) -> CatalogueHarness:
        self.ledger = await opened_ledger()
        self.catalogue = Catalogue(
            self.shared, self.settings, rest=self.exchange, ledger=self.ledger, books=self.books, outbox=self.outbox
        )  # fmt: skip
        return self

    def lifecycle(self, ticker: str, event_type: str, **fields: Any) -> None:
        values = {"sid": 1, "seq": None, "received_us": 0, "close_us": None, "settlement_cc": None, "status": None}
        self.catalogue.apply_lifecycle(LifecycleFrame(ticker=ticker, event_type=event_type, **(values | fields)))

    async def buy(self, ticker: str, *, filled: bool) -> None:
        """Give the ledger an open order, or the position that it became."""
        now_us = self.clock.now_us()
        order = Reserve(
            order_id=f"tb1-{ticker}", nonce="n", ticker=ticker, event="E", exclusive=False, book_side=BookSide.BID,
            price_cc=4_000, size_centi=100, reduce_only=False, fee_rate_ppm=0, deadline_us=now_us + 10**9,
            now_us=now_us, partition=0, epoch=0,
        )  # fmt: skip
        assert await self.ledger.apply(order) == RESERVED
        if filled:
            acknowledged = Acknowledge(
                order_id=order.order_id, exchange_order_id="x", ticker=ticker, filled_centi=100, remaining_centi=0
            )
            await self.ledger.apply(acknowledged)
            fill = SettleFill(
                trade_id="t", order_id="x", ticker=ticker, book_side=BookSide.BID, price_cc=4_000, size_centi=100,
                fee_micros=0,
            )  # fmt: skip
            assert await self.ledger.apply(fill) == "applied"


async def test_each_candidates_book_is_read_once_by_rest() -> None:
    harness = await CatalogueHarness().start()
    await harness.catalogue.refresh()
    await harness.catalogue.refresh()
    assert harness.catalogue.selected == {"T-1"}
    assert harness.exchange.calls.count(("book", "T-2")) == 1


async def test_candidates_are_probed_a_few_per_selection() -> None:
    harness = await CatalogueHarness(max_markets=100).start()
    for number in range(60):
        harness.exchange.list_market(market_metadata(f"M-{number}"), *BOOK)
    selected = []
    for _ in range(3):
        await harness.catalogue.refresh()
        selected.append(len(harness.catalogue.selected))
    assert selected == [25, 50, 61]


async def test_a_named_market_is_followed_without_reading_its_book() -> None:
    harness = await CatalogueHarness(tickers=("T-2",)).start()
    await harness.catalogue.refresh()
    assert harness.catalogue.selected == {"T-2"}
    assert harness.exchange.count("book") == 0


@pytest.mark.parametrize("filled", [False, True], ids=["an open order", "a position"])
async def test_a_market_with_a_position_or_order_stays_after_its_close(filled: bool) -> None:
    harness = await CatalogueHarness(max_markets=0).start()
    await harness.buy("T-2", filled=filled)
    harness.exchange.list_market(market_metadata("T-2", status=MarketStatus.CLOSED))
    await harness.catalogue.refresh()
    assert harness.catalogue.selected == {"T-2"}


async def test_a_settled_position_does_not_keep_its_market() -> None:
    harness = await CatalogueHarness(max_markets=0).start()
    await harness.buy("T-2", filled=True)
    await harness.ledger.apply(SettleMarket(ticker="T-2", settlement_cc=10_000))
    await harness.catalogue.refresh()
    assert harness.catalogue.selected == frozenset()


async def test_metadata_is_published_again_only_when_it_changes() -> None:
    harness = await CatalogueHarness().start()
    await harness.catalogue.refresh()
    await harness.catalogue.refresh()
    assert [market.selected for market in harness.outbox.of("T-1")] == [True]
    harness.lifecycle("T-1", "close_date_updated", close_us=123)
    harness.lifecycle("T-1", "determined", status=MarketStatus.DETERMINED, settlement_cc=10_000)
    assert [market.metadata.close_us for market in harness.outbox.of("T-1")] == [market_metadata().close_us, 123, 123]
    assert harness.outbox.markets[-1].metadata.settlement_cc == 10_000


async def test_an_older_rest_response_does_not_undo_a_life_cycle_frame() -> None:
    harness = await CatalogueHarness().start()
    await harness.catalogue.refresh()
    harness.lifecycle("T-1", "determined", status=MarketStatus.DETERMINED, settlement_cc=0)
    await harness.catalogue.refresh()
    last = harness.outbox.of("T-1")[-1]
    assert (last.metadata.status, last.metadata.settlement_cc, last.selected) == (MarketStatus.DETERMINED, 0, False)


async def closed_market() -> CatalogueHarness:
    """T-1 has been read as closed, and is not selected any more."""
    harness = await CatalogueHarness().start()
    await harness.catalogue.refresh()
    harness.exchange.list_market(market_metadata("T-1", status=MarketStatus.CLOSED, close_us=harness.clock.now_us()))
    await harness.catalogue.refresh()
    assert "T-1" not in harness.catalogue.selected
    return harness


async def test_a_reopened_market_is_selected_again() -> None:
    harness = await closed_market()
    harness.exchange.list_market(market_metadata("T-1"))
    await harness.catalogue.refresh()
    last = harness.outbox.of("T-1")[-1]
    assert (last.metadata.status, last.selected) == (MarketStatus.ACTIVE, True)


async def test_an_activated_frame_alone_does_not_reopen_a_closed_market() -> None:
    harness = await closed_market()
    harness.clock.set(harness.clock.now_us() + 15_000_000)
    await harness.catalogue.refresh()
    harness.clock.set(harness.clock.now_us() + 2_000_000)
    assert not harness.catalogue.is_due()
    harness.lifecycle("T-1", "activated", status=MarketStatus.ACTIVE)
    assert harness.outbox.of("T-1")[-1].metadata.status is MarketStatus.CLOSED
    assert harness.catalogue.is_due(), "the market is read to confirm it"
    await harness.catalogue.refresh()
    assert harness.outbox.of("T-1")[-1].metadata.status is MarketStatus.CLOSED


async def test_a_close_that_is_read_wins_over_an_activated_frame() -> None:
    harness = await CatalogueHarness().start()
    await harness.catalogue.refresh()
    harness.lifecycle("T-1", "deactivated", status=MarketStatus.INACTIVE)
    harness.lifecycle("T-1", "activated", status=MarketStatus.ACTIVE)
    harness.exchange.list_market(market_metadata("T-1", status=MarketStatus.CLOSED))
    await harness.catalogue.refresh()
    assert harness.outbox.of("T-1")[-1].metadata.status is MarketStatus.CLOSED


NICKEL = (PriceRange(0, 10_000, 500),)


@pytest.mark.parametrize(
    ("event_type", "field", "value"),
    [
        pytest.param("price_level_structure_updated", "price_ranges", NICKEL, id="grid"),
        pytest.param("close_date_updated", "close_us", 2_000_000_000_000_000, id="close"),
        pytest.param("deactivated", "status", MarketStatus.INACTIVE, id="pause"),
    ],
)
async def test_a_frames_change_applies_at_once_until_rest_is_newer(event_type: str, field: str, value: Any) -> None:
    harness = await CatalogueHarness().start()
    await harness.catalogue.refresh()
    before = getattr(harness.outbox.of("T-1")[-1].metadata, field)
    harness.lifecycle("T-1", event_type, **{field: value})
    assert getattr(harness.outbox.of("T-1")[-1].metadata, field) == value
    await harness.catalogue.refresh()
    assert getattr(harness.outbox.of("T-1")[-1].metadata, field) == value, "an older response"
    harness.clock.set(harness.clock.now_us() + 11_000_000)
    await harness.catalogue.refresh()
    assert getattr(harness.outbox.of("T-1")[-1].metadata, field) == before


async def test_a_grid_change_without_its_grid_leads_to_a_read() -> None:
    harness = await CatalogueHarness(max_markets=1).start()
    await harness.catalogue.refresh()
    harness.clock.set(harness.clock.now_us() + 2_000_000)
    assert not harness.catalogue.is_due()
    harness.lifecycle("T-1", "price_level_structure_updated")
    assert harness.catalogue.is_due()


async def test_a_new_market_hurries_the_selection_while_places_are_free() -> None:
    harness = await CatalogueHarness().start()
    await harness.catalogue.refresh()
    for _ in range(6):
        harness.clock.set(harness.clock.now_us() + 15_000_000)
        assert harness.catalogue.is_due()
        await harness.catalogue.refresh()
    harness.clock.set(harness.clock.now_us() + 1_900_000)
    harness.lifecycle("N-1", "created")
    assert not harness.catalogue.is_due()
    harness.clock.set(harness.clock.now_us() + 100_000)
    assert harness.catalogue.is_due()


async def test_a_new_market_does_not_hurry_a_full_universe() -> None:
    harness = await CatalogueHarness(max_markets=1).start()
    await harness.catalogue.refresh()
    harness.lifecycle("N-1", "created")
    harness.clock.set(harness.clock.now_us() + 14_000_000)
    assert not harness.catalogue.is_due()


async def test_a_selection_is_due_at_a_followed_markets_close() -> None:
    harness = await CatalogueHarness(max_markets=1).start()
    harness.exchange.list_market(market_metadata("T-1", close_us=harness.clock.now_us() + 61_000_000))
    await harness.catalogue.refresh()
    harness.clock.set(harness.clock.now_us() + 14_000_000)
    await harness.catalogue.refresh()
    harness.clock.set(harness.clock.now_us() + 14_000_000)
    assert not harness.catalogue.is_due()
    harness.clock.set(harness.clock.now_us() + 33_000_000)
    assert harness.catalogue.is_due()


async def test_a_named_market_is_read_until_its_opening_is_confirmed() -> None:
    harness = await CatalogueHarness(tickers=("T-2",)).start()
    early = market_metadata("T-2", status=MarketStatus.INITIALIZED, open_us=harness.clock.now_us() + 500_000)
    harness.exchange.list_market(early)
    await harness.catalogue.refresh()
    assert harness.catalogue.selected == {"T-2"}
    harness.clock.set(harness.clock.now_us() + 499_999)
    assert not harness.catalogue.is_due()
    harness.clock.set(harness.clock.now_us() + 1)
    assert harness.catalogue.is_due()
    await harness.catalogue.refresh()
    assert not harness.catalogue.is_due()
    harness.clock.set(harness.clock.now_us() + 2_000_000)
    assert harness.catalogue.is_due()


async def test_two_shards_follow_every_market_exactly_once() -> None:
    harnesses = [await CatalogueHarness(max_markets=50, shard=shard, shards=2).start() for shard in (0, 1)]
    names = [f"E{number}-1" for number in range(8)]
    for harness in harnesses:
        for name in names:
            harness.exchange.list_market(market_metadata(name, event=name.partition("-")[0]), *BOOK)
        await harness.buy(names[0], filled=True)
        await harness.catalogue.refresh()
    first, second = (harness.catalogue.selected for harness in harnesses)
    assert first and second
    assert first | second == {"T-1", *names}
    assert not first & second, "a market with a position is not followed twice either"
    for harness, other in (harnesses, harnesses[::-1]):
        published = [
            Incoming(Record("markets", 0, 0, each.ticker, b""), each, lambda: None) for each in other.outbox.markets
        ]
        await harness.catalogue.read_published(published)
        await harness.catalogue.refresh()
    deselected = {each.ticker for harness in harnesses for each in harness.outbox.markets if not each.selected}
    assert deselected == {"T-2"}, "only the market whose spread is too wide"


async def test_a_failed_query_is_raised_and_changes_nothing() -> None:
    harness = await CatalogueHarness().start()
    await harness.catalogue.refresh()
    harness.exchange.fail("markets", Unreachable("no route"))
    with pytest.raises(Unreachable):
        await harness.catalogue.refresh()
    assert harness.catalogue.selected == {"T-1"}


async def test_a_rate_limit_ends_the_probing_of_this_selection() -> None:
    harness = await CatalogueHarness().start()
    harness.exchange.fail("book", RateLimited(429, "too_many_requests"))
    await harness.catalogue.refresh()
    assert harness.catalogue.selected == frozenset()
    await harness.catalogue.refresh()
    assert harness.catalogue.selected == {"T-1"}


async def test_a_market_that_is_not_listed_any_more_is_dropped() -> None:
    harness = await CatalogueHarness().start()
    await harness.catalogue.refresh()
    harness.exchange.views[Shown.MARKETS] = without("T-1")
    await harness.catalogue.refresh()
    last = harness.outbox.of("T-1")[-1]
    assert (last.selected, last.exclusion) == (False, Exclusion.NOT_LISTED)
    assert harness.outbox.deleted == [], "readers may lag"
    before = len(harness.exchange.calls)
    await harness.catalogue.refresh()
    assert "T-1" not in str(harness.exchange.calls[before:])
    await harness.clock.advance(600)
    for _ in range(2):
        await harness.catalogue.refresh()
    assert harness.outbox.deleted == ["T-1"]


async def test_a_market_dropped_before_a_restart_is_deleted() -> None:
    harness = await CatalogueHarness().start()
    gone = ["T-1", "T-2", "T-3"]
    harness.exchange.list_market(market_metadata("T-3"), *BOOK)
    await harness.catalogue.refresh()
    harness.exchange.views[Shown.MARKETS] = without(*gone)
    await harness.catalogue.refresh()
    compacted = {each.ticker: each for each in harness.outbox.markets}.values()
    published = [Incoming(Record("markets", 0, 0, each.ticker, b""), each, lambda: None) for each in compacted]
    deleted = Incoming(Record("markets", 0, 0, "T-3", b""), Tombstone(), lambda: None)
    await harness.start()
    harness.exchange.views[Shown.MARKETS] = without("T-2", "T-3")
    await harness.catalogue.read_published([*published, deleted])
    await harness.catalogue.refresh()
    assert harness.catalogue.selected == {"T-1"}
    assert harness.outbox.deleted == [], "readers may lag"
    await harness.clock.advance(600)
    for _ in range(2):
        await harness.catalogue.refresh()
    assert harness.outbox.deleted == ["T-2"], "neither the one that is deleted nor the one that is listed again"


async def test_an_exclusion_is_published_when_it_changes() -> None:
    harness = await CatalogueHarness().start()
    for _ in range(2):
        await harness.catalogue.refresh()
    harness.exchange.list_market(market_metadata("T-2", fee_type=FeeType.FLAT, volume_centi=5))
    for _ in range(2):
        await harness.catalogue.refresh()
    harness.exchange.views[Shown.MARKETS] = without("T-2")
    for _ in range(2):
        await harness.catalogue.refresh()
    assert [(market.selected, market.exclusion) for market in harness.outbox.of("T-2")] == [
        (False, Exclusion.SPREAD),
        (False, Exclusion.FEE_TYPE),
        (False, Exclusion.NOT_LISTED),
    ]
    await harness.clock.advance(600)
    await harness.catalogue.refresh()
    assert harness.outbox.deleted == ["T-2"]


async def test_a_selected_market_has_no_exclusion() -> None:
    harness = await CatalogueHarness(max_markets=1).start()
    harness.exchange.list_market(market_metadata("T-2"), *BOOK)
    harness.exchange.list_market(market_metadata("T-1", volume_centi=10_000))
    await harness.catalogue.refresh()
    harness.exchange.list_market(market_metadata("T-2", volume_centi=100_000))
    await harness.catalogue.refresh()
    seen = [(market.ticker, market.selected, market.exclusion) for market in harness.outbox.markets]
    assert sorted(seen[:2]) == [("T-1", True, None), ("T-2", False, Exclusion.UNIVERSE_FULL)]
    assert sorted(seen[2:]) == [("T-1", False, Exclusion.UNIVERSE_FULL), ("T-2", True, None)]


async def test_the_number_of_published_exclusions_is_limited() -> None:
    harness = await CatalogueHarness(max_markets=0, max_excluded=3, series=("M",)).start()
    for number in range(10):
        harness.exchange.list_market(market_metadata(f"M-{number}", volume_centi=100_000 + number))
    for _ in range(3):
        await harness.catalogue.refresh()
    assert sorted(market.ticker for market in harness.outbox.markets) == ["M-7", "M-8", "M-9"]
