"""Ingest against an exchange in memory: what its readers find on the bus, with and without faults."""

from __future__ import annotations

from typing import Any

import pytest

from support.in_memory_exchange import ALL_COMMANDS, exchange_with, market_metadata
from support.ingest_harness import BOOK, FAST, IngestHarness
from support.services import RunningServices, TopicReader, make_context, opened_ledger, until
from truebook.clock import ManualClock
from truebook.kalshi.port import StreamRefused
from truebook.ledger.verbs import NextNumber
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketStatus
from truebook.messages.markets import MarketUpdated
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.reasons import Reason
from truebook.messages.topics import MARKETS, ORDERBOOK
from truebook_services.ingest.service import build
from truebook_services.ingest.settings import IngestSettings, UniverseSettings
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel

BID, ASK = BookSide.BID, BookSide.ASK


async def test_readers_rebuild_the_exchanges_books() -> None:
    async with IngestHarness() as harness:
        for size in range(1, 50):
            harness.exchange.change_level("E-1", BID, 4_100, 100 * size)
            harness.exchange.change_level("E-2", ASK, 4_400, -10)
        await harness.reader.until(lambda: harness.is_true("E-1") and harness.is_true("E-2"), "readers follow")
        assert len(harness.reader.of(BookDelta)) == 98
        assert harness.reader.of(BookStale) == []


async def test_versions_count_changes_and_each_start_has_an_epoch() -> None:
    async with IngestHarness() as harness:
        for _ in range(3):
            harness.exchange.change_level("E-1", BID, 4_000, 100)
        await harness.reader.until(lambda: len(harness.reader.of(BookDelta)) == 3, "three deltas")
        first = harness.reader.of(BookSnapshot)[0]
        deltas = harness.reader.of(BookDelta)
        assert [delta.version for delta in deltas] == [2, 3, 4]
        assert {delta.epoch for delta in deltas} == {first.epoch} == {1}
        assert await harness.ledger.apply(NextNumber(name="ingest-epoch")) == 2


async def test_public_trades_are_published_with_the_books_version() -> None:
    async with IngestHarness() as harness:
        harness.exchange.trade("E-1", BID, 4_400, 250)
        await harness.reader.until(lambda: harness.reader.of(PublicTrade), "the trade")
        trade = harness.reader.of(PublicTrade)[0]
        # The book's change precedes the trade that explains it.
        assert (trade.price_cc, trade.size_centi, trade.taker_side, trade.version) == (4_400, 250, BID, 2)
        assert trade.event_yes_sum_cc == 4_200 + 4_200, "a reader keeps the newest sum"


async def test_a_gap_makes_all_books_stale_until_their_snapshots() -> None:
    async with IngestHarness() as harness:
        harness.lose_delta("E-1", BID, 4_100, 500)
        harness.exchange.change_level("E-2", BID, 4_100, 700)
        await harness.reader.until(lambda: harness.is_true("E-1") and harness.is_true("E-2"), "both fresh again")
        assert harness.stale_marks("E-1") == harness.stale_marks("E-2") == [Reason.SEQUENCE_GAP]
        assert harness.exchange.connections[-1].commands("get_snapshot")[0]["market_tickers"] == ["E-1", "E-2"]


async def test_deltas_between_gap_and_snapshot_are_ignored() -> None:
    async with IngestHarness() as harness:
        harness.exchange.ignored_commands = ALL_COMMANDS
        harness.lose_delta("E-1", BID, 4_100, 500)
        harness.exchange.change_level("E-1", BID, 4_000, 100)
        harness.exchange.change_level("E-1", BID, 4_000, 100)
        await harness.reader.until(lambda: harness.stale_marks("E-1"), "stale")
        harness.exchange.ignored_commands = frozenset()
        await harness.reader.until(lambda: harness.is_true("E-1"), "requested again and fresh")
        assert harness.reader.of(BookDelta) == []


async def test_a_snapshot_request_without_a_response_is_retried() -> None:
    async with IngestHarness() as harness:
        harness.exchange.ignored_commands = ALL_COMMANDS
        harness.lose_delta("E-1", BID, 4_100, 500)
        harness.exchange.change_level("E-1", BID, 4_100, 500)
        connection = harness.exchange.connections[-1]
        await until(lambda: len(connection.commands("get_snapshot")) >= 2, "a second request")
        harness.exchange.ignored_commands = frozenset()
        await harness.reader.until(lambda: harness.is_true("E-1"), "fresh again")


async def test_missing_snapshots_lead_to_a_new_connection() -> None:
    async with IngestHarness() as harness:
        harness.exchange.ignored_commands = ALL_COMMANDS
        harness.lose_delta("E-1", BID, 4_100, 500)
        harness.exchange.change_level("E-1", BID, 4_100, 500)
        await until(lambda: not harness.exchange.connections[0].is_open, "closed")
        harness.exchange.ignored_commands = frozenset()
        await harness.reader.until(
            lambda: harness.is_true("E-1") and harness.is_true("E-2"), "fresh by a new connection"
        )
        assert len(harness.exchange.connections) == 2


@pytest.mark.parametrize(
    ("side", "price_cc", "delta_centi", "reason"),
    [
        pytest.param(BID, 4_000, -3_001, Reason.NEGATIVE_SIZE, id="below zero"),
        pytest.param(BID, 4_400, 100, Reason.CROSSED_BOOK, id="bid at the ask"),
        pytest.param(ASK, 3_900, 100, Reason.CROSSED_BOOK, id="ask below the bid"),
    ],
)
async def test_an_invalid_delta_makes_only_its_book_stale(
    side: BookSide, price_cc: int, delta_centi: int, reason: Reason
) -> None:
    async with IngestHarness() as harness:
        harness.exchange.push_delta("E-1", side, price_cc, delta_centi)
        await harness.reader.until(lambda: harness.stale_marks("E-1"), "stale")
        await harness.reader.until(lambda: harness.is_true("E-1"), "fresh again")
        assert harness.stale_marks("E-1") == [reason]
        assert harness.stale_marks("E-2") == []


async def test_a_lost_connection_makes_all_books_stale() -> None:
    async with IngestHarness() as harness:
        harness.exchange.connections[-1].drop()
        await harness.reader.until(lambda: harness.stale_marks("E-1") and harness.stale_marks("E-2"), "stale")
        harness.exchange.change_level("E-1", BID, 4_100, 900)
        await harness.reader.until(lambda: harness.is_true("E-1") and harness.is_true("E-2"), "fresh again")
        assert harness.stale_marks("E-1") == [Reason.DISCONNECTED]
        assert harness.reader.replicas["E-1"].epoch == 1


async def test_a_silent_connection_is_replaced() -> None:
    quick = FAST.model_copy(update={"silence_s": 0.05, "idle_probe_s": 0.01})
    async with IngestHarness(quick) as harness:
        harness.exchange.ignored_commands = ALL_COMMANDS
        await harness.reader.until(lambda: harness.stale_marks("E-1"), "stale")
        harness.exchange.ignored_commands = frozenset()
        assert harness.stale_marks("E-1")[0] is Reason.SILENCE
        await harness.reader.until(
            lambda: len(harness.exchange.connections) > 1 and harness.is_true("E-1"), "fresh again"
        )


async def test_idle_books_are_confirmed_by_snapshot_requests() -> None:
    quick = FAST.model_copy(update={"silence_s": 0.2, "idle_probe_s": 0.02})
    async with IngestHarness(quick) as harness:
        before = {ticker: replica.confirmed_us for ticker, replica in harness.reader.replicas.items()}
        await harness.reader.until(
            lambda: all(replica.confirmed_us - before[t] > 400_000 for t, replica in harness.reader.replicas.items()),
            "confirmed repeatedly",
        )
        assert len(harness.exchange.connections) == 1
        assert {snapshot.version for snapshot in harness.reader.of(BookSnapshot)} == {1}


async def test_a_malformed_delta_becomes_a_dead_letter_and_its_book_stale() -> None:
    async with IngestHarness() as harness:
        broken = {"type": "orderbook_delta", "msg": {"market_ticker": "E-1", "price_dollars": 0.4, "delta_fp": "1.00"}}
        harness.exchange.connections[-1].push(broken, StreamChannel.ORDERBOOK)
        await harness.reader.until(lambda: harness.reader.of(DeadLetter) and harness.stale_marks("E-1"), "dead letter")
        await harness.reader.until(lambda: harness.is_true("E-1"), "fresh again")
        assert (harness.stale_marks("E-1"), harness.stale_marks("E-2")) == ([Reason.UNDECODABLE], [])
        assert harness.reader.of(DeadLetter)[0].reason is Reason.UNDECODABLE


async def test_a_malformed_delta_without_a_ticker_makes_all_books_stale() -> None:
    async with IngestHarness() as harness:
        harness.exchange.connections[-1].push(
            {"type": "orderbook_delta", "msg": {"price_dollars": "0.4"}}, StreamChannel.ORDERBOOK
        )
        await harness.reader.until(lambda: harness.stale_marks("E-1") and harness.stale_marks("E-2"), "both stale")
        await harness.reader.until(lambda: harness.is_true("E-1") and harness.is_true("E-2"), "fresh again")
        assert harness.stale_marks("E-1") == harness.stale_marks("E-2") == [Reason.UNDECODABLE]


async def test_an_undecodable_snapshot_affects_only_its_market() -> None:
    async with IngestHarness() as harness:
        connection = harness.exchange.connections[-1]

        def odd(frame: dict[str, Any]) -> dict[str, Any]:
            if frame["type"] != "orderbook_snapshot" or frame["msg"]["market_ticker"] != "E-1":
                return frame
            return {**frame, "msg": {"market_ticker": "E-1", "yes_dollars_fp": [["0.412345", "1.00"]]}}

        harness.exchange.alter_frame = odd
        harness.exchange.push_delta("E-1", BID, 4_000, -3_001)
        await until(
            lambda: len(connection.commands("get_snapshot")) > FAST.max_snapshot_requests, "requested without effect"
        )
        assert all(each["market_tickers"] == ["E-1"] for each in connection.commands("get_snapshot"))
        assert connection.is_open
        assert harness.stale_marks("E-2") == []


async def test_a_dead_book_subscription_ends_a_busy_connection() -> None:
    quick = FAST.model_copy(update={"idle_probe_s": 0.02})
    async with IngestHarness(quick) as harness:
        harness.exchange.muted_frames = {"orderbook_snapshot", "orderbook_delta"}
        connection = harness.exchange.connections[0]

        def chat() -> bool:
            if connection.is_open:
                harness.exchange.trade("E-1", BID, 4_400, 1)
            return not connection.is_open

        await until(chat, "closed")


async def test_an_unknown_frame_becomes_a_dead_letter_and_changes_nothing() -> None:
    async with IngestHarness() as harness:
        harness.exchange.connections[-1].deliver('{"type":"brand_new","sid":9,"seq":1,"msg":{}}')
        harness.exchange.connections[-1].deliver("not json")
        harness.exchange.connections[-1].deliver("\n")
        await harness.reader.until(lambda: len(harness.reader.of(DeadLetter)) == 2, "two dead letters")
        assert {letter.reason for letter in harness.reader.of(DeadLetter)} == {Reason.UNKNOWN_TYPE, Reason.UNDECODABLE}
        assert harness.reader.of(BookStale) == []


async def test_a_repeated_frame_is_not_applied_twice() -> None:
    async with IngestHarness() as harness:
        connection = harness.exchange.connections[-1]
        harness.exchange.change_level("E-1", BID, 4_100, 500)
        await until(lambda: connection.is_read(), "read")
        connection.deliver(connection.received[-1])
        harness.exchange.change_level("E-1", BID, 4_000, 100)
        await harness.reader.until(lambda: harness.is_true("E-1") and len(harness.reader.of(BookDelta)) == 2, "true")
        assert harness.reader.of(BookStale) == []


async def test_a_terminal_error_leads_to_a_new_connection() -> None:
    async with IngestHarness() as harness:
        connection = harness.exchange.connections[-1]
        overflow = {"code": 25, "msg": "Subscription buffer overflow"}
        connection.push({"type": "error", "sid": connection.sid(StreamChannel.ORDERBOOK), "msg": overflow})
        await harness.reader.until(
            lambda: len(harness.exchange.connections) == 2 and harness.is_true("E-1"), "fresh again"
        )
        assert harness.stale_marks("E-1") == [Reason.DISCONNECTED]


async def test_the_events_yes_sum_is_published_with_its_age() -> None:
    async with IngestHarness() as harness:
        harness.exchange.change_level("E-2", BID, 4_200, 100)
        await harness.reader.until(lambda: harness.reader.of(BookDelta), "the delta")
        delta = harness.reader.of(BookDelta)[0]
        assert delta.event_yes_sum_cc == 4_200 + 4_300
        assert delta.event_yes_sum_age_us is not None and 0 <= delta.event_yes_sum_age_us < 5_000_000


async def test_a_new_market_is_published_and_subscribed() -> None:
    async with IngestHarness() as harness:
        assert {market.ticker for market in harness.reader.of(MarketUpdated) if market.selected} == {"E-1", "E-2"}
        harness.exchange.list_market(market_metadata("F-1"), *BOOK)
        await harness.reader.until(lambda: harness.is_true("F-1"), "the new market's book")
        assert harness.exchange.connections[-1].commands("add_markets")[0]["market_tickers"] == ["F-1"]
        assert len(harness.exchange.connections) == 1


async def test_a_change_of_fees_is_read_and_published() -> None:
    async with IngestHarness() as harness:
        harness.exchange.list_market(market_metadata("E-1", fee_multiplier_ppm=2_000_000))
        message = {"event_ticker": "E", "fee_type_override": "quadratic", "fee_multiplier_override": 2}
        harness.exchange.connections[-1].push({"type": "event_fee_update", "msg": message}, StreamChannel.LIFECYCLE)
        await harness.reader.until(
            lambda: any(market.metadata.fee_multiplier_ppm == 2_000_000 for market in harness.reader.of(MarketUpdated)),
            "published",
        )
        assert harness.exchange.count("clear_metadata_cache")


async def test_a_settled_market_is_published_and_unsubscribed() -> None:
    async with IngestHarness() as harness:
        harness.exchange.determine("E-1", 10_000)
        harness.exchange.advance()
        await until(lambda: harness.exchange.connections[-1].commands("delete_markets"), "deleted")
        await harness.reader.until(lambda: harness.stale_marks("E-1"), "stale")
        last = [market for market in harness.reader.of(MarketUpdated) if market.ticker == "E-1"][-1]
        assert (last.selected, last.metadata.status, last.metadata.settlement_cc) == (
            False,
            MarketStatus.FINALIZED,
            10_000,
        )


async def test_a_market_followed_by_an_earlier_instance_is_deselected() -> None:
    first = IngestHarness()
    async with first:
        pass
    second = IngestHarness(FAST.model_copy(update={"universe": UniverseSettings(tickers=("E-1",))}))
    reader = await TopicReader(first.context.bus, MARKETS).join()
    service = build(
        first.context, second.settings, rest=second.exchange, connector=second.exchange, ledger=first.ledger
    )  # fmt: skip
    async with RunningServices(service):
        await reader.until(
            lambda: [market.selected for market in reader.of(MarketUpdated) if market.ticker == "E-2"][-1:] == [False],
            "E-2 deselected",
        )


async def test_a_refused_key_ends_the_service_instead_of_trying_for_ever() -> None:
    harness = IngestHarness()
    harness.exchange.fail("connect", StreamRefused(401, "bad key"))
    with pytest.raises(StreamRefused):
        service = build(
            harness.context, FAST, rest=harness.exchange, connector=harness.exchange, ledger=await opened_ledger()
        )  # fmt: skip
        async with RunningServices(service) as running:
            await running.ended()


async def test_the_service_runs_on_a_clock_that_is_moved_by_hand() -> None:
    clock = ManualClock()
    shared = make_context("ingest", clock=clock)
    exchange = exchange_with({"E-1": BOOK}, clock)
    reader = await TopicReader(shared.bus, ORDERBOOK).join()
    service = build(
        shared, IngestSettings(), rest=exchange, connector=exchange, ledger=await opened_ledger(),
    )  # fmt: skip
    async with RunningServices(service):
        for _ in range(40):
            await clock.advance(0.25)
        await reader.read()
    assert reader.replicas["E-1"].book == exchange.true_book("E-1")
    assert clock.now_us() - reader.replicas["E-1"].confirmed_us < 3_000_000
