"""An older version of the exchange's API: what came later is ignored and reported, and bodies have its fields."""

from __future__ import annotations

import pytest

from support.manual_rest import manual_rest
from support.paper_client import order_body
from truebook_services.paper_exchange.rest.spec_versions import Spec

ORDERS = "/portfolio/events/orders"
HEADER = "truebook-ignored"


@pytest.mark.parametrize(("spec", "ignored"), [("3.30", True), ("3.34", False)])
async def test_what_a_version_lacks_is_ignored_and_reported(spec: Spec, ignored: bool) -> None:
    async with manual_rest(markets=3, spec=spec, emit_liquidity_dollars=False) as rest:
        rest.exchange.tick(5)
        for path, name in (("/portfolio/positions", "settlement_status"), ("/markets", "max_updated_ts")):
            response = await rest.call("GET", path, **{name: "settled" if "status" in name else 1})
            assert (response.status_code, response.headers.get(HEADER)) == (200, f"?{name}" if ignored else None)
        market = (await rest.get("/markets"))["markets"][0]
        assert ("settlement_bounds_type" in market, "liquidity_dollars" in market) == (not ignored, ignored)
        made = (await rest.call("POST", ORDERS, body=order_body(market["ticker"]))).json()
        expiry = rest.now_ms() // 1000 + 600
        body = {
            "ticker": market["ticker"],
            "side": "bid",
            "price": "0.0100",
            "count": "2.00",
            "expiration_time": expiry,
        }
        amended = await rest.call("POST", f"{ORDERS}/{made['order_id']}/amend", body=body)
        assert (amended.status_code, amended.headers.get(HEADER)) == (200, "expiration_time" if ignored else None)
        order = (await rest.get(f"/portfolio/orders/{made['order_id']}"))["order"]
        assert ("expiration_time" in order) != ignored
