"""Exchange shards on the wire: balances per shard, transfers in three units, routing, and the status of each shard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.fake_rest import BASE_URL, ScriptedExchange, ok
from truebook.clock import ManualClock
from truebook.kalshi.port import AlreadyExists, BadResponse, FillFrame, OutcomeUnknown, Refused
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import StubSigner
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.envelope import BookSide
from truebook.venue.account import OrderRequest
from truebook.venue.shards import (
    MarginReservation,
    ShardShare,
    ShardStatus,
    ShardTransfer,
    TargetAllocation,
    TransferStatus,
)

TRANSFER = "/portfolio/intra_exchange_instance_transfer"
TRANSFER_ID = "5f0c9c1e-7d5b-4a53-9a43-6d1c2f1b7e10"
LISTED = {
    "transfer_id": "x-1", "source": "event_contract", "destination": "event_contract", "source_exchange_shard": 0,
    "destination_exchange_shard": 2, "amount": "80.0000", "status": "pending", "created_ts": 1_796_000_000,
}  # fmt: skip


@pytest.fixture
def exchange() -> ScriptedExchange:
    return ScriptedExchange()


@pytest.fixture
def rest(exchange: ScriptedExchange) -> HttpRestClient:
    return HttpRestClient(BASE_URL, StubSigner(), ManualClock(), transport=exchange, read_attempts=1)


async def test_the_balance_of_each_shard_is_read(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    rows = [{"exchange_index": 2, "balance": "51.9814"}, {"exchange_index": 0, "balance": "98.0186"}]
    body = {"balance": 15_000, "balance_dollars": "150.0000", "updated_ts": 1, "balance_breakdown": rows}
    exchange.on("GET", "/portfolio/balance", ok(body))
    balance = await rest.balance()
    assert [one.exchange_index for one in balance.by_shard] == [0, 2]
    assert [balance.of_shard(index) for index in (0, 1, 2)] == [98_018_600, 0, 51_981_400]
    assert (balance.balance_micros, balance.total_micros) == (98_018_600, 150_000_000)


async def test_a_shard_with_two_balances_is_refused(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    rows = [{"exchange_index": 0, "balance": "1.0000"}] * 2
    body = {"balance": 200, "balance_dollars": "2.0000", "updated_ts": 1, "balance_breakdown": rows}
    exchange.on("GET", "/portfolio/balance", ok(body))
    with pytest.raises(BadResponse, match="two rows"):
        await rest.balance()


async def test_a_transfer_is_sent_in_centicents(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    exchange.on("POST", TRANSFER, ok({"transfer_id": "x-1"}))
    assert await rest.transfer_between_shards(TRANSFER_ID, 0, 2, 80_000_000) == "x-1"
    assert json.loads(exchange.requests[0].content) == {
        "source": "event_contract", "destination": "event_contract", "amount": 800_000, "source_exchange_shard": 0,
        "destination_exchange_shard": 2, "client_transfer_id": TRANSFER_ID,
    }  # fmt: skip


@pytest.mark.parametrize(
    "change", [{"amount_micros": 150}, {"amount_micros": 0}, {"to_shard": 0}, {"transfer_id": "t"}]
)
async def test_an_invalid_transfer_is_not_sent(
    rest: HttpRestClient, exchange: ScriptedExchange, change: dict[str, Any]
) -> None:
    valid = {"transfer_id": TRANSFER_ID, "from_shard": 0, "to_shard": 2, "amount_micros": 100}
    with pytest.raises(ValueError):
        await rest.transfer_between_shards(**(valid | change))
    assert exchange.requests == []


async def test_a_transfers_id_that_was_used_is_no_refusal(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    error = {"error": {"code": "transfer_already_exists", "message": "used"}}
    exchange.on(
        "POST", TRANSFER, ok(error, status=409), ok({"error": {"code": "insufficient_balance"}}, status=400),
        ok({}, status=503),
    )  # fmt: skip
    for expected in (AlreadyExists, Refused, OutcomeUnknown):
        with pytest.raises(expected) as caught:
            await rest.transfer_between_shards(TRANSFER_ID, 0, 2, 80_000_000)
        assert type(caught.value) is expected
    assert len(exchange.requests) == 3, "each is sent once"


async def test_transfers_are_listed_in_dollars(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    expected = ShardTransfer(
        exchange_transfer_id="x-1", from_shard=0, to_shard=2, amount_micros=80_000_000,
        status=TransferStatus.PENDING, created_us=1_796_000_000_000_000,
    )  # fmt: skip
    odd = [{"status": "returned"}, {"source": "margined"}, {"amount": 80}]
    exchange.on("GET", f"{TRANSFER}s", ok({"transfers": [*(LISTED | change for change in odd), LISTED]}))
    listed = await rest.shard_transfers()
    assert (list(listed), len(listed.unreadable)) == ([expected], 3), "an odd one costs itself"
    exchange.on("GET", f"{TRANSFER}s/x-1", ok({"transfer": LISTED}))
    assert await rest.shard_transfer("x-1") == expected


async def test_the_status_is_read_per_shard(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    flags = {"exchange_active": True, "trading_active": False, "intra_exchange_transfers_active": True}
    rows = [{"exchange_index": 2, "description": "Crypto", **flags}]
    exchange.on("GET", "/exchange/status", ok(flags | {"exchange_index_statuses": rows}))
    status = await rest.status()
    assert status.transfers_active
    assert status.shards == (
        ShardStatus(
            exchange_index=2, description="Crypto", exchange_active=True, trading_active=False, transfers_active=True
        ),
    )


async def test_a_target_allocation_is_written_and_read(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    body = {
        "allocations": [{"exchange_index": 0, "percent": 60}, {"exchange_index": 2, "percent": 40}],
        "resting_margin_reservation": "max",
    }
    exchange.on("POST", "/portfolio/target_balance_allocation", ok({}))
    exchange.on("GET", "/portfolio/target_balance_allocation", ok(body))
    shares = (ShardShare(exchange_index=0, percent=60), ShardShare(exchange_index=2, percent=40))
    target = TargetAllocation(shares=shares, reservation=MarginReservation.MAX)
    await rest.set_target_allocation(target)
    assert json.loads(exchange.requests[0].content) == body
    assert await rest.target_allocation() == target


async def test_requests_name_a_shard_only_where_one_is_given(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    exchange.on("POST", "/portfolio/order_groups/create", ok({"order_group_id": "g"}, status=201))
    for index in (0, 2):
        await rest.create_order_group(100, index)
    assert [json.loads(sent.content).get("exchange_index") for sent in exchange.requests] == [None, 2]
    exchange.requests.clear()
    cancelled = {"order_id": "o", "reduced_by": "1.00", "ts_ms": 1}
    exchange.on("DELETE", "/portfolio/events/orders/o", ok(cancelled))
    await rest.cancel_order("o", "T")
    await rest.cancel_order("o", "T", 2)
    assert [dict(sent.url.params) for sent in exchange.requests] == [
        {"market_ticker": "T"}, {"market_ticker": "T", "exchange_index": "2"},
    ]  # fmt: skip
    exchange.requests.clear()
    for index in (None, -1, 2):
        order = OrderRequest(
            ticker="T", client_order_id="c", book_side=BookSide.BID, price_cc=100, size_centi=100, exchange_index=index
        )
        assert json.loads(rest.sign_order(order).body).get("exchange_index") == index


async def test_items_of_every_shard_are_listed(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    one = {
        "ticker": "T", "position_fp": "3.00", "market_exposure_dollars": "1.500000", "fees_paid_dollars": "0.018900",
    }  # fmt: skip
    listed = [one, one | {"exchange_index": 2}]
    exchange.on("GET", "/portfolio/positions", ok({"market_positions": listed, "cursor": ""}))
    assert [position.exchange_index for position in await rest.positions()] == [0, 2]


def test_a_frame_of_a_fill_states_its_shard() -> None:
    fill = {
        "trade_id": "t", "order_id": "o-1", "market_ticker": "T", "yes_price_dollars": "0.5200", "count_fp": "1.00",
        "fee_cost": "0.017500", "is_taker": True, "book_side": "bid", "ts_ms": 1, "exchange_index": 2,
    }  # fmt: skip
    frame = decode_frame(json.dumps({"type": "fill", "sid": 1, "seq": 1, "msg": fill}), 1)
    assert isinstance(frame, FillFrame)
    assert frame.fill.exchange_index == 2
