"""What services rely on at the exchange, as tests: through the ports of the REST client and of the stream.

A test module per implementation subclasses ``RestContract`` and ``StreamContract`` (in ``stream_contract``) and defines
the fixture ``harness``. The tests do not depend on the implementation: timeouts are long enough for sockets, and other
accounts act through the harness.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import pytest

from support.in_memory_exchange import market_metadata
from truebook.clock import Clock, SystemClock
from truebook.kalshi.port import (
    AlreadyExists,
    Connector,
    NotFound,
    Refused,
    RestClient,
)
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.market_metadata import MarketStatus
from truebook.simulation.events import SimulationEvent
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.venue.account import CreateResponse, OrderRequest, OrderStatus

BID, ASK = BookSide.BID, BookSide.ASK
TICKER = "CONTRACT-1-A"
ACCOUNT = "sim-main"
WITHIN_S = 10.0
SECOND_US = 1_000_000
Action = Callable[[SimulatedExchange, int], Sequence[SimulationEvent]]
T = TypeVar("T")


class ExchangeHarness(Protocol):
    """One implementation under test, with an account of at least $1,000."""

    connector: Connector

    def client(self, clock: Clock) -> RestClient:
        """A client whose machine has this clock."""
        ...

    async def act(self, action: Action) -> None:
        """Let others act on the exchange's engine at its time, and publish the events."""
        ...

    def drop_connections(self) -> None:
        """End every stream connection without a closing handshake."""
        ...


class ShiftedClock(SystemClock):
    def __init__(self, by_s: float) -> None:
        super().__init__()
        self._by_us = int(by_s * SECOND_US)

    def now_us(self) -> int:
        return super().now_us() + self._by_us


class Contract:
    """One market, other accounts, and our account's client."""

    @pytest.fixture(autouse=True)
    async def begin(self, harness: ExchangeHarness) -> None:
        self.harness = harness
        self.rest = harness.client(SystemClock())
        self._numbers = itertools.count(1)
        await self.list_market(TICKER)

    # Others

    async def list_market(self, ticker: str, **changes: Any) -> None:
        metadata = market_metadata(ticker, **({"event": "CONTRACT-1", "series": "CONTRACT"} | changes))
        await self.harness.act(lambda engine, at_us: engine.lifecycle.add_market(metadata, at_us))

    async def quote(self, side: BookSide, price_cc: int, size_centi: int, *, ticker: str = TICKER) -> None:
        """Place an order of another account, which rests or trades."""
        number = f"contract-{next(self._numbers)}"
        order = OrderRequest(
            ticker=ticker, client_order_id=number, book_side=side, price_cc=price_cc, size_centi=size_centi
        )
        await self.harness.act(lambda engine, at_us: engine.place(f"trader:{number}", order, at_us)[1])

    async def determine(self, settlement_cc: int) -> None:
        await self.harness.act(lambda engine, at_us: engine.lifecycle.determine(TICKER, settlement_cc, at_us))

    async def eventually(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read until the result is not empty."""
        async with asyncio.timeout(WITHIN_S):
            while not (found := await read()):
                await asyncio.sleep(0.02)
        return found

    # Our account

    def order(self, side: BookSide = BID, price_cc: int = 4_000, size_centi: int = 1_000, **more: Any) -> OrderRequest:
        fields = {"ticker": TICKER, "client_order_id": f"tb1-{next(self._numbers)}"} | more
        return OrderRequest(book_side=side, price_cc=price_cc, size_centi=size_centi, **fields)

    async def create(self, order: OrderRequest) -> CreateResponse:
        return await self.rest.create_order(self.rest.sign_order(order), WITHIN_S)

    async def refusal(self, order: OrderRequest) -> tuple[type[Exception], str]:
        with pytest.raises(Refused) as caught:
            await self.create(order)
        return type(caught.value), caught.value.code


class RestContract(Contract):
    # Orders

    async def test_a_resting_order_is_listed_as_it_was_created(self) -> None:
        request = self.order(price_cc=4_100, size_centi=1_050)
        created = await self.create(request)
        assert (created.client_order_id, created.filled_centi, created.remaining_centi) == (
            request.client_order_id, 0, 1_050,
        )  # fmt: skip
        order = await self.rest.order(created.exchange_order_id)
        assert await self.rest.orders(ticker=TICKER, status=OrderStatus.RESTING) == [order]
        assert (order.client_order_id, order.ticker, order.book_side) == (request.client_order_id, TICKER, BID)
        assert (order.price_cc, order.initial_centi, order.remaining_centi) == (4_100, 1_050, 1_050)
        assert order.created_us is not None and abs(order.created_us - created.processed_us) < 1_000

    async def test_a_crossing_order_trades_at_the_resting_price(self) -> None:
        await self.quote(ASK, 4_200, 300)
        before = await self.rest.balance()
        created = await self.create(self.order(price_cc=4_500, size_centi=500))
        assert (created.filled_centi, created.remaining_centi) == (300, 200)
        (fill,) = await self.rest.fills(exchange_order_id=created.exchange_order_id)
        assert (fill.price_cc, fill.size_centi, fill.book_side, fill.is_taker) == (4_200, 300, BID, True)
        assert fill.fee_micros > 0
        (position,) = await self.rest.positions()
        assert (position.ticker, position.position_centi, position.fees_micros) == (TICKER, 300, fill.fee_micros)
        cost_micros = 300 * 4_200 + fill.fee_micros
        held = before.balance_micros - (await self.rest.balance()).balance_micros - cost_micros
        assert held >= 200 * 4_500, "cash for the resting part"
        await self.rest.cancel_order(created.exchange_order_id, TICKER)
        assert before.balance_micros - (await self.rest.balance()).balance_micros == cost_micros

    async def test_a_triggered_order_group_cancels_and_refuses_until_reset(self) -> None:
        group_id = await self.rest.create_order_group(5_000)
        assert (await self.rest.order_groups())[group_id] == 5_000
        grouped = await self.create(self.order(order_group_id=group_id))
        other = await self.create(self.order(ASK, 6_000))
        await self.rest.trigger_order_group(group_id)
        resting = await self.rest.orders(ticker=TICKER, status=OrderStatus.RESTING)
        assert [order.exchange_order_id for order in resting] == [other.exchange_order_id]
        assert (await self.rest.order(grouped.exchange_order_id)).status is OrderStatus.CANCELED
        await self.rest.trigger_order_group(group_id)
        refused = await self.refusal(self.order(order_group_id=group_id))
        assert refused == (Refused, "exceeded_order_group_risk_limit")
        await self.rest.reset_order_group(group_id)
        await self.create(self.order(order_group_id=group_id))
        with pytest.raises(NotFound):
            await self.rest.trigger_order_group("no-such-group")

    async def test_a_fill_by_rest_names_its_order_by_the_exchanges_id_only(self) -> None:
        created = await self.create(self.order())
        await self.quote(ASK, 4_000, 400)
        (fill,) = await self.rest.fills()
        assert (fill.exchange_order_id, fill.client_order_id) == (created.exchange_order_id, None)
        assert (fill.is_taker, fill.fee_micros, fill.basis) == (False, 0, "synthetic")

    async def test_a_client_order_id_is_accepted_once(self) -> None:
        request = self.order()
        await self.create(request)
        assert await self.refusal(request) == (AlreadyExists, "order_already_exists")
        assert len(await self.rest.orders()) == 1

    async def test_refusals_have_the_exchanges_codes(self) -> None:
        await self.quote(ASK, 4_200, 300)
        await self.list_market("CONTRACT-1-B")
        await self.harness.act(
            lambda engine, at_us: engine.lifecycle.follow_status("CONTRACT-1-B", MarketStatus.CLOSED, at_us)
        )
        cases: dict[str, tuple[OrderRequest, tuple[type[Exception], str]]] = {
            "market": (self.order(ticker="CONTRACT-1-X"), (NotFound, "market_not_found")),
            "closed": (self.order(ticker="CONTRACT-1-B"), (Refused, "market_closed")),
            "cash": (self.order(size_centi=100_000_000), (Refused, "insufficient_balance")),
            "cross": (self.order(price_cc=4_200, post_only=True), (Refused, "invalid_order")),
            "grid": (self.order(price_cc=4_050), (Refused, "invalid_price")),
            "volume": (
                self.order(price_cc=4_200, time_in_force=TimeInForce.FILL_OR_KILL),
                (Refused, "fill_or_kill_insufficient_resting_volume"),
            ),
        }
        assert {name: await self.refusal(order) for name, (order, _) in cases.items()} == {
            name: expected for name, (_, expected) in cases.items()
        }
        assert await self.rest.orders() == []

    async def test_an_immediate_order_does_not_rest(self) -> None:
        await self.quote(ASK, 4_200, 300)
        request = self.order(price_cc=4_200, size_centi=500, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
        created = await self.create(request)
        order = await self.rest.order(created.exchange_order_id)
        assert (order.filled_centi, order.remaining_centi, order.status) == (300, 0, OrderStatus.CANCELED)

    async def test_a_reduce_only_order_opens_no_position(self) -> None:
        await self.quote(BID, 4_000, 1_000)
        await self.quote(ASK, 4_200, 300)
        await self.create(self.order(price_cc=4_200, size_centi=300))
        immediate = {"reduce_only": True, "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL}
        sold = await self.create(self.order(ASK, 4_000, 500, **immediate))
        assert sold.filled_centi == 300
        assert await self.rest.positions() == []

    async def test_a_resting_order_is_not_reduce_only(self) -> None:
        """The exchange supports it for immediate orders only: the client sends a resting one without it."""
        created = await self.create(self.order(ASK, 6_000, 500, reduce_only=True))
        assert (await self.rest.order(created.exchange_order_id)).remaining_centi == 500

    async def test_an_order_expires_at_its_second(self) -> None:
        expires_s = SystemClock().now_us() // SECOND_US + 2
        created = await self.create(self.order(expiration_s=expires_s))
        order = await self.rest.order(created.exchange_order_id)
        assert (order.status, order.expires_us) == (OrderStatus.RESTING, expires_s * SECOND_US)
        await self.eventually(lambda: self.rest.orders(status=OrderStatus.CANCELED))
        assert SystemClock().now_us() >= expires_s * SECOND_US

    async def test_an_invalid_order_is_not_signed(self) -> None:
        for invalid in (self.order(price_cc=0), self.order(size_centi=0), self.order(client_order_id="a.b")):
            with pytest.raises(ValueError):
                self.rest.sign_order(invalid)

    async def test_an_expired_signature_is_refused(self) -> None:
        late = self.harness.client(ShiftedClock(-60))
        signed = late.sign_order(self.order())
        assert signed.valid_until_us < SystemClock().now_us()
        with pytest.raises(Refused) as caught:
            await late.create_order(signed, WITHIN_S)
        assert caught.value.status == 401
        assert await self.rest.orders() == []
        await late.aclose()

    async def test_a_cancel_returns_what_it_cancelled(self) -> None:
        created = await self.create(self.order(size_centi=1_000))
        await self.quote(ASK, 4_000, 400)
        cancelled = await self.rest.cancel_order(created.exchange_order_id, TICKER)
        assert (cancelled.exchange_order_id, cancelled.reduced_centi) == (created.exchange_order_id, 600)
        order = await self.rest.order(created.exchange_order_id)
        assert (order.status, order.filled_centi, order.remaining_centi) == (OrderStatus.CANCELED, 400, 0)

    async def test_cancelling_an_ended_or_unknown_order_is_a_404(self) -> None:
        filled = await self.create(self.order(size_centi=400))
        await self.quote(ASK, 4_000, 400)
        cancelled = await self.create(self.order())
        await self.rest.cancel_order(cancelled.exchange_order_id, TICKER)
        for order_id in (filled.exchange_order_id, cancelled.exchange_order_id, "no-such-order"):
            with pytest.raises(NotFound):
                await self.rest.cancel_order(order_id, TICKER)

    async def test_all_orders_are_cancelled_at_once(self) -> None:
        for price_cc in (3_000, 3_100, 3_200):
            await self.create(self.order(price_cc=price_cc))
        await self.rest.cancel_all()
        assert await self.rest.orders(status=OrderStatus.RESTING) == []
        assert len(await self.rest.orders(status=OrderStatus.CANCELED)) == 3

    # Lists

    async def test_lists_of_orders_are_filtered_and_newest_first(self) -> None:
        await self.list_market("CONTRACT-1-B")
        for order in (self.order(), self.order(ticker="CONTRACT-1-B"), self.order(price_cc=3_900)):
            await self.create(order)
        assert [order.price_cc for order in await self.rest.orders(ticker=TICKER)] == [3_900, 4_000]
        assert len(await self.rest.orders()) == 3
        assert await self.rest.orders(status=OrderStatus.EXECUTED) == []

    async def test_lists_have_every_page(self) -> None:
        orders = [self.order(price_cc=100, size_centi=100) for _ in range(1_005)]

        def place(engine: SimulatedExchange, at_us: int) -> list[SimulationEvent]:
            return [event for order in orders for event in engine.place(ACCOUNT, order, at_us)[1]]

        await self.quote(ASK, 100, 100_500)
        await self.harness.act(place)
        listed = await self.rest.orders()
        assert [order.client_order_id for order in reversed(listed)] == [order.client_order_id for order in orders]
        assert len({fill.trade_id for fill in await self.rest.fills()}) == 1_005

    async def test_lists_since_a_time_omit_nothing_after_it(self) -> None:
        created = [await self.create(self.order(price_cc=price_cc)) for price_cc in (4_000, 3_900)]
        await self.quote(ASK, 3_900, 2_000)
        (first, second) = await self.rest.fills()
        for since_us in (first.created_us, first.created_us - SECOND_US):
            assert [fill.trade_id for fill in await self.rest.fills(min_us=since_us)] == [
                first.trade_id, second.trade_id,
            ]  # fmt: skip
            assert len(await self.rest.orders(min_us=created[0].processed_us)) == 2
        later_us = second.created_us + 3 * SECOND_US
        assert await self.rest.fills(min_us=later_us) == await self.rest.orders(min_us=later_us) == []

    async def test_fills_are_oldest_first(self) -> None:
        for size_centi in (100, 200, 300):
            await self.create(self.order(size_centi=size_centi))
            await self.quote(ASK, 4_000, size_centi)
        assert [fill.size_centi for fill in await self.rest.fills()] == [100, 200, 300]

    async def test_an_unknown_order_market_or_book_is_a_404(self) -> None:
        for read in (self.rest.order, self.rest.market, self.rest.book):
            with pytest.raises(NotFound):
                await read("no-such-thing")

    # Markets

    async def test_markets_are_filtered(self) -> None:
        await self.list_market("CONTRACT-1-B")
        await self.harness.act(
            lambda engine, at_us: engine.lifecycle.follow_status("CONTRACT-1-B", MarketStatus.CLOSED, at_us)
        )

        async def listed(**filters: Any) -> set[str]:
            return {market.ticker for market in await self.rest.markets(**filters)}

        assert await listed(series="CONTRACT") == {TICKER, "CONTRACT-1-B"}
        assert await listed(series="CONTRACT", status="open") == {TICKER}
        assert await listed(tickers=(TICKER, "no-such-market")) == {TICKER}
        assert await listed(series="NOTHING") == set()
        (market,) = await self.rest.markets(tickers=(TICKER,))
        assert market == await self.rest.market(TICKER)
        (opened,) = await self.rest.open_markets(series="CONTRACT")
        for field in opened.__struct_fields__:
            assert getattr(opened, field) == getattr(market, field), field
        assert TICKER in {each.ticker for each in await self.rest.open_markets()}
        assert (market.event, market.series, market.status) == ("CONTRACT-1", "CONTRACT", MarketStatus.ACTIVE)

    async def test_a_book_is_on_the_yes_leg_best_first(self) -> None:
        for side, price_cc, size_centi in ((BID, 3_900, 200), (BID, 4_000, 150), (ASK, 4_300, 50), (ASK, 4_200, 70)):
            await self.quote(side, price_cc, size_centi)
        book = await self.rest.book(TICKER)
        assert book.bids == ((4_000, 150), (3_900, 200))
        assert book.asks == ((4_200, 70), (4_300, 50))

    # Settlement

    @pytest.mark.parametrize("settlement_cc", [10_000, 0, 3_456])
    async def test_a_settlement_pays_the_market_s_value(self, settlement_cc: int) -> None:
        await self.quote(ASK, 4_000, 500)
        await self.create(self.order(size_centi=500))
        before = await self.rest.balance()
        began_us = SystemClock().now_us()
        await self.determine(settlement_cc)
        (settlement,) = await self.eventually(self.rest.settlements)
        assert (settlement.ticker, settlement.event, settlement.yes_centi) == (TICKER, "CONTRACT-1", 500)
        assert settlement.settlement_cc == settlement_cc
        assert settlement.revenue_micros == 500 * settlement_cc // 10_000 * 10_000, "whole cents"
        assert (await self.rest.balance()).balance_micros - before.balance_micros == 500 * settlement_cc
        assert await self.rest.positions() == []
        market = await self.rest.market(TICKER)
        assert (market.status, market.settlement_cc) == (MarketStatus.FINALIZED, settlement_cc)
        assert await self.rest.settlements(min_us=began_us) == [settlement]
        assert await self.rest.settlements(min_us=settlement.settled_us + 3 * SECOND_US) == []

    async def test_a_determined_market_has_its_value_before_it_pays(self) -> None:
        await self.determine(3_456)
        market = await self.rest.market(TICKER)
        assert market.status in (MarketStatus.DETERMINED, MarketStatus.FINALIZED)
        assert market.settlement_cc == 3_456
        assert await self.refusal(self.order()) == (Refused, "market_closed")

    # Transfers

    async def test_a_transfer_moves_cash_once_by_its_id(self) -> None:
        before, began_us = await self.rest.balance(), SystemClock().now_us()
        for transfer_id, amount_micros in (("t-1", 5_000_000), ("t-1", 5_000_000), ("t-2", -2_000_000)):
            await self.rest.transfer(transfer_id, amount_micros)
        assert (await self.rest.balance()).balance_micros - before.balance_micros == 3_000_000
        listed = {one.transfer_id: one.amount_micros for one in await self.rest.transfers(min_us=began_us)}
        assert listed == {"t-1": 5_000_000, "t-2": -2_000_000}
        assert await self.rest.transfers(min_us=began_us + 3_600 * SECOND_US) == []

    async def test_a_withdrawal_above_the_available_cash_is_refused(self) -> None:
        before = await self.rest.balance()
        with pytest.raises(Refused) as caught:
            await self.rest.transfer("t-1", -before.balance_micros - 10_000)
        assert caught.value.code == "insufficient_balance"
        assert (await self.rest.balance()).balance_micros == before.balance_micros

    # The exchange

    async def test_the_exchange_is_active_and_does_not_net_across_markets(self) -> None:
        status = await self.rest.status()
        assert (status.exchange_active, status.trading_active) == (True, True)
        assert await self.rest.cross_market_netting() is False
        assert (await self.rest.write_limits()).capacity >= 100

    async def test_the_data_time_covers_what_is_listed(self) -> None:
        created = await self.create(self.order())
        data_us = await self.rest.data_time_us()
        assert data_us >= created.processed_us - 1_000
        assert abs(await self.rest.exchange_time_us() - SystemClock().now_us()) < SECOND_US
