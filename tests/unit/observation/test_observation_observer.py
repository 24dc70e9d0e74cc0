"""When a market is observed, by which book, and why not: the observer on a manual clock."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any
from unittest.mock import AsyncMock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.observation_harness import ASK, BID, MS, ObservationHarness
from truebook.bus.port import BusUnavailable, Record
from truebook.clock import ManualClock
from truebook.features.feature import feature
from truebook.features.layout import FeatureInputs, Layout, layout
from truebook.ledger.port import LedgerView, StoreCorrupt, StoreUnavailable
from truebook.ledger.verbs import RESERVED, OpenAccount, Reserve
from truebook.messages.envelope import Source, Tombstone
from truebook.messages.market_metadata import FeeType, MarketStatus
from truebook.messages.reasons import Reason
from truebook.messages.topics import MARKETS
from truebook.runtime.frames import Incoming
from truebook_services.observation.observer import LOT


async def test_a_first_book_is_observed_immediately() -> None:
    harness = await ObservationHarness().start()
    (first,) = await harness.seen()
    assert (first.best_bid_cc, first.best_bid_centi, first.best_ask_cc, first.best_ask_centi) == (
        4_000, 3_000, 4_400, 1_000,
    )  # fmt: skip
    assert (first.layout, first.layout_hash, len(first.features)) == ("m1", layout("m1").hash, 24)
    assert (first.book_epoch, first.book_version, first.taker_rate_ppm, first.maker_rate_ppm) == (1, 1, 70_000, 0)
    assert (first.cash_micros, first.position_centi) == (1_000_000_000, 0)


async def test_first_and_last_change_of_a_burst_are_observed() -> None:
    harness = await ObservationHarness().start()
    harness.pass_ms(250)
    for size_centi in (3_100, 3_200, 3_300):
        await harness.handle(harness.delta(size_centi))
        harness.pass_ms(10)
    await harness.release()
    assert [each.best_bid_centi for each in await harness.seen()] == [3_000, 3_100]
    harness.pass_ms(219)
    await harness.release()
    assert len(await harness.seen()) == 2
    harness.pass_ms(1)
    await harness.release()
    assert [each.best_bid_centi for each in await harness.seen()] == [3_000, 3_100, 3_300]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 50)), min_size=1, max_size=20))
async def test_any_sequence_of_changes_keeps_throttle_and_last_change(
    rhythm: list[tuple[int, int]],
) -> None:
    harness = await ObservationHarness().start()
    size_centi = 3_000
    for wait_ms, growth in rhythm:
        for _ in range(0, wait_ms, 20):
            harness.pass_ms(20)
            await harness.release()
        size_centi += growth
        await harness.handle(harness.delta(size_centi))
    for _ in range(14):
        harness.pass_ms(20)
        await harness.release()
    seen = await harness.seen()
    assert seen[-1].best_bid_centi == size_centi
    assert all(b.produced_us - a.produced_us >= 250 * MS for a, b in itertools.pairwise(seen))


async def test_latency_starts_at_the_frame_or_at_the_throttles_release() -> None:
    harness = await ObservationHarness().start()
    harness.pass_ms(250)
    await harness.handle(harness.delta(3_100))
    at_once = harness.clock.now_us() - 3
    harness.pass_ms(100)
    await harness.handle(harness.delta(3_200))
    harness.pass_ms(150)
    await harness.release()
    assert [each.frame_us for each in await harness.seen()][1:] == [at_once, harness.clock.monotonic_us()]


async def test_one_view_of_the_ledger_serves_all_due_markets() -> None:
    harness = ObservationHarness()
    await harness.ledger.apply(OpenAccount(balance_micros=1_000_000_000))
    await harness.join()
    tickers = [f"T-{n}" for n in range(10)]
    await harness.handle(
        *(message for ticker in tickers for message in (harness.market(ticker), harness.snapshot(ticker)))
    )
    assert harness.ledger.views == [tuple(tickers)]
    assert len(await harness.seen()) == 10


async def test_unpublished_observations_are_scheduled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the markets after the failed batch: more are due here than are published together."""
    tickers = [f"T-{n}" for n in range(LOT + 4)]
    harness = await ObservationHarness().start(*tickers)
    harness.pass_ms(250)
    before = len(await harness.seen())
    with monkeypatch.context() as outage:
        outage.setattr(harness.context.bus, "publish_many", AsyncMock(side_effect=BusUnavailable("no broker")))
        with pytest.raises(BusUnavailable):
            await harness.handle(*(harness.delta(3_100, ticker) for ticker in tickers))
    harness.pass_ms(250)
    await harness.release()
    assert {each.ticker for each in (await harness.seen())[before:]} == set(tickers)


async def test_an_idle_market_is_observed_while_its_book_is_confirmed() -> None:
    harness = await ObservationHarness().start()
    for _ in range(12):
        harness.pass_ms(1_000)
        await harness.handle(harness.snapshot(step=0))
    seen = await harness.seen()
    assert [(each.produced_us - seen[0].produced_us) // 1_000_000 for each in seen] == [0, 5, 10]
    assert seen[-1].confirmed_us == seen[-1].produced_us
    assert len({each.id for each in seen}) == 1, "the same book, ledger and signals are the same observation"


REFUSALS = [
    pytest.param({}, {"bids": ()}, Reason.ONE_SIDED_BOOK, id="one side"),
    pytest.param({"status": MarketStatus.CLOSED}, {}, Reason.MARKET_NOT_TRADING, id="closed"),
    pytest.param({"close_us": ManualClock().now_us() + 4_999_999}, {}, Reason.NEAR_CLOSE, id="closes soon"),
    pytest.param({"fee_type": FeeType.FLAT}, {}, Reason.FEE_TYPE, id="fee that cannot be computed"),
]


@pytest.mark.parametrize(("market", "book", "reason"), REFUSALS)
async def test_an_unobservable_market_is_refused_with_the_reason(
    market: dict[str, Any], book: dict[str, Any], reason: Reason
) -> None:
    harness = await ObservationHarness().start("X-1")
    await harness.handle(harness.market("T-1", **market), harness.snapshot("T-1", **book))
    assert [each.ticker for each in await harness.seen()] == ["X-1"]
    assert harness.refused(reason) == 1


async def test_a_book_without_metadata_is_refused_without_the_ledger() -> None:
    harness = ObservationHarness()
    await harness.handle(harness.snapshot())
    assert (harness.refused(Reason.NO_MARKET_METADATA), harness.ledger.views) == (1, [])


async def test_metadata_after_the_book_releases_the_observation() -> None:
    harness = ObservationHarness(throttle_ms=0)
    await harness.ledger.apply(OpenAccount(balance_micros=1_000_000_000))
    await harness.join()
    await harness.handle(harness.snapshot())
    await harness.handle(harness.market())
    assert len(await harness.seen()) == 1


async def test_an_unselected_market_is_not_observed() -> None:
    harness = await ObservationHarness().start()
    await harness.handle(harness.market(selected=False))
    harness.pass_ms(1_000)
    await harness.handle(harness.delta(3_100))
    assert len(await harness.seen()) == 1


@pytest.mark.parametrize("reason", [Reason.SEQUENCE_GAP, Reason.CROSSED_BOOK, Reason.SILENCE, Reason.DISCONNECTED])
async def test_a_stale_book_is_not_observed_until_its_snapshot(reason: Reason) -> None:
    harness = await ObservationHarness().start()
    await harness.handle(harness.delta(3_100), harness.stale(reason))
    harness.pass_ms(250)
    await harness.release()
    assert (len(await harness.seen()), harness.refused(reason)) == (1, 1)
    harness.pass_ms(250)
    await harness.handle(harness.delta(3_300))
    assert len(await harness.seen()) == 1
    await harness.handle(harness.snapshot())
    assert [each.book_version for each in await harness.seen()] == [1, 4]


async def test_a_book_confirmed_too_long_ago_is_not_observed() -> None:
    harness = await ObservationHarness().start()
    await harness.handle(harness.delta(3_100))
    harness.pass_ms(10_001)
    await harness.release()
    assert (len(await harness.seen()), harness.refused(Reason.STALE_BOOK)) == (1, 1)


async def test_a_change_waits_while_the_ledger_is_unavailable() -> None:
    harness = await ObservationHarness().start()
    harness.pass_ms(250)
    harness.ledger.failure = StoreUnavailable("gone")
    await harness.handle(harness.delta(3_100))
    assert (len(await harness.seen()), harness.refused(Reason.NO_LEDGER)) == (1, 1)
    harness.ledger.failure = None
    harness.pass_ms(250)
    await harness.release()
    assert [each.best_bid_centi for each in await harness.seen()] == [3_000, 3_100]


async def test_an_unopened_account_counts_as_no_ledger() -> None:
    harness = ObservationHarness()
    await harness.join()
    await harness.handle(harness.market(), harness.snapshot())
    assert (await harness.seen(), harness.refused(Reason.NO_LEDGER)) == ([], 1)


async def test_a_corrupt_ledger_ends_the_service() -> None:
    harness = await ObservationHarness().start()
    harness.pass_ms(250)
    harness.ledger.failure = StoreCorrupt("another schema")
    with pytest.raises(StoreCorrupt):
        await harness.handle(harness.delta(3_100))


async def rest_an_order(harness: ObservationHarness, size_centi: int, price_cc: int = 4_000) -> None:
    now_us = harness.clock.now_us()
    order = Reserve(
        order_id=f"tb1-{price_cc}", nonce="n", ticker="T-1", event="T", exclusive=False, book_side=BID,
        price_cc=price_cc, size_centi=size_centi, reduce_only=False, fee_rate_ppm=0, deadline_us=now_us + 10**9,
        now_us=now_us, partition=0, epoch=0,
    )  # fmt: skip
    assert await harness.ledger.apply(order) == RESERVED


@pytest.mark.parametrize(
    ("source", "bid_centi"),
    [(Source.SIMULATED, 2_000), (Source.DEMO, 2_000), (Source.CAPTURE, 3_000), (Source.PRODUCTION, 3_000)],
)
async def test_own_orders_are_netted_only_if_the_feed_contains_them(source: Source, bid_centi: int) -> None:
    harness = ObservationHarness(source=source)
    await harness.ledger.apply(OpenAccount(balance_micros=1_000_000_000))
    await rest_an_order(harness, 1_000)
    await harness.join()
    await harness.handle(harness.market(), harness.snapshot())
    (seen,) = await harness.seen()
    assert seen.best_bid_centi == bid_centi
    assert seen.cash_micros < 1_000_000_000


async def test_a_side_with_only_our_own_order_is_empty() -> None:
    harness = ObservationHarness()
    await harness.ledger.apply(OpenAccount(balance_micros=1_000_000_000))
    await rest_an_order(harness, 1_000)
    await harness.join()
    await harness.handle(harness.market(), harness.snapshot(bids=((4_000, 1_000),)))
    assert (await harness.seen(), harness.refused(Reason.ONE_SIDED_BOOK)) == ([], 1)


async def test_our_own_quotes_leave_no_trace_in_the_history() -> None:
    moves: list[int] = []

    @feature(low=0, high=100)
    def changes(inputs: FeatureInputs) -> float:
        """The number of changes in the history."""
        moves.append(len(inputs.history.changes))
        return float(len(inputs.history.changes))

    harness = await ObservationHarness(of=Layout("probe", (changes,))).start()
    await rest_an_order(harness, 1_000, price_cc=4_100)
    harness.pass_ms(250)
    await harness.handle(harness.delta(2_900))  # the observer reads the order with this observation
    harness.pass_ms(250)
    await harness.handle(harness.delta(1_000, price_cc=4_100))
    await harness.handle(harness.delta(1_000, side=ASK, price_cc=4_400))
    harness.pass_ms(250)
    await harness.release()
    assert moves == [1, 2, 2, 2][: len(moves)]
    assert len(moves) >= 3


async def test_a_quote_newer_than_the_view_leaves_no_trace_in_the_history() -> None:
    mids: list[list[int | None]] = []

    @feature(low=0, high=1)
    def record_mids(inputs: FeatureInputs) -> float:
        """The mids of the history."""
        mids.append([change.mid_cc for change in inputs.history.changes])
        return 0.0

    harness = await ObservationHarness(of=Layout("probe", (record_mids,))).start()
    harness.pass_ms(250)
    await harness.handle(harness.delta(2_900))
    await rest_an_order(harness, 1_000, price_cc=4_100)
    await harness.handle(harness.delta(1_000, price_cc=4_100, ours="tb1-4100"))
    await harness.handle(harness.delta(1_000, side=ASK, price_cc=4_300))
    harness.pass_ms(250)
    await harness.release()
    assert mids[-1] == [4_200, 4_200, 4_150]
    await harness.handle(harness.delta(0, price_cc=4_100, ours="tb1-4100"))
    await harness.handle(harness.delta(2_000, side=ASK, price_cc=4_300))
    harness.pass_ms(250)
    await harness.release()
    assert mids[-1] == [4_200, 4_200, 4_150, 4_150]


async def test_other_positions_make_another_observation() -> None:
    harness = await ObservationHarness().start()
    await rest_an_order(harness, 1_000)
    harness.pass_ms(6_000)
    await harness.handle(harness.snapshot(step=0))
    first, second = await harness.seen()
    assert first.book_version == second.book_version
    assert first.id != second.id


async def test_failing_features_open_only_their_markets_breaker() -> None:
    @feature()
    def fails_for_one(inputs: FeatureInputs) -> float:
        """A faulty function of a user."""
        return 1 / (inputs.market.ticker != "T-1")

    harness = await ObservationHarness(of=Layout("probe", (fails_for_one,)), breaker_errors=2).start("T-1", "T-2")
    for size_centi in (3_100, 3_200, 3_300):
        harness.pass_ms(250)
        await harness.handle(harness.delta(size_centi), harness.delta(size_centi, "T-2"))
    assert {each.ticker for each in await harness.seen()} == {"T-2"}
    assert (harness.refused(Reason.INFERENCE_FAILED), harness.refused(Reason.BREAKER)) == (2, 2)


async def test_a_change_while_the_ledger_is_read_is_observed() -> None:
    harness = await ObservationHarness().start()
    harness.pass_ms(250)
    view, late = harness.ledger.view, list[asyncio.Future[None]]()

    async def slow(tickers: tuple[str, ...] | None = None) -> LedgerView:
        if not late:
            late.append(asyncio.ensure_future(harness.handle(harness.delta(3_300))))
            await asyncio.sleep(0)
        return await view(tickers)

    harness.ledger.view = slow  # type: ignore[method-assign]
    await harness.handle(harness.delta(3_200))
    await late[0]
    assert [each.best_bid_centi for each in await harness.seen()] == [3_000, 3_300]


async def test_a_reselected_market_is_observed_again() -> None:
    harness = await ObservationHarness().start()
    await harness.handle(harness.delta(2_900))  # throttled
    await harness.handle(harness.market(selected=False))
    harness.pass_ms(250)
    await harness.release()
    assert len(await harness.seen()) == 1
    await harness.handle(harness.market())
    assert [each.best_bid_centi for each in await harness.seen()] == [3_000, 2_900]
    harness.pass_ms(250)
    await harness.handle(harness.delta(2_800))
    assert len(await harness.seen()) == 3


async def test_nothing_is_kept_of_a_deleted_market() -> None:
    harness = await ObservationHarness().start("T-1", "T-2")
    deleted = Incoming(Record(MARKETS.name, 0, 0, "T-1", b""), Tombstone(), lambda: None)
    await harness.observer.handle([deleted])
    await harness.handle(harness.stale(Reason.SILENCE))
    assert list(harness.observer._markets) == ["T-2"]
