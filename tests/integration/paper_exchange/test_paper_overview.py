"""The operator's page of the simulated exchange: who gets it, and what it shows."""

from __future__ import annotations

import base64

from support.paper_client import order_body, paper_settings, running

TOKEN = "operator-token-of-this-test"


def basic(password: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'any:{password}'.encode()).decode()}"}


async def test_the_page_needs_the_operators_token() -> None:
    async with running(paper_settings(operator_token=TOKEN)) as client:
        for headers, status in (
            ({}, 401), (basic("wrong"), 401), (basic(""), 401), ({"authorization": "Basic %"}, 401),
            ({"authorization": f"Basic {TOKEN}"}, 401), (basic(TOKEN), 200),
            ({"authorization": f"Bearer {TOKEN}"}, 200),
        ):  # fmt: skip
            response = await client.http.get("/simulated", headers=headers)
            assert response.status_code == status, headers
            assert TOKEN not in response.text
            assert ("www-authenticate" in response.headers) is (status == 401)
        faults = await client.http.get("/simulated/faults", headers=basic(TOKEN))
        assert faults.status_code == 401, "a password is for the page only"


async def test_without_a_token_there_is_no_page() -> None:
    async with running(paper_settings()) as client:
        assert (await client.http.get("/simulated", headers=basic(""))).status_code == 501


async def test_the_page_shows_accounts_markets_and_faults() -> None:
    settings = paper_settings(operator_token=TOKEN, faults=("bad_requests@every=3",))
    async with running(settings) as client:
        ticker = (await client.get("/markets"))["markets"][0]["ticker"]
        placed = [await client.call("POST", "/portfolio/events/orders", body=order_body(ticker)) for _ in range(4)]
        assert 400 in [one.status_code for one in placed]

        async def shown() -> str:
            return (await client.http.get("/simulated", headers=basic(TOKEN))).text

        page = await shown()
        assert "<td>sim-main</td>" in page and f"<td>{ticker}</td>" in page
        assert "<code>bad_requests@every=3</code>" in page and "<td>bad_requests</td>" in page
        assert "<script" not in page and "http-equiv" in page
        first_market = page.partition("<h2>Markets</h2>")[2].partition("<tbody><tr><td>")[2]
        assert first_market.startswith(ticker), "a market with orders of an account comes first"


async def test_what_is_shown_is_escaped() -> None:
    ticker = "KX<b>-1-A"
    async with running(paper_settings(operator_token=TOKEN, tickers=(ticker,))) as client:
        page = (await client.http.get("/simulated", headers=basic(TOKEN))).text
        assert "KX&lt;b&gt;-1-A" in page and "<b>" not in page
