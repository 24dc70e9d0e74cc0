"""The synthetic traders: one stream per seed, active markets, short-lived ones that settle, pauses."""

from __future__ import annotations

import gc
import hashlib
import subprocess
import sys
from collections import Counter
from typing import Any

import msgspec
import pytest

from support.simulated_exchange import ASK, BID, SECOND_US, START_US, request
from truebook.messages.market_metadata import FeeType, MarketStatus
from truebook.simulation.events import Filled, LevelChanged, SimulationEvent, Traded
from truebook.simulation.synthetic.presets import Preset
from truebook.simulation.synthetic.trader_events import (
    CloseMoved,
    MarketDetermined,
    MarketOpened,
    QuoteCancelled,
    QuotePlaced,
    TraderEvent,
)
from truebook.simulation.synthetic.traders import Traders, apply
from truebook.simulation.venue.exchange import SimulatedExchange, synthetic_exchange
from truebook.simulation.venue.orders import LiveOrder
from truebook.venue.account import CreateResponse
from truebook.venue.grid import on_grid

COUNT = 3_000
GOLDEN = {
    Preset.EASY: "cf75ef054674bec701de40e9412fcf30543ff252ee1786ea9aec59e0446c555d",
    Preset.GOLD15M: "1b38c6183456edfab8301d89d1cfc4a147e74bb7ad22b7a99070d611f2844a3c",
}
DIGEST_SCRIPT = f"""
import hashlib, msgspec, sys
from truebook.simulation.synthetic.presets import Preset
from truebook.simulation.synthetic.traders import Traders
traders = Traders(11, markets=12, start_us={START_US}, preset=Preset(sys.argv[1]))
print(hashlib.sha256(msgspec.json.encode([traders.step() for _ in range({COUNT})])).hexdigest())
"""


def stream(seed: int, count: int, **options: Any) -> list[TraderEvent]:
    traders = Traders(seed, start_us=START_US, **({"preset": Preset.EASY} | options))
    return [traders.step() for _ in range(count)]


def digest(events: list[TraderEvent]) -> str:
    return hashlib.sha256(msgspec.json.encode(events)).hexdigest()


def run(exchange: SimulatedExchange, traders: Traders, until_us: int) -> list[SimulationEvent]:
    events: list[SimulationEvent] = []
    while traders.next_due_us() <= until_us:
        events += apply(exchange, traders.step())
    return events + exchange.advance(until_us)


def decisions(events: list[TraderEvent]) -> list[tuple[object, ...]]:
    """What the traders decided, without what a request may have besides."""
    found: list[tuple[object, ...]] = []
    for event in events:
        match event:
            case QuotePlaced(request=one):
                found.append((event.at_us, event.account, one.client_order_id, one.book_side, one.price_cc,
                              one.size_centi, one.time_in_force))  # fmt: skip
            case MarketOpened(metadata=market):
                found.append((event.at_us, market.ticker, market.close_us, market.price_ranges))
            case _:
                found.append(msgspec.structs.astuple(event))
    return found


@pytest.mark.parametrize("preset", list(Preset))
def test_a_seed_gives_the_same_stream_in_another_process(preset: Preset) -> None:
    here = digest(stream(11, COUNT, markets=12, preset=preset))
    for hash_seed in ("1", "2"):
        other = subprocess.run(
            [sys.executable, "-c", DIGEST_SCRIPT, preset],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert other.stdout.strip() == here


@pytest.mark.parametrize("preset", list(Preset))
def test_the_stream_of_this_version_is_fixed(preset: Preset) -> None:
    """A changed digest changes the meaning of every seed in use."""
    made = decisions(stream(11, COUNT, markets=12, preset=preset))
    assert hashlib.sha256(msgspec.json.encode(made)).hexdigest() == GOLDEN[preset]


def test_another_seed_gives_another_stream() -> None:
    assert stream(1, 200) != stream(2, 200)


@pytest.mark.parametrize("preset", list(Preset))
def test_times_never_step_back_and_next_due_is_the_next_time(preset: Preset) -> None:
    traders = Traders(3, start_us=START_US, markets=20, preset=preset)
    last_us = START_US
    for _ in range(COUNT):
        due_us = traders.next_due_us()
        event = traders.step()
        assert event.at_us == due_us >= last_us
        last_us = due_us


def test_accounts_do_not_change_the_stream() -> None:
    exchange, traders = synthetic_exchange(1), Traders(5, start_us=START_US, preset=Preset.EASY)
    exchange.open_account("alice", 10_000_000_000)
    seen = []
    for number in range(COUNT):
        event = traders.step()
        seen.append(event)
        apply(exchange, event)
        if number % 5 == 0:
            for market in exchange.queries.markets():
                exchange.place("alice", request(BID, 9_900, 100, market.ticker), event.at_us)
    assert seen == stream(5, COUNT)


@pytest.mark.parametrize("preset", list(Preset))
def test_every_quote_is_on_the_grid_of_its_market(preset: Preset) -> None:
    grids = {}
    for event in stream(9, 3 * COUNT, markets=40, preset=preset):
        if isinstance(event, MarketOpened):
            grids[event.metadata.ticker] = event.metadata.price_ranges
        elif isinstance(event, QuotePlaced):
            assert on_grid(event.request.price_cc, grids[event.request.ticker])
            assert event.request.size_centi >= 1


def test_commands_are_encoded_and_decoded_unchanged() -> None:
    events = stream(2, 500)
    kinds = MarketOpened | QuotePlaced | QuoteCancelled | MarketDetermined | CloseMoved
    assert [msgspec.json.decode(msgspec.json.encode(event), type=kinds) for event in events] == events


def test_markets_have_several_events_series_and_grids() -> None:
    markets = [event.metadata for event in stream(4, 500, markets=50) if isinstance(event, MarketOpened)]
    assert len(markets) == 50
    assert {one.fee_type for one in markets} == {FeeType.QUADRATIC, FeeType.QUADRATIC_WITH_MAKER_FEES}
    assert len({one.price_ranges for one in markets}) == 3
    linear = [one for one in markets if len(one.price_ranges) == 1 and one.price_ranges[0].step_cc == 100]
    assert len(linear) > 25
    sizes = Counter(one.event for one in markets)
    assert all(one.exclusive == (sizes[one.event] > 1) for one in markets)
    assert set(sizes.values()) >= {1, 2, 3, 4}
    short = [one for one in markets if one.close_us - one.open_us <= 50 * SECOND_US]
    assert len(short) == 10
    assert all(one.close_us - one.open_us >= 25 * SECOND_US for one in short)


@pytest.mark.parametrize("markets", [1, 2, 7, 10, 63])
def test_the_number_of_markets_is_as_requested(markets: int) -> None:
    exchange, traders = synthetic_exchange(1), Traders(6, start_us=START_US, preset=Preset.EASY, markets=markets)
    run(exchange, traders, START_US + SECOND_US)
    assert len(exchange.queries.markets()) == markets


def test_named_markets_are_long_lived_and_share_events() -> None:
    traders = Traders(6, start_us=START_US, preset=Preset.EASY, tickers=["KXA-26-X", "KXA-26-Y", "KXB-26-Z"])
    opened = [event.metadata for event in [traders.step() for _ in range(3)] if isinstance(event, MarketOpened)]
    assert [(one.ticker, one.event, one.series, one.exclusive) for one in opened] == [
        ("KXA-26-X", "KXA-26", "KXA", True),
        ("KXA-26-Y", "KXA-26", "KXA", True),
        ("KXB-26-Z", "KXB-26", "KXB", False),
    ]
    assert all(one.close_us - one.open_us >= 3_600 * SECOND_US for one in opened)


@pytest.mark.parametrize("options", [{"markets": 0}, {"tickers": ["A-1", "A-1"]}, {"events_per_minute": 0}])
def test_invalid_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Traders(1, start_us=START_US, preset=Preset.EASY, **options)  # type: ignore[arg-type]


def test_a_minute_of_fifty_markets_is_active_and_consistent() -> None:
    """Most markets trade, short-lived ones settle, an exclusive event has at most one YES, no book is crossed."""
    exchange, traders = synthetic_exchange(1), Traders(42, start_us=START_US, preset=Preset.EASY, markets=50)
    traded: Counter[str] = Counter()
    commands = 0
    while traders.next_due_us() <= START_US + 60 * SECOND_US:
        event = traders.step()
        commands += 1
        touched = set()
        for result in apply(exchange, event):
            if isinstance(result, Traded):
                traded[result.ticker] += 1
            elif isinstance(result, LevelChanged):
                touched.add(result.ticker)
        assert not any(exchange.queries.book(ticker).is_crossed() for ticker in touched)
    exchange.advance(START_US + 62 * SECOND_US)
    opened_at_start = [one for one in exchange.queries.markets() if one.open_us == START_US]
    assert sum(traded[one.ticker] > 0 for one in opened_at_start) >= 45
    finalized = [one for one in exchange.queries.markets() if one.status is MarketStatus.FINALIZED]
    assert len(finalized) >= 10
    winners = Counter(one.event for one in finalized if one.settlement_cc == 10_000)
    assert all(count == 1 for count in winners.values())
    successors = [one for one in exchange.queries.markets() if one.open_us > START_US]
    assert len(successors) >= 10
    assert 30 <= commands / 60 <= 75


def test_an_account_at_the_best_prices_is_filled_in_parts() -> None:
    exchange, traders = synthetic_exchange(1), Traders(8, start_us=START_US, preset=Preset.EASY, markets=10)
    exchange.open_account("alice", 10_000_000_000)
    fills: list[Filled] = []
    ids: dict[tuple[str, object], str] = {}
    for second in range(1, 61):
        now_us = START_US + second * SECOND_US
        fills += [event for event in run(exchange, traders, now_us) if isinstance(event, Filled)]
        if second % 10:
            continue
        for market in exchange.queries.markets():
            book = exchange.queries.book(market.ticker)
            for side in (BID, ASK):
                best = book.best(side)
                if market.status is not MarketStatus.ACTIVE or best is None:
                    continue
                if (market.ticker, side) in ids:
                    exchange.cancel("alice", ids[market.ticker, side], now_us)
                response, events = exchange.place("alice", request(side, best[0], 1_000, market.ticker), now_us)
                fills += [event for event in events if isinstance(event, Filled)]
                assert isinstance(response, CreateResponse), response
                ids[market.ticker, side] = response.exchange_order_id
    assert len(fills) >= 15
    assert any(event.fill.size_centi < 1_000 for event in fills)
    assert len({event.fill.ticker for event in fills}) >= 5


def test_a_shift_moves_the_rest_of_the_stream_and_the_open_closes() -> None:
    straight = stream(13, COUNT)
    traders = Traders(13, start_us=START_US, preset=Preset.EASY)
    before = [traders.step() for _ in range(1_000)]
    pause_us = 3_600 * SECOND_US
    moved = traders.shift(pause_us)
    assert traders.next_due_us() == straight[1_000].at_us + pause_us
    after = [traders.step() for _ in range(COUNT - 1_000)]
    assert before == straight[:1_000]
    for late, planned in zip(after, straight[1_000:], strict=True):
        assert late.at_us == planned.at_us + pause_us
        if isinstance(late, QuotePlaced) and isinstance(planned, QuotePlaced):
            assert late.request == planned.request
        if isinstance(late, MarketOpened) and isinstance(planned, MarketOpened):
            assert late.metadata.close_us == planned.metadata.close_us + pause_us
    closes = {event.ticker: event.close_us for event in moved if isinstance(event, CloseMoved)}
    opened = {event.metadata.ticker: event.metadata.close_us for event in before if isinstance(event, MarketOpened)}
    assert all(close_us == opened[ticker] + pause_us for ticker, close_us in closes.items())
    assert len(closes) == 10


def test_after_a_pause_open_markets_continue() -> None:
    exchange, traders = synthetic_exchange(1), Traders(13, start_us=START_US, preset=Preset.EASY)
    run(exchange, traders, START_US + 10 * SECOND_US)
    pause_us = 7_200 * SECOND_US
    for event in traders.shift(pause_us):
        apply(exchange, event)
    resumed_us = START_US + 10 * SECOND_US + pause_us
    exchange.advance(resumed_us)
    assert all(one.status is MarketStatus.ACTIVE for one in exchange.queries.markets())
    events = run(exchange, traders, resumed_us + 60 * SECOND_US)
    assert any(isinstance(event, Traded) for event in events)
    assert any(one.status is MarketStatus.FINALIZED for one in exchange.queries.markets())


@pytest.mark.long
def test_ended_markets_and_trader_orders_are_dropped() -> None:
    """After two hours of short-lived markets a bounded number of them is kept, and no ended trader order."""
    gc.collect()
    of_other_tests = {id(one): one for one in gc.get_objects() if isinstance(one, LiveOrder)}
    exchange, traders = (
        synthetic_exchange(1),
        Traders(1, start_us=START_US, preset=Preset.EASY, markets=40, events_per_minute=6),
    )
    run(exchange, traders, START_US + 7_200 * SECOND_US)
    assert len(exchange.queries.markets()) <= 540
    gc.collect()
    kept = sum(isinstance(one, LiveOrder) and id(one) not in of_other_tests for one in gc.get_objects())
    assert 0 < kept <= 40 * 2 * 2 * 3, "two makers, two sides, three levels in each market"
