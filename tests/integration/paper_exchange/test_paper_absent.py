"""What the exchange does not do is reported: absent operations, unknown paths, fields that nothing reads."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from support.paper_client import PaperClient, order_body, paper_settings, running
from truebook_services.paper_exchange.rest.absent import ABSENT
from truebook_services.paper_exchange.rest.application import ENDPOINTS

ORDERS = "/portfolio/events/orders"
HEADER = "truebook-ignored"


@pytest_asyncio.fixture
async def client() -> AsyncIterator[PaperClient]:
    async with running(paper_settings()) as made:
        yield made


async def test_an_absent_operation_is_no_missing_order(client: PaperClient) -> None:
    for method, path, name in ABSENT:
        for signed in (True, False):
            response = await client.call(method, path.replace("{", "").replace("}", ""), signed=signed)
            assert response.status_code == 501, path
            error = response.json()["error"]
            assert (error["code"], error["details"].split()[0]) == ("not_simulated", name)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_unknown_path_is_no_missing_order(client: PaperClient, method: str) -> None:
    response = await client.call(method, "/portfolio/eventz/orders/some-id")
    assert (response.status_code, response.json()["error"]["code"]) == (501, "unknown_endpoint")


async def test_a_method_that_a_path_lacks_is_refused_as_such(client: PaperClient) -> None:
    response = await client.call("PUT", ORDERS)
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")


def test_the_page_lists_each_absent_operation() -> None:
    text = (Path(__file__).parents[3] / "docs/exchange-api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\w+) `(/\S+)` \| (\w+) \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(ABSENT)


def test_every_operation_is_served_once() -> None:
    rows = [(endpoint.method, endpoint.path) for endpoint in ENDPOINTS]
    assert len(set(rows)) == len(rows)


async def test_fields_that_nothing_reads_are_reported(client: PaperClient) -> None:
    ticker = (await client.two_sided())["ticker"]
    with capture_logs() as logs:
        for _ in range(2):
            made = await client.call("POST", ORDERS, body=order_body(ticker, postOnly=True, clientId="x"))
            assert made.status_code == 201, made.text
            assert made.headers[HEADER] == "postOnly, clientId"
        order_id = made.json()["order_id"]
        response = await client.call("POST", f"{ORDERS}/{order_id}/decrease", body={"reduce_by": "1.00", "reduceBy": 1})
        assert response.headers[HEADER] == "reduceBy"
        batch = {"orders": [order_body(ticker), order_body(ticker, postOnly=True)]}
        assert (await client.call("POST", f"{ORDERS}/batched", body=batch)).headers[HEADER] == "postOnly"
        assert (await client.call("GET", "/markets", order_by="volume")).headers[HEADER] == "?order_by"
    ignored = [(one["operation"], one["field"]) for one in logs if "field" in one]
    assert ignored.count(("CreateOrderV2", "postOnly")) == 1
    assert len(ignored) == len(set(ignored)) == 5


async def test_a_known_request_reports_nothing(client: PaperClient) -> None:
    ticker = (await client.two_sided())["ticker"]
    made = await client.call("POST", ORDERS, body=order_body(ticker, post_only=True, exchange_index=0, subaccount=0))
    assert made.status_code == 201, made.text
    assert HEADER not in made.headers
    assert HEADER not in (await client.call("GET", "/markets", status="open", limit=5)).headers


async def test_a_name_cannot_break_the_header(client: PaperClient) -> None:
    ticker = (await client.two_sided())["ticker"]
    made = await client.call("POST", ORDERS, body=order_body(ticker, **{"a\r\nb: c": 1, "é" * 500: 2}))
    assert made.status_code == 201, made.text
    assert made.headers[HEADER] == "a??b:?c, " + "?" * 64
