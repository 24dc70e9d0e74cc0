"""Subaccounts over REST and WebSocket: cash, orders, lists, restricted keys, netting, and a restart."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from cryptography.hazmat.primitives import serialization

from support.paper_client import PREFIX, PaperClient, order_body, paper_settings, running, until
from truebook.kalshi.signing import Ed25519Signer

ORDERS = "/portfolio/events/orders"
SUBACCOUNTS = "/portfolio/subaccounts"


@pytest_asyncio.fixture
async def client() -> AsyncIterator[PaperClient]:
    async with running(paper_settings()) as made:
        yield made


async def funded(client: PaperClient, cents: int = 10_000) -> int:
    """Make a subaccount with cash; returns its number."""
    response = await client.call("POST", SUBACCOUNTS, body={})
    assert response.status_code == 201, response.text
    number: int = response.json()["subaccount_number"]
    assert (await moved(client, 0, number, cents)).status_code == 200
    return number


async def moved(client: PaperClient, source: int, target: int, cents: int, transfer_id: str | None = None) -> Any:
    body = {
        "client_transfer_id": transfer_id or str(uuid.uuid4()), "from_subaccount": source, "to_subaccount": target,
        "amount_cents": cents,
    }  # fmt: skip
    return await client.call("POST", f"{SUBACCOUNTS}/transfer", body=body)


async def rows(client: PaperClient) -> dict[int, str]:
    found = (await client.get(f"{SUBACCOUNTS}/balances"))["subaccount_balances"]
    return {row["subaccount_number"]: row["balance"] for row in found}


async def test_cash_moves_between_subaccounts_once(client: PaperClient) -> None:
    number = await funded(client)
    assert await rows(client) == {0: "900.0000", number: "100.0000"}
    same = str(uuid.uuid4())
    assert (await moved(client, number, 0, 100, same)).json() == {}
    repeated = await moved(client, number, 0, 100, same)
    assert (repeated.status_code, repeated.json()["error"]["code"]) == (409, "transfer_already_exists")
    assert await rows(client) == {0: "901.0000", number: "99.0000"}
    listed = (await client.get(f"{SUBACCOUNTS}/transfers", limit=1))["transfers"]
    assert [(one["transfer_id"], one["amount_cents"], one["exchange_index"]) for one in listed] == [(same, 100, 0)]
    assert (await client.get("/portfolio/balance"))["balance"] == 90_100
    assert (await client.get("/portfolio/balance", subaccount=number))["balance"] == 9_900


async def test_transfers_are_refused_with_a_reason(client: PaperClient) -> None:
    number = await funded(client)
    for source, target, cents, code in (
        (0, 9, 1, "invalid_parameters"), (0, 0, 1, "invalid_parameters"), (0, number, -1, "invalid_parameters"),
        (number, 0, 10_001, "insufficient_balance"),
    ):  # fmt: skip
        response = await moved(client, source, target, cents)
        assert (response.status_code, response.json()["error"]["code"]) == (400, code)
    body = {"from_subaccount": 0, "to_subaccount": number, "amount_cents": 1}
    assert (await client.call("POST", f"{SUBACCOUNTS}/transfer", body=body)).status_code == 400


async def test_lists_select_by_subaccount(client: PaperClient) -> None:
    number = await funded(client)
    ticker = (await client.two_sided())["ticker"]
    own = await client.create(ticker, subaccount=number)
    primary = await client.create(ticker)
    taken = await client.create(
        ticker, subaccount=number, price="0.9900", time_in_force="immediate_or_cancel", count="1.00"
    )
    orders = (await client.get("/portfolio/orders"))["orders"]
    assert {one["order_id"]: one["subaccount_number"] for one in orders} == {
        own["order_id"]: number, primary["order_id"]: 0, taken["order_id"]: number,
    }  # fmt: skip
    of_primary = (await client.get("/portfolio/orders", subaccount=0))["orders"]
    assert [one["order_id"] for one in of_primary] == [primary["order_id"]]
    fills = (await client.get("/portfolio/fills"))["fills"]
    assert {one["subaccount_number"] for one in fills} == {number}
    assert (await client.get("/portfolio/fills", subaccount=0))["fills"] == []
    assert (await client.get("/portfolio/positions"))["market_positions"] == []
    held = (await client.get("/portfolio/positions", subaccount=number))["market_positions"]
    assert [one["position_fp"] for one in held] == ["1.00"]
    found = (await client.get(f"/portfolio/orders/{own['order_id']}"))["order"]
    assert found["subaccount_number"] == number


async def test_changes_name_the_subaccount(client: PaperClient) -> None:
    number = await funded(client)
    ticker = (await client.two_sided())["ticker"]
    orders = [await client.create(ticker, subaccount=number) for _ in range(3)]
    path = f"{ORDERS}/{orders[0]['order_id']}"
    assert (await client.call("DELETE", path)).status_code == 404
    assert (await client.call("DELETE", path, subaccount=number)).status_code == 200
    path = f"{ORDERS}/{orders[1]['order_id']}/decrease"
    assert (await client.call("POST", path, body={"reduce_by": "1.00"})).status_code == 404
    assert (await client.call("POST", path, body={"reduce_by": "1.00"}, subaccount=number)).status_code == 200
    unknown = await client.call("POST", ORDERS, body=order_body(ticker, subaccount=7))
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "invalid_parameters")
    assert (await client.call("DELETE", ORDERS, subaccount=0)).status_code == 204
    assert len((await client.get("/portfolio/orders", status="resting"))["orders"]) == 2
    assert (await client.call("DELETE", ORDERS)).status_code == 204
    assert (await client.get("/portfolio/orders", status="resting"))["orders"] == []


async def test_a_restricted_key_sees_its_subaccount_only(client: PaperClient) -> None:
    number = await funded(client)
    ticker = (await client.two_sided())["ticker"]
    other = await client.create(ticker)
    made = await client.call(
        "POST", "/api_keys/generate", body={"name": "locked", "key_type": "ed25519", "subaccount": number}
    )
    key = serialization.load_pem_private_key(made.json()["private_key"].encode(), password=None)
    signer = Ed25519Signer(made.json()["api_key_id"], key)  # type: ignore[arg-type]

    async def locked(method: str, path: str, body: Any = None, **query: Any) -> Any:
        headers = signer.headers(method, PREFIX + path, client.exchange.now_us() // 1000)
        return await client.http.request(method, PREFIX + path, headers=headers, json=body, params=query or None)

    created = await locked("POST", ORDERS, order_body(ticker))
    assert created.status_code == 201
    listed = (await locked("GET", "/portfolio/orders")).json()["orders"]
    assert [one["subaccount_number"] for one in listed] == [number]
    assert (await locked("GET", "/portfolio/orders", subaccount=0)).status_code == 403
    assert (await locked("GET", f"/portfolio/orders/{other['order_id']}")).status_code == 404
    assert "balance_breakdown" not in (await locked("GET", "/portfolio/balance")).json()
    batch = {"orders": [order_body(ticker), order_body(ticker, subaccount=0)]}
    assert (await locked("POST", f"{ORDERS}/batched", batch)).status_code == 403
    assert (await locked("POST", SUBACCOUNTS, {})).status_code == 403
    of_the_primary_one = (
        "/portfolio/deposits", "/portfolio/withdrawals", "/portfolio/intra_exchange_instance_transfers", "/api_keys",
    )  # fmt: skip
    assert {(await locked("GET", path)).status_code for path in of_the_primary_one} == {403}
    assert len((await client.get("/portfolio/orders", subaccount=number))["orders"]) == 1


async def test_frames_name_the_subaccount(client: PaperClient) -> None:
    number = await funded(client)
    ticker = (await client.two_sided())["ticker"]
    async with client.socket() as socket:
        await socket.send("subscribe", channels=["user_orders", "fill", "market_positions"])
        for _ in range(3):
            await socket.until(lambda frame: frame["type"] == "subscribed")
        await client.create(ticker, subaccount=number, price="0.9900", time_in_force="immediate_or_cancel")
        order = await socket.until(lambda frame: frame["type"] == "user_order")
        fill = await socket.until(lambda frame: frame["type"] == "fill")
        position = await socket.until(lambda frame: frame["type"] == "market_position")
    assert order["msg"]["subaccount_number"] == fill["msg"]["subaccount"] == number
    assert position["msg"]["subaccount"] == number


async def test_netting_is_switched_per_subaccount(client: PaperClient) -> None:
    number = await funded(client)
    body = {"subaccount_number": number, "enabled": True}
    assert (await client.call("PUT", f"{SUBACCOUNTS}/netting", body=body)).status_code == 200
    assert (await client.get(f"{SUBACCOUNTS}/netting"))["netting_configs"] == [
        {"subaccount_number": 0, "enabled": False, "exchange_index": 0},
        {"subaccount_number": number, "enabled": True, "exchange_index": 0},
    ]
    body = {"subaccount_number": 9, "enabled": True}
    assert (await client.call("PUT", f"{SUBACCOUNTS}/netting", body=body)).status_code == 400


async def test_shard_transfers_reach_numbered_subaccounts() -> None:
    async with running(paper_settings(shards=("2",), transfer_delay_ms=0, transfer_jitter_ms=0)) as client:
        numbers = [
            (await client.call("POST", SUBACCOUNTS, body={"exchange_index": shard})).json()["subaccount_number"]
            for shard in (0, 2)
        ]
        assert numbers == [1, 1]
        await moved(client, 0, 1, 5_000)
        body = {
            "source": "event_contract", "destination": "event_contract", "amount": 300_000, "source_subaccount": 1,
            "destination_subaccount": 1, "source_exchange_shard": 0, "destination_exchange_shard": 2,
        }  # fmt: skip
        path = "/portfolio/intra_exchange_instance_transfer"
        assert (await client.call("POST", path, body=body)).status_code == 200

        async def arrived() -> bool | None:
            found = (await client.get("/portfolio/balance", subaccount=1))["balance_breakdown"]
            return [row["balance"] for row in found] == ["20.0000", "30.0000"] or None

        assert await until(arrived)
        refused = await client.call("POST", path, body=body | {"client_transfer_id": str(uuid.uuid4())})
        assert refused.status_code == 400

        same = await client.call("POST", path, body=body | {"destination_exchange_shard": 0})
        assert same.status_code == 400
        assert await arrived(), "a transfer to where it comes from moves nothing"


async def test_subaccounts_survive_a_restart(tmp_path: Path) -> None:
    settings = paper_settings(tmp_path)
    async with running(settings) as client:
        number = await funded(client)
        ticker = (await client.two_sided())["ticker"]
        created = await client.create(ticker, subaccount=number)
        await client.call("PUT", f"{SUBACCOUNTS}/netting", body={"subaccount_number": number, "enabled": True})
        before = await rows(client)
    (tmp_path / "checkpoint").unlink(missing_ok=True)
    async with running(settings) as client:
        await asyncio.sleep(0)
        assert await rows(client) == before
        orders = (await client.get("/portfolio/orders", subaccount=number))["orders"]
        assert [one["order_id"] for one in orders] == [created["order_id"]]
        assert (await client.get(f"{SUBACCOUNTS}/netting"))["netting_configs"][1]["enabled"] is True
        assert (await client.call("POST", SUBACCOUNTS, body={})).json()["subaccount_number"] == number + 1
