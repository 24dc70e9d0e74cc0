"""Ingest against an exchange in memory: what its readers see on the bus, when all goes well and when it does not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from support.fakes_market import FakeFeed, FakeMarketRest, Running, TopicReader, context, facts, opened_ledger, wait_for
from truebook.clock import ManualClock
from truebook.kalshi.port import StreamRefused
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketStatus
from truebook.messages.markets import Market
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.reasons import Reason
from truebook.messages.topics import DEAD_LETTERS, MARKETS, ORDERBOOK
from truebook_services.ingest.service import build
from truebook_services.ingest.settings import IngestSettings, UniverseSettings

BID, ASK = BookSide.BID, BookSide.ASK
BOOK = (((4_000, 3_000), (3_900, 500)), ((4_400, 1_000), (4_500, 500)))
FAST = IngestSettings(
    refresh_s=0.05, refresh_soon_s=0.02, watch_s=0.005, ask_again_s=0.05, snapshot_every_s=0.05, quiet_s=30
)


class World:
    """Ingest of two markets of one event, and a reader of what it publishes."""

    def __init__(self, settings: IngestSettings = FAST) -> None:
        self.settings = settings
        self.context = context("ingest")
        self.feed = FakeFeed({"E-1": BOOK, "E-2": BOOK}, self.context.clock)
        self.rest = FakeMarketRest([facts("E-1"), facts("E-2")], self.feed)
        self.reader = TopicReader(self.context.bus, MARKETS, ORDERBOOK, DEAD_LETTERS)

    async def __aenter__(self) -> World:
        self.ledger = await opened_ledger()
        await self.reader.join()
        service = build(self.context, self.settings, rest=self.rest, connector=self.feed, ledger=self.ledger)
        self.service = service
        self._running = Running(service)
        await self._running.__aenter__()
        await self.reader.until(lambda: self.is_fresh("E-1") and self.is_fresh("E-2"), "both books fresh")
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._running.__aexit__(*raised)

    def is_fresh(self, ticker: str) -> bool:
        replica = self.reader.replicas.get(ticker)
        return replica is not None and replica.stale is None

    def is_true(self, ticker: str) -> bool:
        return self.is_fresh(ticker) and self.reader.replicas[ticker].book == self.feed.books[ticker]

    def stale_marks(self, ticker: str) -> list[Reason]:
        return [mark.reason for mark in self.reader.of(BookStale) if mark.ticker == ticker]


async def test_readers_rebuild_the_true_books_from_snapshots_and_deltas() -> None:
    async with World() as world:
        for size in range(1, 50):
            world.feed.delta("E-1", BID, 4_100, 100 * size)
            world.feed.delta("E-2", ASK, 4_400, -10)
        await world.reader.until(lambda: world.is_true("E-1") and world.is_true("E-2"), "readers follow")
        assert len(world.reader.of(BookDelta)) == 98
        assert world.reader.of(BookStale) == []


async def test_a_version_counts_each_change_of_one_market_and_the_epoch_is_new_in_each_life() -> None:
    async with World() as world:
        for _ in range(3):
            world.feed.delta("E-1", BID, 4_000, 100)
        await world.reader.until(lambda: len(world.reader.of(BookDelta)) == 3, "three deltas")
        first = world.reader.of(BookSnapshot)[0]
        deltas = world.reader.of(BookDelta)
        assert [delta.version for delta in deltas] == [2, 3, 4]
        assert {delta.epoch for delta in deltas} == {first.epoch} == {1}
        assert await world.ledger.next_number("ingest-epoch") == 2


async def test_public_trades_are_passed_on_with_the_books_version() -> None:
    async with World() as world:
        world.feed.trade("E-1", 4_400, 250)
        await world.reader.until(lambda: world.reader.of(PublicTrade), "the trade")
        trade = world.reader.of(PublicTrade)[0]
        assert (trade.price_cc, trade.size_centi, trade.taker_side, trade.version) == (4_400, 250, BID, 1)
        assert trade.event_yes_sum_cc == 4_200 + 4_200, "a reader keeps the sum that came last"


async def test_a_gap_makes_all_books_of_the_subscription_stale_and_snapshots_mend_them() -> None:
    async with World() as world:
        world.feed.delta("E-1", BID, 4_100, 500, is_lost=True)
        world.feed.delta("E-2", BID, 4_100, 700)
        await world.reader.until(lambda: world.is_true("E-1") and world.is_true("E-2"), "both mended")
        assert world.stale_marks("E-1") == world.stale_marks("E-2") == [Reason.SEQUENCE_GAP]
        assert world.feed.now.commands("get_snapshot")[0]["market_tickers"] == ["E-1", "E-2"]


async def test_deltas_between_a_gap_and_the_snapshot_do_not_touch_the_book() -> None:
    async with World() as world:
        world.feed.is_mute = True
        world.feed.delta("E-1", BID, 4_100, 500, is_lost=True)
        world.feed.delta("E-1", BID, 4_000, 100)
        world.feed.delta("E-1", BID, 4_000, 100)
        await world.reader.until(lambda: world.stale_marks("E-1"), "stale")
        world.feed.is_mute = False
        await world.reader.until(lambda: world.is_true("E-1"), "asked again and mended")
        assert world.reader.of(BookDelta) == []


async def test_a_lost_answer_to_a_snapshot_request_is_asked_for_again() -> None:
    async with World() as world:
        world.feed.is_mute = True
        world.feed.delta("E-1", BID, 4_100, 500, is_lost=True)
        world.feed.delta("E-1", BID, 4_100, 500)
        connection = world.feed.now
        await wait_for(lambda: len(connection.commands("get_snapshot")) >= 2, "a second request")
        world.feed.is_mute = False
        await world.reader.until(lambda: world.is_true("E-1"), "mended")


async def test_books_that_never_come_end_the_connection_and_the_next_one_brings_them() -> None:
    async with World() as world:
        world.feed.is_mute = True
        world.feed.delta("E-1", BID, 4_100, 500, is_lost=True)
        world.feed.delta("E-1", BID, 4_100, 500)
        await wait_for(lambda: not world.feed.connections[0].is_open, "given up")
        world.feed.is_mute = False
        await world.reader.until(lambda: world.is_true("E-1") and world.is_true("E-2"), "mended by a new connection")
        assert len(world.feed.connections) == 2


@pytest.mark.parametrize(
    ("side", "price_cc", "delta_centi", "reason"),
    [
        pytest.param(BID, 4_000, -3_001, Reason.NEGATIVE_SIZE, id="less than nothing"),
        pytest.param(BID, 4_400, 100, Reason.CROSSED_BOOK, id="bid at the ask"),
        pytest.param(ASK, 3_900, 100, Reason.CROSSED_BOOK, id="ask below the bid"),
    ],
)
async def test_an_impossible_delta_makes_only_its_own_book_stale_and_is_mended(
    side: BookSide, price_cc: int, delta_centi: int, reason: Reason
) -> None:
    async with World() as world:
        world.feed.tell_delta("E-1", side, price_cc, delta_centi)
        await world.reader.until(lambda: world.stale_marks("E-1"), "stale")
        await world.reader.until(lambda: world.is_true("E-1"), "mended")
        assert world.stale_marks("E-1") == [reason]
        assert world.stale_marks("E-2") == []


async def test_a_lost_connection_makes_all_books_stale_and_the_next_one_mends_them() -> None:
    async with World() as world:
        world.feed.now.drop()
        await world.reader.until(lambda: world.stale_marks("E-1") and world.stale_marks("E-2"), "stale")
        world.feed.books["E-1"].change_level(BID, 4_100, 900)
        await world.reader.until(lambda: world.is_true("E-1") and world.is_true("E-2"), "mended")
        assert world.stale_marks("E-1") == [Reason.DISCONNECTED]
        assert world.reader.replicas["E-1"].epoch == 1


async def test_a_silent_connection_is_given_up_and_its_books_are_stale_for_silence() -> None:
    quick = FAST.model_copy(update={"silence_s": 0.05, "quiet_s": 0.01})
    async with World(quick) as world:
        world.feed.is_mute = True
        await world.reader.until(lambda: world.stale_marks("E-1"), "stale")
        world.feed.is_mute = False
        assert world.stale_marks("E-1")[0] is Reason.SILENCE
        await world.reader.until(lambda: len(world.feed.connections) > 1 and world.is_true("E-1"), "mended")


async def test_a_quiet_market_stays_fresh_because_a_book_is_asked_for_as_a_sign_of_life() -> None:
    quick = FAST.model_copy(update={"silence_s": 0.2, "quiet_s": 0.02})
    async with World(quick) as world:
        before = {ticker: replica.confirmed_us for ticker, replica in world.reader.replicas.items()}
        await world.reader.until(
            lambda: all(replica.confirmed_us - before[t] > 400_000 for t, replica in world.reader.replicas.items()),
            "confirmed on and on",
        )
        assert len(world.feed.connections) == 1
        assert {snapshot.version for snapshot in world.reader.of(BookSnapshot)} == {1}


async def test_a_malformed_delta_becomes_a_dead_letter_and_its_book_stale() -> None:
    async with World() as world:
        broken = {"type": "orderbook_delta", "msg": {"market_ticker": "E-1", "price_dollars": 0.4, "delta_fp": "1.00"}}
        world.feed.now.push(broken, channel="orderbook_delta")
        await world.reader.until(lambda: world.reader.of(DeadLetter) and world.stale_marks("E-1"), "put aside")
        await world.reader.until(lambda: world.is_true("E-1"), "mended")
        assert (world.stale_marks("E-1"), world.stale_marks("E-2")) == ([Reason.UNDECODABLE], [])
        assert world.reader.of(DeadLetter)[0].reason is Reason.UNDECODABLE


async def test_a_malformed_delta_of_no_known_market_makes_all_books_stale() -> None:
    async with World() as world:
        world.feed.now.push({"type": "orderbook_delta", "msg": {"price_dollars": "0.4"}}, channel="orderbook_delta")
        await world.reader.until(lambda: world.stale_marks("E-1") and world.stale_marks("E-2"), "both stale")
        await world.reader.until(lambda: world.is_true("E-1") and world.is_true("E-2"), "mended")
        assert world.stale_marks("E-1") == world.stale_marks("E-2") == [Reason.UNDECODABLE]


async def test_a_book_that_can_never_be_read_is_its_own_markets_trouble_alone() -> None:
    async with World() as world:
        connection = world.feed.now

        def odd(tickers: Sequence[str]) -> None:
            for ticker in tickers:
                levels = {"yes_dollars_fp": [["0.412345", "1.00"]]} if ticker == "E-1" else {}
                connection.push(
                    {"type": "orderbook_snapshot", "msg": {"market_ticker": ticker, **levels}},
                    channel="orderbook_delta",
                )

        world.feed.snapshots = lambda _, tickers: odd(tickers)
        world.feed.tell_delta("E-1", BID, 4_000, -3_001)
        await wait_for(lambda: len(connection.commands("get_snapshot")) > FAST.most_asks, "asked for in vain")
        assert all(each["market_tickers"] == ["E-1"] for each in connection.commands("get_snapshot"))
        assert connection.is_open
        assert world.stale_marks("E-2") == []


async def test_a_books_subscription_that_does_not_answer_ends_the_connection_however_lively_it_is() -> None:
    quick = FAST.model_copy(update={"quiet_s": 0.02})
    async with World(quick) as world:
        world.feed.snapshots = lambda connection, tickers: None
        connection = world.feed.connections[0]

        def chat() -> bool:
            if connection.is_open:
                world.feed.trade("E-1", 4_400, 1)
            return not connection.is_open

        await wait_for(chat, "given up")


async def test_an_unknown_frame_becomes_a_dead_letter_and_changes_nothing() -> None:
    async with World() as world:
        world.feed.now.inbox.put_nowait('{"type":"brand_new","sid":9,"seq":1,"msg":{}}')
        world.feed.now.inbox.put_nowait("not json")
        world.feed.now.inbox.put_nowait("\n")
        await world.reader.until(lambda: len(world.reader.of(DeadLetter)) == 2, "two dead letters")
        assert {letter.reason for letter in world.reader.of(DeadLetter)} == {Reason.UNKNOWN_TYPE, Reason.UNDECODABLE}
        assert world.reader.of(BookStale) == []


async def test_a_repeated_frame_is_not_applied_twice() -> None:
    async with World() as world:
        connection = world.feed.now
        world.feed.delta("E-1", BID, 4_100, 500)
        await wait_for(lambda: connection.inbox.empty(), "read")
        connection.seqs[connection.channels["orderbook_delta"]] -= 1
        world.feed.tell_delta("E-1", BID, 4_100, 500)
        world.feed.delta("E-1", BID, 4_000, 100)
        await world.reader.until(lambda: world.is_true("E-1") and len(world.reader.of(BookDelta)) == 2, "true")
        assert world.reader.of(BookStale) == []


async def test_a_terminal_error_of_the_subscription_leads_to_a_new_connection() -> None:
    async with World() as world:
        world.feed.now.push({"type": "error", "sid": 2, "msg": {"code": 25, "msg": "Subscription buffer overflow"}})
        await world.reader.until(lambda: len(world.feed.connections) == 2 and world.is_true("E-1"), "mended")
        assert world.stale_marks("E-1") == [Reason.DISCONNECTED]


async def test_the_sum_of_the_events_yes_prices_comes_with_its_age() -> None:
    async with World() as world:
        world.feed.delta("E-2", BID, 4_200, 100)
        await world.reader.until(lambda: world.reader.of(BookDelta), "the delta")
        delta = world.reader.of(BookDelta)[0]
        assert delta.event_yes_sum_cc == 4_200 + 4_300
        assert delta.event_yes_sum_age_us is not None and 0 <= delta.event_yes_sum_age_us < 5_000_000


async def test_markets_are_published_with_their_facts_and_followed_by_adding_to_the_subscription() -> None:
    async with World() as world:
        assert {market.ticker for market in world.reader.of(Market) if market.chosen} == {"E-1", "E-2"}
        world.feed.books["F-1"] = world.feed.books["E-1"].copy()
        world.rest.listed["F-1"] = facts("F-1")
        await world.reader.until(lambda: world.is_true("F-1"), "the new market's book")
        assert world.feed.now.commands("add_markets")[0]["market_tickers"] == ["F-1"]
        assert len(world.feed.connections) == 1


async def test_a_change_of_fees_is_read_and_published() -> None:
    async with World() as world:
        world.rest.listed["E-1"] = facts("E-1", fee_multiplier_ppm=2_000_000)
        message = {"event_ticker": "E", "fee_type_override": "quadratic", "fee_multiplier_override": 2}
        world.feed.now.push({"type": "event_fee_update", "msg": message}, channel="market_lifecycle_v2")
        await world.reader.until(
            lambda: any(market.facts.fee_multiplier_ppm == 2_000_000 for market in world.reader.of(Market)), "published"
        )
        assert "forget facts" in world.rest.calls


async def test_a_settled_market_is_published_as_such_and_leaves_the_subscription() -> None:
    async with World() as world:
        world.rest.listed["E-1"] = facts("E-1", status=MarketStatus.FINALIZED, settlement_cc=10_000)
        world.feed.lifecycle("E-1", "settled", result="yes", settlement_value="1.0000")
        await wait_for(lambda: world.feed.now.commands("delete_markets"), "deleted")
        await world.reader.until(lambda: world.stale_marks("E-1"), "nobody tends the book")
        last = [market for market in world.reader.of(Market) if market.ticker == "E-1"][-1]
        assert (last.chosen, last.facts.status, last.facts.settlement_cc) == (False, MarketStatus.FINALIZED, 10_000)


async def test_a_market_that_an_earlier_life_followed_is_let_go() -> None:
    first = World()
    async with first:
        pass
    second = World(FAST.model_copy(update={"universe": UniverseSettings(tickers=("E-1",))}))
    second.context = first.context
    second.feed = FakeFeed({"E-1": BOOK, "E-2": BOOK}, first.context.clock)
    second.rest = FakeMarketRest([facts("E-1"), facts("E-2")], second.feed)
    second.ledger = first.ledger
    reader = await TopicReader(first.context.bus, MARKETS).join()
    service = build(second.context, second.settings, rest=second.rest, connector=second.feed, ledger=second.ledger)
    async with Running(service):
        await reader.until(
            lambda: [market.chosen for market in reader.of(Market) if market.ticker == "E-2"][-1:] == [False],
            "E-2 is not followed any more",
        )


async def test_a_refused_key_ends_the_service_instead_of_trying_for_ever() -> None:
    world = World()

    async def refuse() -> None:
        raise StreamRefused(401, "bad key")

    world.feed.connect = refuse  # type: ignore[assignment, method-assign]
    with pytest.raises(StreamRefused):
        service = build(world.context, FAST, rest=world.rest, connector=world.feed, ledger=await opened_ledger())
        async with Running(service) as running:
            await running.ended()


async def test_the_service_runs_on_a_clock_that_is_moved_by_hand() -> None:
    clock = ManualClock()
    surroundings = context("ingest", clock=clock)
    feed = FakeFeed({"E-1": BOOK}, clock)
    reader = await TopicReader(surroundings.bus, ORDERBOOK).join()
    service = build(
        surroundings, IngestSettings(), rest=FakeMarketRest([facts("E-1")], feed), connector=feed,
        ledger=await opened_ledger(),
    )  # fmt: skip
    async with Running(service):
        for _ in range(40):
            await clock.advance(0.25)
        await reader.read()
    assert reader.replicas["E-1"].book == feed.books["E-1"]
    assert clock.now_us() - reader.replicas["E-1"].confirmed_us < 3_000_000
