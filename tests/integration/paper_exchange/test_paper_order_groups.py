"""Order groups over real REST and WebSocket, and over a restart of the exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.kalshi_required import REST, STREAM, lacking
from support.paper_client import PaperClient, paper_settings, running

GROUPS = "/portfolio/order_groups"
CHANNEL = "order_group_updates"


@pytest_asyncio.fixture
async def client() -> AsyncIterator[PaperClient]:
    async with running(paper_settings()) as made:
        yield made


async def create(client: PaperClient, **limit: Any) -> str:
    response = await client.call("POST", f"{GROUPS}/create", body=limit or {"contracts_limit_fp": "3.00"})
    assert response.status_code == 201, response.text
    assert lacking(REST, "CreateOrderGroupResponse", response.json()) == []
    return str(response.json()["order_group_id"])


async def put(client: PaperClient, group: str, what: str, body: Any = None) -> Any:
    response = await client.call("PUT", f"{GROUPS}/{group}/{what}", body=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_groups_changes_are_published_and_visible_by_rest(client: PaperClient) -> None:
    market = await client.two_sided()
    async with client.socket() as listener:
        await listener.send("subscribe", channels=[CHANNEL, "user_orders"])
        await listener.until(lambda frame: frame.get("msg", {}).get("channel") == "user_orders")
        group = await create(client)
        assert await put(client, group, "limit", {"contracts_limit": 5}) == {}
        rested = await client.create(market["ticker"], order_group_id=group)
        shown = await client.get(f"{GROUPS}/{group}")
        assert lacking(REST, "GetOrderGroupResponse", shown) == []
        assert (shown["orders"], shown["contracts_limit_fp"]) == ([rested["order_id"]], "5.00")
        order = (await client.get(f"/portfolio/orders/{rested['order_id']}"))["order"]
        assert order["order_group_id"] == group
        taken = await client.create(
            market["ticker"], order_group_id=group, count="5.00", price="0.9900", time_in_force="immediate_or_cancel"
        )
        assert taken["fill_count"] == "5.00"
        await listener.until(lambda frame: frame["type"] == "user_order" and frame["msg"]["status"] == "canceled")
        assert (await client.get(f"{GROUPS}/{group}"))["orders"] == []
        refused = await client.call(
            "POST", "/portfolio/events/orders", body=client_order(market["ticker"], group)
        )  # fmt: skip
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "exceeded_order_group_risk_limit")
        assert await put(client, group, "reset") == {}
        await client.create(market["ticker"], order_group_id=group)
        assert await put(client, group, "trigger") == {}
        assert (await client.call("DELETE", f"{GROUPS}/{group}")).json() == {}
        assert (await client.call("GET", f"{GROUPS}/{group}")).status_code == 404
        await listener.until(lambda frame: frame["type"] == CHANNEL and frame["msg"]["event_type"] == "deleted")
    frames = listener.of_type(CHANNEL)
    kinds = ["created", "limit_updated", "triggered", "reset", "triggered", "deleted"]
    assert [frame["msg"]["event_type"] for frame in frames] == kinds
    assert [frame["seq"] for frame in frames] == list(range(1, len(kinds) + 1))
    assert [frame["msg"].get("contracts_limit_fp") for frame in frames[:3]] == ["3.00", "5.00", None]
    for frame in frames:
        assert lacking(STREAM, CHANNEL, frame["msg"]) == []


def client_order(ticker: str, group: str) -> dict[str, Any]:
    return {
        "ticker": ticker, "side": "bid", "count": "1.00", "price": "0.0100", "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross", "order_group_id": group,
    }  # fmt: skip


async def test_groups_are_listed_oldest_first(client: PaperClient) -> None:
    made = [await create(client), await create(client, contracts_limit=7), await create(client, contracts_limit=1)]
    listed = (await client.get(GROUPS))["order_groups"]
    assert [one["id"] for one in listed] == made
    assert [one["contracts_limit_fp"] for one in listed] == ["3.00", "7.00", "1.00"]
    assert [lacking(REST, "OrderGroup", one) for one in listed] == [[], [], []]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"contracts_limit": 0},
        {"contracts_limit_fp": "0.00"},
        {"contracts_limit": 2, "contracts_limit_fp": "3.00"},
        {"contracts_limit": "2"},
        {"contracts_limit_fp": "two"},
    ],
)
async def test_an_invalid_group_limit_is_rejected(client: PaperClient, body: dict[str, Any]) -> None:
    assert (await client.call("POST", f"{GROUPS}/create", body=body)).status_code == 400
    assert (await client.get(GROUPS))["order_groups"] == []
    group = await create(client)
    assert (await client.call("PUT", f"{GROUPS}/{group}/limit", body=body)).status_code == 400
    assert (await client.get(f"{GROUPS}/{group}"))["contracts_limit_fp"] == "3.00"


async def test_groups_and_their_fills_survive_a_restart(tmp_path: Path) -> None:
    async with running(paper_settings(tmp_path)) as client:
        ticker = (await client.two_sided())["ticker"]
        kept, triggered, gone = [await create(client) for _ in range(3)]
        rested = await client.create(ticker, order_group_id=kept)
        await put(client, triggered, "trigger")
        await client.call("DELETE", f"{GROUPS}/{gone}")
    async with running(paper_settings(tmp_path)) as client:
        assert [one["id"] for one in (await client.get(GROUPS))["order_groups"]] == [kept, triggered]
        assert (await client.get(f"{GROUPS}/{kept}"))["orders"] == [rested["order_id"]]
        refused = await client.call("POST", "/portfolio/events/orders", body=client_order(ticker, triggered))
        assert refused.status_code == 409
