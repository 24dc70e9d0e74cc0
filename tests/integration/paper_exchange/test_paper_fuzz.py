"""Random requests and stream commands: never a 500, and a refused request changes no balance, order or position."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from support.exchange_fuzz import Fuzzer
from support.manual_rest import ManualRest, manual_rest
from support.paper_client import SIGNER
from truebook.venue.account import OrderStatus

CALLS = int(os.environ.get("TRUEBOOK_TEST_FUZZ", "20000"))
REQUESTS, COMMANDS = CALLS * 3 // 5, CALLS * 2 // 5
EXPECTED = {200, 201, 204, 400, 403, 404, 405, 409, 410, 429, 501}
ACCOUNT = "sim-main"


def seen(rest: ManualRest) -> Any:
    """Return what of the account a refused request must not change."""
    queries, now_us = rest.exchange.engine.queries, rest.exchange.server.now_us()
    return (
        queries.balance(ACCOUNT), queries.held_micros(ACCOUNT), queries.positions(ACCOUNT),
        queries.orders(ACCOUNT, status=OrderStatus.RESTING), len(queries.fills(ACCOUNT, since_us=now_us)),
        rest.exchange.engine.groups.of_account(ACCOUNT),
    )  # fmt: skip


@pytest.mark.timeout(max(600, CALLS // 100))
async def test_no_request_breaks_the_exchange_or_an_account() -> None:
    async with manual_rest(markets=6, shards=("2:SIMCUP",), verify_signatures=False, tier="prestige") as rest:
        rest.exchange.tick(60)
        fuzzer = Fuzzer(1, rest.exchange.tickers()[:8])
        statuses: dict[int, int] = {}
        for number in range(REQUESTS):
            request = fuzzer.request()
            if number % 50 == 0:
                rest.exchange.tick(0.5)
                headers = SIGNER.headers("GET", "/x", rest.now_ms())  # signatures are not verified
            before = seen(rest)
            status, response = await rest.send(request.method, request.path, request.query, request.body, headers)
            statuses[status] = statuses.get(status, 0) + 1
            assert status in EXPECTED, (number, request, response)
            body = json.loads(response) if status != 204 and response else {}
            if status == 201 and "order_id" in body:
                fuzzer.ids = [*fuzzer.ids[-20:], body["order_id"]]
            if status >= 400:
                assert body and seen(rest) == before, (number, request, response)
        assert {200, 201, 204, 400, 404, 501} <= statuses.keys(), statuses


@pytest.mark.timeout(max(600, CALLS // 100))
async def test_no_stream_command_breaks_a_session() -> None:
    async with manual_rest(markets=6) as rest:
        rest.exchange.tick(60)
        fuzzer = Fuzzer(2, rest.exchange.tickers()[:8])
        session = rest.exchange.server.hub.open_session(ACCOUNT, lambda: None)
        sequence: dict[int, int] = {}
        kinds: set[str] = set()
        for number in range(COMMANDS):
            session.receive(fuzzer.command())
            if number % 100 == 0:
                rest.exchange.tick(0.5)
            while (text := session.take()) is not None:
                frame = json.loads(text)
                kinds.add(frame["type"])
                if "seq" in frame:
                    assert frame["seq"] == sequence.get(frame["sid"], 0) + 1
                    sequence[frame["sid"]] = frame["seq"]
        assert {"subscribed", "ok", "error", "unsubscribed", "orderbook_snapshot", "orderbook_delta"} <= kinds
