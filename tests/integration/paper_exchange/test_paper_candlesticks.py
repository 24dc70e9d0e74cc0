"""Candlesticks by REST, of the exchange's own trades and books: shapes, spans and limits of the five endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.manual_exchange import START_US
from support.manual_rest import ManualRest, manual_rest
from truebook.kalshi.wire.times import from_rfc3339
from truebook.simulation.candles import next_end_s

START_S = START_US // 1_000_000
QUOTES = {"open_dollars", "low_dollars", "high_dollars", "close_dollars"}


@pytest_asyncio.fixture
async def rest() -> AsyncIterator[ManualRest]:
    async with manual_rest(markets=6) as made:
        made.exchange.tick(900)
        yield made


async def traded(rest: ManualRest) -> dict[str, Any]:
    """Return an open market that has traded."""
    listed = (await rest.get("/markets", status="open"))["markets"]
    return dict(max(listed, key=lambda one: float(one["volume_fp"])))


def span(start: int = 0, end: int = 900, **more: Any) -> dict[str, Any]:
    return {"start_ts": START_S + start, "end_ts": START_S + end, "period_interval": 1} | more


def path_of(market: dict[str, Any]) -> str:
    series = market["ticker"].split("-")[0]
    return f"/series/{series}/markets/{market['ticker']}/candlesticks"


async def test_candles_agree_with_trades_and_quotes(rest: ManualRest) -> None:
    market = await traded(rest)
    body = await rest.get(path_of(market), signed=False, **span())
    assert body["ticker"] == market["ticker"]
    ends = [row["end_period_ts"] for row in body["candlesticks"]]
    assert ends == list(range(START_S // 60 * 60 + 60, START_S + 901, 60))
    trades = await rest.all("/markets/trades", "trades", ticker=market["ticker"])
    total = 0
    for row in body["candlesticks"]:
        assert set(row["yes_bid"]) == set(row["yes_ask"]) == QUOTES
        total += round(100 * float(row["volume_fp"]))
        if row["volume_fp"] == "0.00":
            assert set(row["price"]) <= {"previous_dollars"}
        else:
            assert QUOTES | {"mean_dollars"} <= set(row["price"])
            assert row["price"]["low_dollars"] <= row["price"]["mean_dollars"] <= row["price"]["high_dollars"]
    assert total == sum(round(100 * float(one["count_fp"])) for one in trades) > 0
    last = body["candlesticks"][-1]
    assert last["yes_bid"]["close_dollars"] < last["yes_ask"]["close_dollars"]


async def test_hours_and_days_sum_up_their_minutes(rest: ManualRest) -> None:
    market = await traded(rest)
    rest.exchange.tick(3_600)
    minutes = (await rest.get(path_of(market), **span(0, 4_500)))["candlesticks"]
    (hour,) = (await rest.get(path_of(market), **span(0, 4_500, period_interval=60)))["candlesticks"]
    within = [row for row in minutes if row["end_period_ts"] <= hour["end_period_ts"]]
    assert float(hour["volume_fp"]) == pytest.approx(sum(float(row["volume_fp"]) for row in within))
    assert hour["price"]["high_dollars"] == max(row["price"].get("high_dollars", "0") for row in within)
    assert hour["yes_bid"]["close_dollars"] == within[-1]["yes_bid"]["close_dollars"]
    assert (await rest.get(path_of(market), **span(0, 4_500, period_interval=1440)))["candlesticks"] == []


async def test_the_latest_candle_before_the_start_is_first(rest: ManualRest) -> None:
    market = await traded(rest)
    start = span(600, 780)
    plain = (await rest.get(path_of(market), **start))["candlesticks"]
    rows = (await rest.get(path_of(market), **start, include_latest_before_start=True))["candlesticks"]
    assert rows[1:] == plain
    earlier = (await rest.get(path_of(market), **span(0, 599)))["candlesticks"][-1]
    assert rows[0]["end_period_ts"] == next_end_s(START_S + 600, 1)
    last = earlier["price"].get("close_dollars") or earlier["price"]["previous_dollars"]
    assert rows[0]["price"] == {"previous_dollars": last}
    assert rows[0]["volume_fp"] == "0.00"


async def test_candles_of_several_markets_and_of_an_event(rest: ManualRest) -> None:
    market = await traded(rest)
    tickers = [one["ticker"] for one in (await rest.get("/markets", status="open"))["markets"]]
    batch = await rest.get("/markets/candlesticks", market_tickers=",".join([*tickers, "NOWHERE"]), **span())
    assert [one["market_ticker"] for one in batch["markets"]] == tickers
    one = (await rest.get(path_of(market), **span()))["candlesticks"]
    assert [found["candlesticks"] for found in batch["markets"] if found["market_ticker"] == market["ticker"]] == [one]
    series = market["ticker"].split("-")[0]
    of_event = await rest.get(f"/series/{series}/events/{market['event_ticker']}/candlesticks", **span())
    assert of_event["adjusted_end_ts"] == START_S + 900
    place = of_event["market_tickers"].index(market["ticker"])
    assert of_event["market_candlesticks"][place] == one


async def test_a_long_response_of_an_event_is_cut_and_continued(rest: ManualRest) -> None:
    market = await traded(rest)
    series = market["ticker"].split("-")[0]
    path = f"/series/{series}/events/{market['event_ticker']}/candlesticks"
    rest.exchange.tick(600)
    whole = (await rest.get(path, **span(0, 1_500)))["market_candlesticks"][0]
    start, rows = START_S - 60 * 4_990, []
    while True:
        body = await rest.get(path, start_ts=start, end_ts=START_S + 1_500, period_interval=1)
        rows += body["market_candlesticks"][0]
        if body["adjusted_end_ts"] == START_S + 1_500:
            break
        start = body["adjusted_end_ts"]
    assert rows == whole


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"period_interval": 5}, "oneof"),
        ({"period_interval": 240}, "oneof"),
        ({"period_interval": "x"}, "numeric"),
        ({"start_ts": START_S - 5_000 * 60}, "max_candlesticks"),
        ({"end_ts": START_S - 60}, "gtefield"),
        ({"start_ts": ""}, "required"),
    ],
)
async def test_a_bad_span_is_refused(rest: ManualRest, changes: dict[str, Any], rule: str) -> None:
    market = await traded(rest)
    response = await rest.call("GET", path_of(market), **(span() | changes))
    assert response.status_code == 400
    assert f"'{rule}' tag" in response.json()["msg"]


async def test_a_wrong_series_or_market_is_not_found(rest: ManualRest) -> None:
    market = await traded(rest)
    for path in (f"/series/OTHER/markets/{market['ticker']}/candlesticks", "/series/S/markets/S-1/candlesticks"):
        assert (await rest.call("GET", path, **span())).status_code == 404
    assert (await rest.call("GET", "/series/S/events/S-1/candlesticks", **span())).status_code == 404


async def test_an_ended_market_has_no_candles_after_its_close(rest: ManualRest) -> None:
    ended = (await rest.get("/markets", status="settled"))["markets"][-1]
    rows = (await rest.get(path_of(ended), **span()))["candlesticks"]
    assert rows
    assert 0 <= rows[-1]["end_period_ts"] - from_rfc3339(ended["close_time"]) / 1e6 < 60


async def test_the_forecast_history_is_empty_and_checked(rest: ManualRest) -> None:
    market = await traded(rest)
    series = market["ticker"].split("-")[0]
    path = f"/series/{series}/events/{market['event_ticker']}/forecast_percentile_history"
    assert await rest.get(path, percentiles=[1000, 5000], **span(period_interval=0)) == {"forecast_history": []}
    assert (await rest.call("GET", path, percentiles=[10_000], **span())).status_code == 400
    assert (await rest.call("GET", path, **span())).status_code == 400


async def test_candles_continue_after_a_restart(tmp_path: Any) -> None:
    async with manual_rest(markets=3, folder=tmp_path) as rest:
        rest.exchange.tick(300)
        market = await traded(rest)
        before = await rest.get(path_of(market), **span(0, 300))
        rest.exchange.server.save_checkpoint()
    async with manual_rest(markets=3, folder=tmp_path, now_us=START_US + 300_000_000) as rest:
        assert await rest.get(path_of(market), **span(0, 300)) == before
