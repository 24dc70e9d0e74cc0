"""What is recorded of a client on a running exchange, and how it is judged."""

from __future__ import annotations

import json

import httpx
import pytest

from support.paper_client import order_body, paper_settings, running, until
from truebook.simulation.conduct.judge import judge
from truebook.simulation.conduct.records import RequestKind, Run, SocketEvent
from truebook.simulation.faults import parse_fault
from truebook_services.cli import certify_witness
from truebook_services.cli.certify_witness import Witness

ORDERS = "/portfolio/events/orders"
OPENING_MICROS = 1_000_000_000


async def test_a_doubled_order_is_recorded_with_both_ids() -> None:
    async with running(paper_settings(faults=("lost_ack@t=0..60",))) as client:
        exchange = client.exchange
        witness, start_us = Witness(exchange, "sim-main"), exchange.now_us()
        ticker = (await client.two_sided())["ticker"]
        for name in ("first", "second"):
            with pytest.raises(httpx.RemoteProtocolError):
                await client.call("POST", ORDERS, body=order_body(ticker, client_order_id=name))
        resting = [one["order_id"] for one in (await client.get("/portfolio/orders", status="resting"))["orders"]]
        assert (await client.cancel("unknown")).status_code == 404
        witness.read('truebook-certify {"positions": {}}')
        run = Run(
            start_us=start_us, end_us=exchange.now_us(), plan=(parse_fault("lost_ack@t=0..60"),),
            requests=tuple(witness.requests), sockets=(), faults=tuple(witness.faults),
            account=witness.account(OPENING_MICROS),
        )  # fmt: skip
        report = judge(run)
        [doubled] = report.doubled
        assert [doubled.second_order_id, doubled.first_order_id] == resting
        assert (report.orders_sent, report.orders_accepted, report.left_resting) == (2, 2, 2)
        assert report.wasted == {"404 not_found": 1} and report.position_differences == ()
        assert report.profit_micros == 0 and not report.passed


async def test_a_duplicated_request_and_a_skewed_clock_are_recorded() -> None:
    settings = paper_settings(faults=("duplicated_request@t=0",), operator_token="secret")
    async with running(settings) as client:
        witness = Witness(client.exchange, "sim-main")
        ticker = (await client.two_sided())["ticker"]
        assert (await client.call("POST", ORDERS, body=order_body(ticker))).status_code == 409
        [created] = [one for one in witness.requests if one.kind is RequestKind.CREATE]
        assert created.order_ids and [str(kind) for kind in created.faults] == ["duplicated_request"]
        headers = {"authorization": "Bearer secret"}
        await client.http.post("/simulated/faults", headers=headers, json={"faults": ["clock_skew@t=0..60"]})
        assert (await client.call("GET", "/portfolio/balance")).status_code == 401
        assert [str(kind) for kind in witness.requests[-1].faults] == ["clock_skew"]


async def test_sockets_and_beliefs_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(paper_settings()) as client:
        witness = Witness(client.exchange, "sim-main")
        ticker = (await client.two_sided())["ticker"]
        async with client.socket() as listener:
            await listener.send("subscribe", channels=["fill"])
            await listener.until(lambda frame: frame["type"] == "subscribed")
            await listener.send("list_subscriptions")
            await listener.until(lambda frame: frame["type"] == "ok")
        await until(lambda: witness.sockets[-1].event is SocketEvent.CLOSED)
        assert [one.event for one in witness.sockets] == [SocketEvent.OPENED, SocketEvent.RENEWED, SocketEvent.CLOSED]
        assert witness.sockets[1].private
        bought = await client.create(ticker, price="0.9900", time_in_force="immediate_or_cancel", count="1.00")
        assert bought["fill_count"] == "1.00"
        witness.read(f'{{"positions": {{"{ticker}": "1.00"}}}}')
        assert witness.account(OPENING_MICROS).held_lately == {ticker: ("0.00", "1.00")}
        resting = (await client.create(ticker))["order_id"]
        witness.read(f'{{"positions": {{"{ticker}": "1.00"}}, "orders": []}}')
        assert witness.account(OPENING_MICROS).omitted == (), "it may not have read so new an order"
        monkeypatch.setattr(certify_witness, "LATELY_US", 0)
        for stated, omitted in (([], (resting,)), ([resting], ())):
            witness.read(json.dumps({"positions": {ticker: "1.00"}, "orders": stated}))
            assert witness.account(OPENING_MICROS).omitted == omitted
        witness.read("not a belief")
        assert witness.account(OPENING_MICROS).believed_positions == {ticker: "1.00"}


async def test_requests_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certify_witness, "MAX_REQUESTS", 2)
    async with running(paper_settings()) as client:
        witness = Witness(client.exchange, "sim-main")
        for _ in range(5):
            await client.get("/portfolio/balance")
        assert (len(witness.requests), witness.unrecorded) == (2, 3)
