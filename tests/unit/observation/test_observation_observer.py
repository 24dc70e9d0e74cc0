"""When a market is observed, by which book, and why not: the observer with a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any
from unittest.mock import AsyncMock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.observation_world import ASK, BID, MS, World
from truebook.bus.port import BusUnavailable
from truebook.clock import ManualClock
from truebook.features.feature import feature, signal
from truebook.features.layout import FeatureInputs, Layout, layout
from truebook.ledger.port import Reserve, StoreCorrupt, StoreUnavailable, View
from truebook.messages.envelope import Source
from truebook.messages.facts import FeeType, MarketStatus
from truebook.messages.reasons import Reason
from truebook_services.observation.observer import AT_ONCE


async def test_a_first_book_with_facts_is_observed_at_once() -> None:
    world = await World().start()
    (first,) = await world.seen()
    assert (first.best_bid_cc, first.best_bid_centi, first.best_ask_cc, first.best_ask_centi) == (
        4_000, 3_000, 4_400, 1_000,
    )  # fmt: skip
    assert (first.layout, first.layout_hash, len(first.features)) == ("m1", layout("m1").hash, 24)
    assert (first.book_epoch, first.book_version, first.taker_rate_ppm, first.maker_rate_ppm) == (1, 1, 70_000, 0)
    assert (first.cash_micros, first.position_centi) == (1_000_000_000, 0)


async def test_a_burst_is_observed_at_its_start_and_its_last_change_when_the_throttle_opens() -> None:
    world = await World().start()
    world.pass_ms(250)
    for size_centi in (3_100, 3_200, 3_300):
        await world.take(world.delta(size_centi))
        world.pass_ms(10)
    await world.release()
    assert [each.best_bid_centi for each in await world.seen()] == [3_000, 3_100]
    world.pass_ms(219)
    await world.release()
    assert len(await world.seen()) == 2
    world.pass_ms(1)
    await world.release()
    assert [each.best_bid_centi for each in await world.seen()] == [3_000, 3_100, 3_300]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 50)), min_size=1, max_size=20))
async def test_whatever_the_rhythm_the_last_change_is_observed_and_the_throttle_is_kept(
    rhythm: list[tuple[int, int]],
) -> None:
    world = await World().start()
    size_centi = 3_000
    for wait_ms, growth in rhythm:
        for _ in range(0, wait_ms, 20):
            world.pass_ms(20)
            await world.release()
        size_centi += growth
        await world.take(world.delta(size_centi))
    for _ in range(14):
        world.pass_ms(20)
        await world.release()
    seen = await world.seen()
    assert seen[-1].best_bid_centi == size_centi
    assert all(b.produced_us - a.produced_us >= 250 * MS for a, b in itertools.pairwise(seen))


async def test_latency_counts_from_the_frame_or_from_the_release_where_the_throttle_made_it_wait() -> None:
    world = await World().start()
    world.pass_ms(250)
    await world.take(world.delta(3_100))
    at_once = world.clock.now_us() - 3
    world.pass_ms(100)
    await world.take(world.delta(3_200))
    world.pass_ms(150)
    await world.release()
    assert [each.frame_us for each in await world.seen()][1:] == [at_once, world.clock.monotonic_us()]


async def test_one_view_of_the_ledger_serves_all_markets_that_are_due() -> None:
    world = World()
    await world.ledger.open_account(1_000_000_000, ())
    await world.join()
    tickers = [f"T-{n}" for n in range(10)]
    await world.take(*(news for ticker in tickers for news in (world.market(ticker), world.snapshot(ticker))))
    assert world.ledger.views == [tuple(tickers)]
    assert len(await world.seen()) == 10


async def test_whatever_could_not_be_published_is_observed_at_its_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those markets whose turn had not come: more are due here than are published together."""
    tickers = [f"T-{n}" for n in range(AT_ONCE + 4)]
    world = await World().start(*tickers)
    world.pass_ms(250)
    before = len(await world.seen())
    with monkeypatch.context() as outage:
        outage.setattr(world.context.bus, "publish_many", AsyncMock(side_effect=BusUnavailable("away")))
        with pytest.raises(BusUnavailable):
            await world.take(*(world.delta(3_100, ticker) for ticker in tickers))
    world.pass_ms(250)
    await world.release()
    assert {each.ticker for each in (await world.seen())[before:]} == set(tickers)


async def test_a_quiet_market_is_observed_every_few_seconds_when_its_book_is_confirmed() -> None:
    world = await World().start()
    for _ in range(12):
        world.pass_ms(1_000)
        await world.take(world.snapshot(step=0))
    seen = await world.seen()
    assert [(each.produced_us - seen[0].produced_us) // 1_000_000 for each in seen] == [0, 5, 10]
    assert seen[-1].confirmed_us == seen[-1].produced_us
    assert len({each.id for each in seen}) == 1, "the same book, ledger and signals are the same observation"


REFUSALS = [
    pytest.param({}, {"bids": ()}, Reason.ONE_SIDED_BOOK, id="one side"),
    pytest.param({"status": MarketStatus.CLOSED}, {}, Reason.MARKET_NOT_TRADING, id="closed"),
    pytest.param({"close_us": ManualClock().now_us() + 4_999_999}, {}, Reason.NEAR_CLOSE, id="closes soon"),
    pytest.param({"fee_type": FeeType.FLAT}, {}, Reason.FEE_TYPE, id="fee that can't be promised"),
]


@pytest.mark.parametrize(("market", "book", "reason"), REFUSALS)
async def test_a_market_that_can_not_be_observed_is_refused_with_the_reason(
    market: dict[str, Any], book: dict[str, Any], reason: Reason
) -> None:
    world = await World().start("X-1")
    await world.take(world.market("T-1", **market), world.snapshot("T-1", **book))
    assert [each.ticker for each in await world.seen()] == ["X-1"]
    assert world.refused(reason) == 1


async def test_a_book_without_facts_is_refused_and_the_ledger_is_not_asked() -> None:
    world = World()
    await world.take(world.snapshot())
    assert (world.refused(Reason.NO_MARKET_FACTS), world.ledger.views) == (1, [])


async def test_facts_that_come_after_the_book_release_the_observation() -> None:
    world = World(throttle_ms=0)
    await world.ledger.open_account(1_000_000_000, ())
    await world.join()
    await world.take(world.snapshot())
    await world.take(world.market())
    assert len(await world.seen()) == 1


async def test_a_market_that_is_not_chosen_is_not_observed() -> None:
    world = await World().start()
    await world.take(world.market(chosen=False))
    world.pass_ms(1_000)
    await world.take(world.delta(3_100))
    assert len(await world.seen()) == 1


@pytest.mark.parametrize("reason", [Reason.SEQUENCE_GAP, Reason.CROSSED_BOOK, Reason.SILENCE, Reason.DISCONNECTED])
async def test_a_stale_book_is_not_observed_until_its_snapshot(reason: Reason) -> None:
    world = await World().start()
    await world.take(world.delta(3_100), world.stale(reason))
    world.pass_ms(250)
    await world.release()
    assert (len(await world.seen()), world.refused(reason)) == (1, 1)
    world.pass_ms(250)
    await world.take(world.delta(3_300))
    assert len(await world.seen()) == 1
    await world.take(world.snapshot())
    assert [each.book_version for each in await world.seen()] == [1, 4]


async def test_a_book_that_nobody_has_confirmed_for_long_is_not_observed() -> None:
    world = await World().start()
    await world.take(world.delta(3_100))
    world.pass_ms(10_001)
    await world.release()
    assert (len(await world.seen()), world.refused(Reason.STALE_BOOK)) == (1, 1)


async def test_without_the_ledger_nothing_is_observed_and_the_change_is_not_lost() -> None:
    world = await World().start()
    world.pass_ms(250)
    world.ledger.failure = StoreUnavailable("gone")
    await world.take(world.delta(3_100))
    assert (len(await world.seen()), world.refused(Reason.NO_LEDGER)) == (1, 1)
    world.ledger.failure = None
    world.pass_ms(250)
    await world.release()
    assert [each.best_bid_centi for each in await world.seen()] == [3_000, 3_100]


async def test_an_account_that_is_not_open_yet_is_no_ledger() -> None:
    world = World()
    await world.join()
    await world.take(world.market(), world.snapshot())
    assert (await world.seen(), world.refused(Reason.NO_LEDGER)) == ([], 1)


async def test_a_corrupt_ledger_ends_the_service() -> None:
    world = await World().start()
    world.pass_ms(250)
    world.ledger.failure = StoreCorrupt("another schema")
    with pytest.raises(StoreCorrupt):
        await world.take(world.delta(3_100))


async def rest_an_order(world: World, size_centi: int, price_cc: int = 4_000) -> None:
    now_us = world.clock.now_us()
    order = Reserve(
        order_id=f"tb1-{price_cc}", nonce="n", ticker="T-1", event="T", exclusive=False, book_side=BID,
        price_cc=price_cc, size_centi=size_centi, reduce_only=False, fee_rate_ppm=0, deadline_us=now_us + 10**9,
        now_us=now_us, partition=0, epoch=0,
    )  # fmt: skip
    assert await world.ledger.reserve(order) == "reserved"


@pytest.mark.parametrize(
    ("source", "bid_centi"),
    [(Source.SIMULATED, 2_000), (Source.DEMO, 2_000), (Source.CAPTURE, 3_000), (Source.PRODUCTION, 3_000)],
)
async def test_own_orders_are_taken_off_the_book_only_where_the_feed_shows_them(source: Source, bid_centi: int) -> None:
    world = World(source=source)
    await world.ledger.open_account(1_000_000_000, ())
    await rest_an_order(world, 1_000)
    await world.join()
    await world.take(world.market(), world.snapshot())
    (seen,) = await world.seen()
    assert seen.best_bid_centi == bid_centi
    assert seen.cash_micros < 1_000_000_000


async def test_a_book_that_is_two_sided_only_by_our_own_order_is_one_sided() -> None:
    world = World()
    await world.ledger.open_account(1_000_000_000, ())
    await rest_an_order(world, 1_000)
    await world.join()
    await world.take(world.market(), world.snapshot(bids=((4_000, 1_000),)))
    assert (await world.seen(), world.refused(Reason.ONE_SIDED_BOOK)) == ([], 1)


async def test_our_own_quotes_leave_no_trace_in_the_history() -> None:
    moves: list[int] = []

    @feature(low=0, high=100)
    def changes(inputs: FeatureInputs) -> float:
        """How many changes the history holds."""
        moves.append(len(inputs.history.changes))
        return float(len(inputs.history.changes))

    world = await World(of=Layout("probe", (changes,))).start()
    await rest_an_order(world, 1_000, price_cc=4_100)
    world.pass_ms(250)
    await world.take(world.delta(2_900))  # from here on the observer knows of the order
    world.pass_ms(250)
    await world.take(world.delta(1_000, price_cc=4_100))
    await world.take(world.delta(1_000, side=ASK, price_cc=4_400))
    world.pass_ms(250)
    await world.release()
    assert moves == [1, 2, 2, 2][: len(moves)]
    assert len(moves) >= 3


async def test_a_quote_that_comes_into_the_book_before_the_next_view_leaves_no_trace_either() -> None:
    mids: list[list[int | None]] = []

    @feature(low=0, high=1)
    def remembered(inputs: FeatureInputs) -> float:
        """The mids of the history."""
        mids.append([change.mid_cc for change in inputs.history.changes])
        return 0.0

    world = await World(of=Layout("probe", (remembered,))).start()
    world.pass_ms(250)
    await world.take(world.delta(2_900))
    await rest_an_order(world, 1_000, price_cc=4_100)
    await world.take(world.delta(1_000, price_cc=4_100, ours="tb1-4100"))
    await world.take(world.delta(1_000, side=ASK, price_cc=4_300))
    world.pass_ms(250)
    await world.release()
    assert mids[-1] == [4_200, 4_200, 4_150]
    await world.take(world.delta(0, price_cc=4_100, ours="tb1-4100"))
    await world.take(world.delta(2_000, side=ASK, price_cc=4_300))
    world.pass_ms(250)
    await world.release()
    assert mids[-1] == [4_200, 4_200, 4_150, 4_150]


async def test_the_same_book_with_other_positions_is_another_observation() -> None:
    world = await World().start()
    await rest_an_order(world, 1_000)
    world.pass_ms(6_000)
    await world.take(world.snapshot(step=0))
    first, second = await world.seen()
    assert first.book_version == second.book_version
    assert first.id != second.id


@pytest.fixture
def signalled() -> Layout:
    return Layout("with-edge", (signal("edge", low=-1, high=1),))


async def test_a_layout_that_needs_a_signal_waits_for_it_and_refuses_an_expired_one(signalled: Layout) -> None:
    world = await World(of=signalled).start()
    assert world.refused(Reason.SIGNAL_MISSING) == 1
    world.pass_ms(250)
    await world.take(world.signal(0.25, valid_s=1.0))
    assert [each.features for each in await world.seen()] == [(0.25,)]
    world.pass_ms(1_000)
    await world.take(world.delta(3_100))
    assert (len(await world.seen()), world.refused(Reason.SIGNAL_EXPIRED)) == (1, 1)


async def test_another_value_of_a_signal_is_another_observation(signalled: Layout) -> None:
    world = await World(of=signalled).start()
    for value in (0.25, 0.5, 0.5):
        world.pass_ms(250)
        await world.take(world.signal(value, valid_s=60.0))
    seen = await world.seen()
    assert len({each.id for each in seen}) == 2
    assert len({each.signals_digest for each in seen}) == 2


async def test_a_market_whose_features_fail_rests_and_the_others_go_on() -> None:
    @feature()
    def fails_for_one(inputs: FeatureInputs) -> float:
        """A user's function with a fault."""
        return 1 / (inputs.facts.ticker != "T-1")

    world = await World(of=Layout("probe", (fails_for_one,)), breaker_errors=2).start("T-1", "T-2")
    for size_centi in (3_100, 3_200, 3_300):
        world.pass_ms(250)
        await world.take(world.delta(size_centi), world.delta(size_centi, "T-2"))
    assert {each.ticker for each in await world.seen()} == {"T-2"}
    assert (world.refused(Reason.MODEL_FAILED), world.refused(Reason.BREAKER)) == (2, 2)


async def test_news_while_the_ledger_is_read_is_in_the_observation() -> None:
    world = await World().start()
    world.pass_ms(250)
    view, late = world.ledger.view, list[asyncio.Future[None]]()

    async def slow(tickers: tuple[str, ...] | None = None) -> View:
        if not late:
            late.append(asyncio.ensure_future(world.take(world.delta(3_300))))
            await asyncio.sleep(0)
        return await view(tickers)

    world.ledger.view = slow  # type: ignore[method-assign]
    await world.take(world.delta(3_200))
    await late[0]
    assert [each.best_bid_centi for each in await world.seen()] == [3_000, 3_300]


async def test_a_market_that_leaves_while_it_waits_is_observed_again_when_it_is_back() -> None:
    world = await World().start()
    await world.take(world.delta(2_900))  # too soon: it waits
    await world.take(world.market(chosen=False))
    world.pass_ms(250)
    await world.release()
    assert len(await world.seen()) == 1
    await world.take(world.market())
    assert [each.best_bid_centi for each in await world.seen()] == [3_000, 2_900]
    world.pass_ms(250)
    await world.take(world.delta(2_800))
    assert len(await world.seen()) == 3
