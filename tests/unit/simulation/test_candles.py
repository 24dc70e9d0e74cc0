"""Candles of one market, against an independent computation from the same events."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.messages.envelope import BookSide
from truebook.simulation.candles import Candle, MarketCandles, Minutes, next_end_s, period_end_s

NEW_YORK = ZoneInfo("America/New_York")
START_S = 1_796_000_040
MICROS = 1_000_000


def us(second: float) -> int:
    return int((START_S + second) * MICROS)


def read(candles: MarketCandles, start: int, end: int, *, minutes: Minutes = 1, until: int = 10**9) -> list[Candle]:
    found = candles.between(
        minutes, START_S + start, START_S + end, opened_us=us(-59), until_s=min(START_S + until, 10**11)
    )
    return found[1]


@given(st.integers(1_577_836_800, 2_398_291_200))
def test_a_day_ends_at_new_yorks_midnight(at_s: int) -> None:
    local = datetime.fromtimestamp(at_s, NEW_YORK)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    expected = midnight if midnight == local else (midnight.replace(tzinfo=None) + timedelta(days=1))
    ends = datetime.fromtimestamp(period_end_s(at_s * MICROS, 1440), NEW_YORK)
    assert ends == expected.replace(tzinfo=NEW_YORK)


def test_the_days_of_the_time_change_have_23_and_25_hours() -> None:
    for year, month, day, hours in ((2026, 3, 8, 23), (2026, 11, 1, 25), (2026, 6, 1, 24)):
        end_s = int(datetime(year, month, day, tzinfo=NEW_YORK).timestamp())
        assert next_end_s(end_s, 1440) - end_s == hours * 3_600


def test_a_period_contains_its_end() -> None:
    candles = MarketCandles(100)
    candles.trade(4_000, 100, 100, us(0))
    candles.trade(4_100, 100, 200, us(0) + 1)
    first, second = read(candles, 0, 60)
    assert (first.end_s, first.price) == (START_S, (4_000,) * 4)
    assert (second.end_s, second.price, second.previous_cc) == (START_S + 60, (4_100,) * 4, 4_000)


def test_a_minute_without_an_event_carries_quotes_and_last_price() -> None:
    candles = MarketCandles(100)
    candles.level(BookSide.BID, 4_100, 100, us(-30))
    candles.level(BookSide.ASK, 4_300, 100, us(-30))
    candles.trade(4_200, 3_750, 900, us(-20))
    candles.trade(4_300, 1_250, 950, us(-10))
    rows = read(candles, 0, 180)
    assert [row.end_s - START_S for row in rows] == [0, 60, 120, 180]
    assert rows[0].price == (4_200, 4_200, 4_300, 4_300)
    assert (rows[0].mean_cc, rows[0].volume_centi, rows[0].open_interest_centi) == (4_225, 5_000, 950)
    for row in rows[1:]:
        assert (row.price, row.mean_cc, row.previous_cc, row.volume_centi) == (None, None, 4_300, 0)
        assert (row.bid, row.ask, row.open_interest_centi) == ((4_100,) * 4, (4_300,) * 4, 950)


def test_the_quote_between_two_changes_of_one_time_does_not_count() -> None:
    candles = MarketCandles(100)
    candles.level(BookSide.BID, 4_100, 100, us(1))
    candles.level(BookSide.BID, 4_100, -100, us(5))
    candles.level(BookSide.BID, 4_200, 100, us(5))
    assert read(candles, 60, 60)[0].bid == (4_100, 4_100, 4_200, 4_200)


def test_an_emptied_side_is_0_or_a_dollar() -> None:
    candles = MarketCandles(100)
    candles.book([(4_100, 100)], [(4_300, 100)], us(1))
    candles.book([], [], us(2))
    (row,) = read(candles, 60, 60)
    assert (row.bid, row.ask) == ((4_100, 0, 4_100, 0), (4_300, 4_300, 10_000, 10_000))


def test_a_running_period_is_left_out() -> None:
    candles = MarketCandles(100)
    candles.trade(4_000, 100, 100, us(61))
    assert [row.end_s - START_S for row in read(candles, 0, 600, until=119)] == [0, 60]


def test_what_was_dropped_is_not_made_up() -> None:
    candles = MarketCandles(8)
    for minute in range(30):
        candles.trade(4_000 + minute, 100, 100, us(60 * minute + 1))
    rows = read(candles, 0, 60 * 40, until=60 * 31)
    assert 8 <= len(rows) <= 12
    assert rows[0].price is not None
    assert rows[-1].price is None


events = st.lists(
    st.tuples(
        st.integers(1, 400_000_000),
        st.sampled_from(["bid", "ask", "trade", "book"]),
        st.integers(1, 30).map(lambda number: number * 300),
        st.integers(1, 500),
    ),
    max_size=40,
)


@given(events, st.sampled_from((1, 60, 1440)), st.integers(-100, 500), st.integers(0, 600))
def test_candles_are_those_of_a_second_computation(
    history: list[tuple[int, str, int, int]], minutes: Minutes, start: int, length: int
) -> None:
    candles, interest = MarketCandles(1_000), 0
    levels: dict[str, dict[int, int]] = {"bid": {}, "ask": {}}
    quotes: list[tuple[int, int, int]] = []
    trades: list[tuple[int, int, int, int]] = []
    for offset_us, kind, price, size in sorted(history):
        at_us = us(0) + offset_us
        if kind == "trade":
            interest += size
            trades.append((at_us, price, size, interest))
            candles.trade(price, size, interest, at_us)
        elif kind == "book":
            levels = {"bid": {price: size}, "ask": {price + 100: size}}
            candles.book([(price, size)], [(price + 100, size)], at_us)
        else:
            side = levels[kind]
            delta = -side.pop(price) if price in side else side.setdefault(price, size)
            candles.level(BookSide.BID if kind == "bid" else BookSide.ASK, price, delta, at_us)
        quotes.append((at_us, max(levels["bid"], default=0), min(levels["ask"], default=10_000)))
    settled = {at_us: (bid, ask) for at_us, bid, ask in quotes}
    changes, last = [], (0, 10_000)
    for at_us, quote in settled.items():
        if quote != last:
            changes.append((at_us, *quote))
            last = quote
    candles = pickle.loads(pickle.dumps(candles))
    for row in read(candles, start, start + length, minutes=minutes, until=10**6):
        begin_s = row.end_s - 60 * minutes
        inside = [trade for trade in trades if begin_s * MICROS < trade[0] <= row.end_s * MICROS]
        earlier = [trade for trade in trades if trade[0] <= begin_s * MICROS]
        prices = [price for _, price, _, _ in inside]
        assert row.price == ((prices[0], min(prices), max(prices), prices[-1]) if prices else None)
        assert row.volume_centi == sum(size for _, _, size, _ in inside)
        assert row.previous_cc == (earlier[-1][1] if earlier else None)
        until = [trade for trade in trades if trade[0] <= row.end_s * MICROS]
        assert row.open_interest_centi == (until[-1][3] if until else 0)
        for index, ohlc in ((1, row.bid), (2, row.ask)):
            before = [change[index] for change in changes if change[0] <= begin_s * MICROS]
            during = [change[index] for change in changes if begin_s * MICROS < change[0] <= row.end_s * MICROS]
            if before:
                shown = [before[-1], *during]
                assert ohlc == (shown[0], min(shown), max(shown), shown[-1])
            elif during:
                assert ohlc[3] == during[-1]


def test_a_read_changes_nothing() -> None:
    candles = MarketCandles(100)
    candles.trade(4_000, 100, 100, us(1))
    candles.level(BookSide.BID, 3_900, 100, us(2))
    first = read(candles, 0, 300, until=60)
    assert read(candles, 0, 300, until=60) == first


@pytest.mark.parametrize("minutes", [1, 60, 1440])
def test_a_market_without_events_has_flat_candles(minutes: Minutes) -> None:
    rows = read(MarketCandles(10), 0, 2 * 86_400, minutes=minutes, until=2 * 86_400)
    assert rows
    assert {(row.bid, row.ask, row.price, row.volume_centi) for row in rows} == {((0,) * 4, (10_000,) * 4, None, 0)}
