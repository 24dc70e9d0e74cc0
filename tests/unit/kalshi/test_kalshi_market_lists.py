"""A market that can't be parsed is omitted from a list: it must not hide the others."""

from __future__ import annotations

from typing import Any

import pytest

from support.fake_rest import BASE_URL, ScriptedExchange, event, market, ok, series
from truebook.clock import ManualClock
from truebook.kalshi.port import BadResponse
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import StubSigner

ODD = [
    pytest.param({"price_ranges": []}, id="no grid"),
    pytest.param({"price_ranges": [{"start": "0.0", "end": "1.0", "step": "0.00005"}]}, id="a grid finer than ours"),
    pytest.param({"volume_fp": "12.505"}, id="a size finer than ours"),
    pytest.param({"floor_strike": "above 60"}, id="another kind of field"),
    pytest.param({"ticker": 7}, id="no ticker"),
    pytest.param({"open_time": "yesterday"}, id="no time"),
]


def client(*listed: Any) -> HttpRestClient:
    exchange = ScriptedExchange()
    exchange.on("GET", "/markets", ok({"markets": listed, "cursor": ""}))
    exchange.on("GET", "/markets/KXA-1-B", ok({"market": listed[0]}))
    exchange.on("GET", "/events/KXA-1", ok({"event": event()}))
    exchange.on("GET", "/series/KXA", ok(series()))
    return HttpRestClient(BASE_URL, StubSigner(), ManualClock(), transport=exchange, read_attempts=1)


@pytest.mark.parametrize("odd", ODD)
async def test_an_unreadable_market_hides_no_other(odd: dict[str, Any]) -> None:
    rest = client(market("KXA-1-A"), {**market(), **odd}, market("KXA-1-C"))
    assert [facts.ticker for facts in await rest.markets()] == ["KXA-1-A", "KXA-1-C"]


@pytest.mark.parametrize("odd", [*ODD, pytest.param(None, id="not even an object")])
async def test_a_list_without_a_readable_market_is_an_error(odd: dict[str, Any] | None) -> None:
    with pytest.raises(BadResponse, match="none of 2 markets"):
        listed = [None] * 2 if odd is None else [{**market(), **odd}] * 2
        await client(*listed).markets()


async def test_a_market_requested_by_ticker_must_be_readable() -> None:
    with pytest.raises(BadResponse, match="price_ranges"):
        await client(market(price_ranges=[])).market("KXA-1-B")


async def test_a_long_list_is_not_joined_and_hides_no_market() -> None:
    rest = client(market("KXA-1-A"), market(volume_fp="12.505"), market("KXA-1-C"))
    listed = await rest.open_markets()
    assert [(one.ticker, one.event, one.volume_centi) for one in listed] == [
        ("KXA-1-A", "KXA-1", 1_250), ("KXA-1-C", "KXA-1", 1_250),
    ]  # fmt: skip
