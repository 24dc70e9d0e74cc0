"""Random requests by schemathesis on the OpenAPI document: never a 500, and every response as it is described."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.paper_client import PREFIX, SIGNER, PaperClient, paper_settings, running
from truebook_services.paper_exchange.rest.absent import ABSENT
from truebook_services.paper_exchange.rest.application import ENDPOINTS
from truebook_services.paper_exchange.rest.openapi.document import document
from truebook_services.paper_exchange.rest.openapi.served import VERSION

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = {GenerationMode.POSITIVE: 25, GenerationMode.NEGATIVE: 15}
NOT_DRIVEN = {name for _, _, name in ABSENT}


class Driver:
    """Sends the cases of one operation, signed, with real values in some of the places."""

    def __init__(self, client: PaperClient, values: dict[str, list[Any]]) -> None:
        self.client = client
        self.values = values
        self.statuses: Counter[tuple[GenerationMode, int]] = Counter()
        self.session = requests.Session()

    def drive(self, operation: Any, mode: GenerationMode) -> None:
        @settings(max_examples=EXAMPLES[mode], derandomize=True, deadline=None, database=None,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(operation.as_strategy(generation_mode=mode), st.data())
        def send(case: Any, data: Any) -> None:
            if mode is GenerationMode.POSITIVE:
                self._use_real(case.path_parameters, data)
                self._use_real(case.query, data)
                self._use_real(case.body, data)
            path = PREFIX + case.formatted_path
            signed = SIGNER.headers(case.method, path, self.client.exchange.now_us() // 1000)
            response = case.call(base_url=self.client.exchange.url + PREFIX, headers=signed, session=self.session)
            self.statuses[mode, response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

        send()

    def _use_real(self, container: Any, data: Any) -> None:
        if isinstance(container, list):
            for one in container:
                self._use_real(one, data)
        if not isinstance(container, dict):
            return
        for name in list(container):
            if name in self.values and data.draw(st.booleans()):
                container[name] = data.draw(st.sampled_from(self.values[name]))
            else:
                self._use_real(container[name], data)


async def real_values(client: PaperClient) -> dict[str, list[Any]]:
    """Make an account with something of each kind, and return values that requests may name."""
    ticker = (await client.two_sided())["ticker"]
    await client.call("POST", "/portfolio/subaccounts", body={})
    ids = [(await client.create(ticker, price=price))["order_id"] for price in ("0.0100", "0.0200", "0.9900")]
    group = await client.call("POST", "/portfolio/order_groups/create", body={"contracts_limit": 5})
    markets = (await client.get("/markets", limit=5))["markets"]
    tickers = [ticker, *(one["ticker"] for one in markets)]
    prices, counts = ["0.0100", "0.5000", "0.9900"], ["1.00", "2.50", "100.00"]
    now_s = client.exchange.now_us() // 1_000_000
    return {
        "ticker": tickers, "market_ticker": tickers, "tickers": tickers, "market_tickers": tickers,
        "event_ticker": [one["event_ticker"] for one in markets], "event": [one["event_ticker"] for one in markets],
        "series": [ticker.split("-")[0]], "series_ticker": [ticker.split("-")[0]], "order_id": ids,
        "order_group_id": [group.json()["order_group_id"]], "price": prices, "count": counts, "reduce_by": counts,
        "subaccount": [0, 1], "exchange_index": [0], "period_interval": [1, 60, 1440], "start_ts": [now_s - 3_600],
        "end_ts": [now_s], "amount_cents": [1, 100], "amount_dollars": ["1.00"], "public_key": ["no key"],
        "side": ["bid", "ask"], "limit": [1, 2],
    }  # fmt: skip


def has_more_than_a_path(operation: Any) -> bool:
    """Return whether there is something that a request could get wrong."""
    raw = operation.definition.raw
    return "requestBody" in raw or any(one["in"] == "query" for one in raw.get("parameters", ()))


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_random_requests_meet_the_document() -> None:
    found = schemathesis.openapi.from_dict(document(ENDPOINTS, PREFIX, VERSION))
    operations = [one.ok() for one in found.get_all_operations()]
    driven = [one for one in operations if one.definition.raw["operationId"] not in NOT_DRIVEN]
    assert len(driven) == len(operations) - len(NOT_DRIVEN)
    problems: dict[str, str] = {}
    async with running(paper_settings(history_after_s=60)) as client:
        driver = Driver(client, await real_values(client))
        for operation in driven:
            for mode in EXAMPLES:
                if mode is GenerationMode.NEGATIVE and not has_more_than_a_path(operation):
                    continue
                try:
                    await asyncio.to_thread(driver.drive, operation, mode)
                except Exception as error:  # noqa: BLE001 - all operations are reported together
                    text = str(error) + "".join(str(one) for one in getattr(error, "exceptions", ()))
                    problems[f"{operation.label} {mode.value}"] = text[:1_500]
        assert (await client.call("GET", "/portfolio/balance")).status_code == 200
    valid = {status: number for (mode, status), number in driver.statuses.items() if mode is GenerationMode.POSITIVE}
    assert 401 not in valid, valid
    assert problems == {}, "\n\n".join(f"{name}: {text}" for name, text in problems.items())
    assert valid[200] + valid[201] > 800, valid
