"""What the simulated exchange serves, as seen in a session with it: operations, parameters, fields of responses."""

from __future__ import annotations

import re
from typing import Any

from support.kalshi_required import PARAMETERS
from support.manual_exchange import START_US
from support.manual_rest import ManualRest, manual_rest
from support.paper_client import order_body
from truebook_services.paper_exchange.rest.absent import ABSENT
from truebook_services.paper_exchange.rest.application import ENDPOINTS

START_S = START_US // 1_000_000


def same_path(path: str) -> str:
    """Return a path without the names of its parts, which differ between documents."""
    return re.sub(r"\{\w+\}", "{}", path)


def served() -> set[str]:
    """Return the operations that are simulated, as "METHOD path"."""
    return {f"{one.method} {same_path(one.path)}" for one in ENDPOINTS} - absent()


def absent() -> set[str]:
    return {f"{method} {same_path(path)}" for method, path, _ in ABSENT}


def parameters() -> dict[str, tuple[str, ...]]:
    """Return the query parameters of each GET operation; a test sees that each has an effect."""
    return {f"GET {same_path(path)}": tuple(names.split()) for path, names in PARAMETERS.items()}


async def responses() -> dict[str, list[Any]]:
    """Return responses of operations by "METHOD path", of a short session with every kind of item."""
    found: dict[str, list[Any]] = {}
    changes: dict[str, Any] = {"shards": ("2:SIMCUP",), "liquidity_reward_cents": 2_000}
    async with manual_rest(markets=20, **changes) as rest:
        await _session(rest, found)
    async with manual_rest(markets=6, history_after_s=30) as rest:
        await _session(rest, found)
    return found


async def _session(rest: ManualRest, found: dict[str, list[Any]]) -> None:
    rest.exchange.tick(90)
    every = (await rest.get("/markets", status="open"))["markets"]
    listed = [one for one in every if one["exchange_index"] == 0]  # where the cash is
    soon, late = min(listed, key=lambda one: one["close_time"]), max(listed, key=lambda one: one["close_time"])

    async def call(method: str, path: str, form: str, body: Any = None, **query: Any) -> Any:
        response = await rest.call(method, path, body=body, **query)
        if response.status_code in (200, 201):
            found.setdefault(f"{method} {same_path(form)}", []).append(response.json() if response.content else {})
            return found[f"{method} {same_path(form)}"][-1]
        return {}

    orders = "/portfolio/events/orders"
    for market in (soon, late):
        fields = {"ticker": market["ticker"], "price": "0.9900", "time_in_force": "immediate_or_cancel"}
        await call("POST", orders, orders, order_body(**fields))
    group = await call("POST", "/portfolio/order_groups/create", "/portfolio/order_groups/create",
                       {"contracts_limit_fp": "50.00"})  # fmt: skip
    group_id = group["order_group_id"]
    rested = await call("POST", orders, orders, order_body(
        late["ticker"], order_group_id=group_id, expiration_time=START_S + 86_400))  # fmt: skip
    order_id = rested["order_id"]
    amended = {"ticker": late["ticker"], "side": "bid", "price": "0.0100", "count": "3.00"}
    await call("POST", f"{orders}/{order_id}/amend", f"{orders}/{{}}/amend", amended)
    await call("POST", f"{orders}/{order_id}/decrease", f"{orders}/{{}}/decrease", {"reduce_by": "1.00"})
    moved = {
        "source": "event_contract",
        "destination": "event_contract",
        "amount": 10_000,
        "destination_exchange_shard": 2,
    }
    path = "/portfolio/intra_exchange_instance_transfer"
    moved_id = (await call("POST", path, path, moved)).get("transfer_id", "none")
    await call("POST", "/api_keys/generate", "/api_keys/generate", {"name": "n", "key_type": "ed25519"})
    batch = {"orders": [order_body(late["ticker"])]}
    made = await call("POST", f"{orders}/batched", f"{orders}/batched", batch)
    named = [{"order_id": one["order_id"], "market_ticker": late["ticker"]} for one in made["orders"]]
    await call("DELETE", f"{orders}/batched", f"{orders}/batched", {"orders": named})
    rest.exchange.tick(120)
    values = {
        "order_id": order_id, "order_group_id": group_id, "transfer_id": moved_id,
        "event": late["event_ticker"], "series": late["ticker"].split("-")[0],
    }  # fmt: skip
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET":
            for market in (soon, late):
                made_path = endpoint.path.format_map(_Values(values | {"ticker": market["ticker"]}))
                spans = "candlesticks" in made_path or "forecast" in made_path
                query: dict[str, Any] = {"settlement_status": "all"} if made_path.endswith("positions") else {}
                if spans:
                    query = {"start_ts": START_S - 60, "end_ts": START_S + 300, "period_interval": 1,
                             "percentiles": 1000, "market_tickers": market["ticker"]}  # fmt: skip
                await call("GET", made_path, endpoint.path, **query)
    await call("DELETE", f"{orders}/{order_id}", f"{orders}/{{}}")


class _Values(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "none"
