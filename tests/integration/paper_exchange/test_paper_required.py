"""Every required field of the bodies beside orders and markets, and what incentive programmes list."""

from __future__ import annotations

from typing import Any

from support.kalshi_required import REST, lacking
from support.manual_exchange import START_US
from support.manual_rest import manual_rest
from truebook.kalshi.wire.times import from_rfc3339

START_S = START_US // 1_000_000


def check(schema: str, *bodies: dict[str, Any]) -> None:
    assert bodies, schema
    for body in bodies:
        assert lacking(REST, schema, body) == [], body


async def test_bodies_have_every_required_field() -> None:
    async with manual_rest(markets=8, history_after_s=30) as rest:
        rest.exchange.tick(200)
        span = {"start_ts": START_S, "end_ts": START_S + 180, "period_interval": 1}
        market = next(one for one in (await rest.get("/markets"))["markets"] if "FLASH" not in one["ticker"])
        path = f"/series/{market['ticker'].split('-')[0]}/markets/{market['ticker']}/candlesticks"
        check("MarketCandlestick", *(await rest.get(path, **span))["candlesticks"])
        old = (await rest.get("/historical/markets"))["markets"][0]["ticker"]
        rows = (await rest.get(f"/historical/markets/{old}/candlesticks", **span))["candlesticks"]
        check("MarketCandlestickHistorical", *rows)
        check("GetHistoricalCutoffResponse", await rest.get("/historical/cutoff"))
        check("ApiKey", *(await rest.get("/api_keys"))["api_keys"])
        described = await rest.get(f"/events/{market['event_ticker']}/metadata")
        check("GetEventMetadataResponse", described)
        check("MarketMetadata", *described["market_details"])
        check("SubaccountBalance", *(await rest.get("/portfolio/subaccounts/balances"))["subaccount_balances"])
        check("SubaccountNettingConfig", *(await rest.get("/portfolio/subaccounts/netting"))["netting_configs"])


async def test_incentive_programmes_list_the_reward_of_the_settings() -> None:
    async with manual_rest(markets=8, liquidity_reward_cents=2_000) as rest:
        rest.exchange.tick(5)
        body = await rest.get("/incentive_programs", status="active", type="liquidity", limit=2)
        check("IncentiveProgram", *body["incentive_programs"])
        rows = list(body["incentive_programs"])
        while body["next_cursor"]:
            body = await rest.get("/incentive_programs", cursor=body["next_cursor"], limit=2)
            rows += body["incentive_programs"]
        markets = {one["ticker"]: one for one in (await rest.get("/markets", status="open"))["markets"]}
        assert [one["market_ticker"] for one in rows] == [name for name in markets if "FLASH" not in name]
        for row in rows:
            assert (row["period_reward"], row["paid_out"]) == (200_000, False)
            assert from_rfc3339(row["start_date"]) < from_rfc3339(row["end_date"])
            assert row["end_date"] <= markets[row["market_ticker"]]["close_time"]
        assert (await rest.get("/incentive_programs", status="closed"))["incentive_programs"] == []
    async with manual_rest(markets=3) as rest:
        rest.exchange.tick(5)
        assert (await rest.get("/incentive_programs"))["incentive_programs"] == []


async def test_netting_is_switched_for_known_subaccounts() -> None:
    async with manual_rest(markets=1) as rest:
        path = "/portfolio/subaccounts/netting"
        for body, status in (
            ({"subaccount_number": 0, "enabled": False}, 200),
            ({"subaccount_number": 0, "enabled": True}, 200),
            ({"subaccount_number": 1, "enabled": False}, 400),
            ({"subaccount_number": 0}, 400),
        ):
            assert (await rest.call("PUT", path, body=body)).status_code == status
