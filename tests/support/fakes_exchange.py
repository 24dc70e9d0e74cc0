"""The exchange in memory: a twin of the REST client and of the private socket on top of the simulated engine.

Faults are put in by hand, one call at a time: failures, lost requests, lost answers, slow answers, stale or lagging
reads, frames that are never told. Nothing sleeps here.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from truebook.clock import Clock
from truebook.kalshi.port import (
    AlreadyExists,
    Connection,
    Connector,
    ExchangeStatus,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Refused,
    RestBook,
    RestClient,
    SignedOrder,
    StreamClosed,
)
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.facts import LINEAR_CENT, FeeType, MarketFacts, MarketStatus
from truebook.money import format_micros, format_price, format_size
from truebook.simulation.events import Filled, MarketChanged, OrderChanged, SimulationEvent
from truebook.simulation.exchange import SimulatedExchange
from truebook.simulation.orders import Rejected
from truebook.venue.account import (
    CancelAnswer,
    CreateAnswer,
    ExchangeBalance,
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    ExchangeSettlement,
    OrderRequest,
    OrderStatus,
)

ACCOUNT = "sim-main"
SIGNATURE_LIFE_US = 15_000_000
HOUR_US = 3_600_000_000


def market(ticker: str, now_us: int, **changed: Any) -> MarketFacts:
    """A binary cent market that is open for an hour from ``now_us``."""
    values: dict[str, Any] = {
        "ticker": ticker, "event": f"E-{ticker}", "series": "S", "status": MarketStatus.INITIALIZED,
        "open_us": now_us - HOUR_US, "close_us": now_us + HOUR_US, "price_ranges": LINEAR_CENT,
        "fee_type": FeeType.QUADRATIC, "fee_multiplier_ppm": 1_000_000, "exclusive": False,
    }  # fmt: skip
    return MarketFacts(**(values | changed))


class FakeExchange(RestClient):
    """One account at a simulated exchange, behind the REST client's port."""

    def __init__(self, clock: Clock, *, seed: int = 1, balance_micros: int = 1_000_000_000) -> None:
        self.clock = clock
        self.engine = SimulatedExchange(seed)
        self.engine.open_account(ACCOUNT, balance_micros)
        self.calls: Counter[str] = Counter()
        self.posted: list[str] = []
        """Client order ids in the order in which they were sent, those that got lost too."""
        self.sockets: list[FakeSocket] = []
        self.failures: dict[str, deque[Exception]] = {}
        self.before: dict[str, Callable[[Any], Awaitable[None]]] = {}
        """Per call: awaited with the call's first argument before anything happens (slow answers, crossing news)."""
        self.lost_requests = 0
        self.lost_answers = 0
        self.data_lag_us = 0
        self.hidden_fills: set[str] = set()
        self.hidden_orders: set[str] = set()
        self.stale_orders: dict[str, ExchangeOrder] = {}
        """By exchange id: what reads show instead of the order's true state."""
        self.untold: set[str] = set()
        """Frame types that the socket does not tell."""
        self.netting = False
        self.status_now = ExchangeStatus(exchange_active=True, trading_active=True)
        self.time_offset_us = 0
        self.balance_error_micros = 0
        self._traders = itertools.count(1)

    # The market around us

    def add_market(self, ticker: str, **changed: Any) -> MarketFacts:
        facts = market(ticker, self.clock.now_us(), **changed)
        self._tell(self.engine.add_market(facts, self.clock.now_us()))
        return facts

    def trade(self, ticker: str, side: BookSide, price_cc: int, size_centi: int, *, rest: bool = False) -> None:
        """Let someone else send an order: it takes what crosses; what is left rests only if asked."""
        number = next(self._traders)
        request = OrderRequest(
            ticker=ticker, client_order_id=f"t{number}", book_side=side, price_cc=price_cc, size_centi=size_centi,
            time_in_force=TimeInForce.GOOD_TILL_CANCELED if rest else TimeInForce.IMMEDIATE_OR_CANCEL,
        )  # fmt: skip
        answer, events = self.engine.place(f"trader:{number}", request, self.clock.now_us())
        assert not isinstance(answer, Rejected), answer
        self._tell(events)

    def place_by_hand(self, request: OrderRequest) -> str:
        """Place an order of our account past the service, as a person does on the website."""
        answer, events = self.engine.place(ACCOUNT, request, self.clock.now_us())
        assert isinstance(answer, CreateAnswer), answer
        self._tell(events)
        return answer.exchange_order_id

    def determine(self, ticker: str, settlement_cc: int) -> None:
        self._tell(self.engine.determine(ticker, settlement_cc, self.clock.now_us()))

    def advance(self) -> None:
        """Carry out what is due at the clock's time."""
        self._tell(self.engine.advance(self.clock.now_us()))

    def own(self, status: OrderStatus | None = None) -> list[ExchangeOrder]:
        return self.engine.orders(ACCOUNT, status=status)

    def fail(self, call: str, *errors: Exception) -> None:
        """Let the next calls of that name fail, one error each."""
        self.failures.setdefault(call, deque()).extend(errors)

    # Writes

    def sign_order(self, request: OrderRequest) -> SignedOrder:
        until_us = self.clock.now_us() + SIGNATURE_LIFE_US
        return SignedOrder(request=request, body=b"", headers={}, valid_until_us=until_us)

    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateAnswer:
        self.posted.append(order.request.client_order_id)
        await self._begin("create_order", order.request)
        if self.lost_requests:
            self.lost_requests -= 1
            raise OutcomeUnknown("the request was lost")
        answer, events = self.engine.place(ACCOUNT, order.request, self.clock.now_us())
        self._tell(events)
        if self.lost_answers:
            self.lost_answers -= 1
            raise OutcomeUnknown("the answer was lost")
        if isinstance(answer, Rejected):
            raise _failure(answer)
        return answer

    async def cancel_order(self, exchange_order_id: str, ticker: str) -> CancelAnswer:
        await self._begin("cancel_order", exchange_order_id)
        answer, events = self.engine.cancel(ACCOUNT, exchange_order_id, self.clock.now_us())
        self._tell(events)
        if isinstance(answer, Rejected):
            raise _failure(answer)
        return answer

    async def cancel_all(self) -> None:
        await self._begin("cancel_all", None)
        self._tell(self.engine.cancel_all(ACCOUNT, self.clock.now_us()))

    # Reads

    async def status(self) -> ExchangeStatus:
        await self._begin("status", None)
        return self.status_now

    async def data_time_us(self) -> int:
        await self._begin("data_time_us", None)
        return self.clock.now_us() - self.data_lag_us

    async def exchange_time_us(self) -> int:
        await self._begin("exchange_time_us", None)
        return self.clock.now_us() + self.time_offset_us

    async def markets(
        self, *, status: str | None = None, tickers: Sequence[str] = (), series: str | None = None
    ) -> list[MarketFacts]:
        await self._begin("markets", None)
        return self.engine.markets()

    async def market(self, ticker: str) -> MarketFacts:
        await self._begin("market", ticker)
        facts = self.engine.market(ticker)
        if facts is None:
            raise NotFound(404, "not_found")
        return facts

    async def book(self, ticker: str) -> RestBook:
        book = self.engine.book(ticker)
        return RestBook(
            ticker=ticker, bids=tuple(book.levels(BookSide.BID)), asks=tuple(book.levels(BookSide.ASK))
        )  # fmt: skip

    async def balance(self) -> ExchangeBalance:
        await self._begin("balance", None)
        held = self.engine.balance(ACCOUNT)
        precise = (held.balance_micros + self.balance_error_micros) // 100 * 100
        return ExchangeBalance(balance_micros=precise, updated_us=held.updated_us)

    async def positions(self) -> list[ExchangePosition]:
        await self._begin("positions", None)
        return self.engine.positions(ACCOUNT)

    async def orders(
        self, *, ticker: str | None = None, status: OrderStatus | None = None, min_us: int | None = None
    ) -> list[ExchangeOrder]:
        await self._begin("orders", ticker)
        shown = [self._shown(order) for order in self.engine.orders(ACCOUNT, ticker=ticker)]
        return [
            order
            for order in shown
            if order.exchange_order_id not in self.hidden_orders
            and status in (None, order.status)
            and (min_us is None or (order.created_us or 0) >= min_us // 1_000_000 * 1_000_000)
        ]

    async def order(self, exchange_order_id: str) -> ExchangeOrder:
        await self._begin("order", exchange_order_id)
        order = self.engine.order(ACCOUNT, exchange_order_id)
        if order is None or exchange_order_id in self.hidden_orders:
            raise NotFound(404, "not_found")
        return self._shown(order)

    async def fills(self, *, min_us: int | None = None, exchange_order_id: str | None = None) -> list[ExchangeFill]:
        await self._begin("fills", exchange_order_id)
        return [
            msgspec.structs.replace(fill, client_order_id=None)
            for fill in reversed(self.engine.fills(ACCOUNT))
            if fill.trade_id not in self.hidden_fills
            and exchange_order_id in (None, fill.exchange_order_id)
            and (min_us is None or fill.created_us >= min_us // 1_000_000 * 1_000_000)
        ]

    async def settlements(self, *, min_us: int | None = None) -> list[ExchangeSettlement]:
        await self._begin("settlements", None)
        return [
            # The list tells whole cents, as the exchange's does.
            msgspec.structs.replace(paid, settlement_cc=paid.settlement_cc // 100 * 100)
            for paid in reversed(self.engine.settlements(ACCOUNT))
            if min_us is None or paid.settled_us >= min_us
        ]

    async def cross_market_netting(self) -> bool:
        await self._begin("cross_market_netting", None)
        return self.netting

    async def aclose(self) -> None:
        """Nothing to close."""

    def _shown(self, order: ExchangeOrder) -> ExchangeOrder:
        return self.stale_orders.get(order.exchange_order_id, order)

    async def _begin(self, call: str, subject: Any) -> None:
        self.calls[call] += 1
        if call in self.before:
            await self.before[call](subject)
        self.advance()
        waiting = self.failures.get(call)
        if waiting:
            raise waiting.popleft()

    def _tell(self, events: Sequence[SimulationEvent]) -> None:
        for event in events:
            text = frame_of(event)
            if text is not None and msgspec.json.decode(text)["type"] not in self.untold:
                for socket in self.sockets:
                    socket.deliver(text)


def _failure(rejected: Rejected) -> Refused:
    kind = {429: RateLimited, 404: NotFound}.get(rejected.status, Refused)
    if rejected.code == "order_already_exists":
        kind = AlreadyExists
    return kind(rejected.status, rejected.code, rejected.detail)


class FakeSocket(Connection):
    """One private connection; it confirms subscriptions and then tells what happens."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange
        self._frames: asyncio.Queue[str | None] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.closed = False

    def deliver(self, text: str) -> None:
        if not self.closed:
            self._frames.put_nowait(text)

    def drop(self) -> None:
        """End the connection, as the exchange does without a word."""
        self.closed = True
        if self in self._exchange.sockets:
            self._exchange.sockets.remove(self)
        self._frames.put_nowait(None)

    async def send(self, text: str) -> None:
        if self.closed:
            raise StreamClosed("closed")
        command = msgspec.json.decode(text)
        self.sent.append(command)
        if command["cmd"] == "subscribe":
            for number, channel in enumerate(command["params"]["channels"], start=1):
                self.deliver(_json(type="subscribed", id=command["id"], msg={"channel": channel, "sid": number}))
        else:
            self.deliver(_json(type="ok", id=command["id"], msg=[]))

    async def receive(self) -> str:
        text = await self._frames.get()
        if text is None:
            raise StreamClosed("reset without a closing handshake")
        return text

    async def close(self) -> None:
        self.closed = True
        if self in self._exchange.sockets:
            self._exchange.sockets.remove(self)


class FakeConnector(Connector):
    """Opens sockets of a fake exchange; ``refuse`` lets the next attempts fail."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange
        self.opened: list[FakeSocket] = []
        self.refuse = 0

    async def connect(self) -> Connection:
        if self.refuse:
            self.refuse -= 1
            raise StreamClosed("HTTP 502")
        socket = FakeSocket(self._exchange)
        self.opened.append(socket)
        self._exchange.sockets.append(socket)
        return socket


# The wire, as the exchange's private channels write it


def frame_of(event: SimulationEvent) -> str | None:
    """Write one event of the engine as the frame of the private socket that tells it; none for public events."""
    match event:
        case Filled(account=account, fill=fill) if account == ACCOUNT:
            return fill_frame(fill)
        case OrderChanged(account=account, order=order) if account == ACCOUNT:
            return order_frame(order)
        case MarketChanged(facts=facts, event_type=event_type):
            told: dict[str, Any] = {"market_ticker": facts.ticker, "event_type": event_type}
            if event_type == "determined" and facts.settlement_cc is not None:
                told["settlement_value"] = format_price(facts.settlement_cc)
                told["result"] = {0: "no", 10_000: "yes"}.get(facts.settlement_cc, "scalar")
            return _json(type="market_lifecycle_v2", sid=3, seq=1, msg=told)
        case _:
            return None


def fill_frame(fill: ExchangeFill) -> str:
    told = {
        "trade_id": fill.trade_id, "order_id": fill.exchange_order_id, "market_ticker": fill.ticker,
        "is_taker": fill.is_taker, "book_side": str(fill.book_side), "count_fp": format_size(fill.size_centi),
        "yes_price_dollars": format_price(fill.price_cc), "fee_cost": format_micros(fill.fee_micros),
        "ts_ms": fill.created_us // 1000, "ts": fill.created_us // 1_000_000,
        "client_order_id": fill.client_order_id or "", "simulation_basis": fill.basis,
    }  # fmt: skip
    return _json(type="fill", sid=1, msg=told)


def order_frame(order: ExchangeOrder) -> str:
    told = {
        "order_id": order.exchange_order_id, "client_order_id": order.client_order_id, "ticker": order.ticker,
        "status": str(order.status), "book_side": str(order.book_side),
        "yes_price_dollars": format_price(order.price_cc), "fill_count_fp": format_size(order.filled_centi),
        "remaining_count_fp": format_size(order.remaining_centi),
        "initial_count_fp": format_size(order.initial_centi), "created_time": _rfc3339(order.created_us or 0),
        "last_update_reason": order.last_update_reason,
    }  # fmt: skip
    return _json(type="user_order", sid=2, msg=told)


def _rfc3339(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{us % 1_000_000:06d}Z"


def _json(**fields: Any) -> str:
    return msgspec.json.encode(fields).decode()
