"""Records what one client does on a simulated exchange of this process, for ``simulation.conduct``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from truebook.messages.envelope import BookSide
from truebook.money import format_size, no_price
from truebook.simulation.conduct.records import (
    Account,
    RequestKind,
    SeenFault,
    SeenRequest,
    SeenSocket,
    SentOrder,
    SocketEvent,
)
from truebook.venue.account import OrderStatus
from truebook_services.paper_exchange.faults import Injected
from truebook_services.paper_exchange.rest.requests import ServedRequest
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.stream.session import StreamSession
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel

MAX_REQUESTS: Final = 500_000
LATELY_US: Final = 10_000_000
"""How old what a client believes may be: it reads, and the exchange's lists may lag."""
BELIEF: Final = "truebook-certify "
"""Begin of a line by which a client states what it believes, before its JSON."""
_KINDS: Final = {
    "CreateOrderV2": RequestKind.CREATE, "BatchCreateOrdersV2": RequestKind.CREATE,
    "CancelOrderV2": RequestKind.CANCEL, "BatchCancelOrdersV2": RequestKind.CANCEL,
    "CancelAllOrders": RequestKind.CANCEL, "AmendOrderV2": RequestKind.CHANGE, "DecreaseOrderV2": RequestKind.CHANGE,
    "GetOrders": RequestKind.LOOK, "GetOrder": RequestKind.LOOK, "GetFills": RequestKind.LOOK,
    "GetPositions": RequestKind.LOOK,
}  # fmt: skip
_ORDER_ID: Final = re.compile(r"/orders/([^/?]+)")
_PRIVATE: Final = (StreamChannel.FILL, StreamChannel.USER_ORDERS)


class Belief(msgspec.Struct, frozen=True):
    """What a client states: signed positions (YES above 0) by ticker, and exchange ids of its resting orders."""

    positions: dict[str, str] | None = None
    orders: list[str] | None = None


class Witness:
    """The records of one exchange; give it to an exchange that has started."""

    def __init__(self, exchange: PaperExchange, account: str) -> None:
        self.requests: list[SeenRequest] = []
        self.sockets: list[SeenSocket] = []
        self.faults: list[SeenFault] = []
        self.unrecorded = 0
        """Requests beyond ``MAX_REQUESTS``."""
        self.belief = Belief()
        self._held: dict[str, tuple[str, ...]] = {}
        self._omitted: tuple[str, ...] | None = None
        self._exchange = exchange
        self._account = account
        exchange.state.observer = self._served
        exchange.hub.observer = self._socket
        exchange.state.faults.on_injected = self._injected

    def read(self, line: str) -> None:
        """Take a line of the client's output, or of its file; only those with a belief count."""
        text = line.removeprefix(BELIEF).strip() if line.startswith(BELIEF) else line.strip()
        if not text.startswith("{"):
            return
        try:
            self.belief = msgspec.json.decode(text, type=Belief)
        except msgspec.MsgspecError:
            return
        self._held = {
            ticker: tuple(format_size(size_centi) for size_centi in sizes)
            for ticker, sizes in self._held_lately().items()
        }
        self._omitted = self._not_among(self.belief.orders)

    def _not_among(self, stated: Sequence[str] | None) -> tuple[str, ...] | None:
        """Return the orders that have rested for some seconds and are not stated; None without a statement."""
        if stated is None:
            return None
        resting = self._exchange.state.engine.queries.orders(self._account, status=OrderStatus.RESTING)
        until_us = self._exchange.now_us() - LATELY_US
        known = set(stated)
        return tuple(
            one.exchange_order_id
            for one in resting
            if (one.created_us or 0) <= until_us and one.exchange_order_id not in known
        )

    def _held_lately(self) -> dict[str, list[int]]:
        """Return the positions of the last seconds by market, oldest first: the present ones less the newest fills."""
        queries, now_us = self._exchange.state.engine.queries, self._exchange.now_us()
        held = {one.ticker: [one.position_centi] for one in queries.positions(self._account)}
        for fill in queries.fills(self._account, since_us=now_us - LATELY_US):
            sizes = held.setdefault(fill.ticker, [0])
            sizes.insert(0, sizes[0] - (fill.size_centi if fill.book_side is BookSide.BID else -fill.size_centi))
        for settled in queries.settlements(self._account):
            if settled.settled_us >= now_us - LATELY_US:
                held.setdefault(settled.ticker, [0]).insert(0, settled.yes_centi - settled.no_centi)
        return held

    def account(self, opening_micros: int) -> Account:
        """Return the account as it is now."""
        queries = self._exchange.state.engine.queries
        positions = {one.ticker: one.position_centi for one in queries.positions(self._account)}
        cash_micros = queries.balance(self._account).balance_micros + queries.held_micros(self._account)
        worth_micros = [self._worth_micros(*held) for held in positions.items()]
        resting = queries.orders(self._account, status=OrderStatus.RESTING)
        return Account(
            opening_micros=opening_micros,
            equity_micros=_sum([cash_micros, *worth_micros]),
            positions={ticker: format_size(size_centi) for ticker, size_centi in sorted(positions.items())},
            resting=tuple(one.exchange_order_id for one in resting),
            believed_positions=self.belief.positions,
            held_lately=self._held,
            omitted=self._omitted,
        )

    def _worth_micros(self, ticker: str, size_centi: int) -> int | None:
        """Return what a position could be sold for; None if its book has no level to sell to."""
        if not size_centi:
            return 0
        best = self._exchange.state.engine.queries.book(ticker).best(BookSide.BID if size_centi > 0 else BookSide.ASK)
        if best is None:
            return None
        return abs(size_centi) * (best[0] if size_centi > 0 else no_price(best[0]))

    def _served(self, seen: ServedRequest) -> None:
        if seen.account != self._account:
            return
        if len(self.requests) >= MAX_REQUESTS:
            self.unrecorded += 1
            return
        kind = _KINDS.get(seen.operation, RequestKind.OTHER)
        body = _object(seen.body)
        named = _ORDER_ID.findall(seen.target) + _texts(body, "order_id")
        self.requests.append(
            SeenRequest(
                at_us=seen.received_us,
                responded_us=seen.responded_us,
                kind=kind,
                target=f"{seen.method} {seen.target.partition('?')[0]}",
                status=seen.status,
                faults=seen.faults,
                orders=_orders(body) if kind is RequestKind.CREATE else (),
                order_ids=tuple(_texts(seen.result, "order_id") if kind is RequestKind.CREATE else named),
                error=_error(seen.result),
            )
        )

    def _socket(self, session: StreamSession, event: SocketEvent) -> None:
        if session.account != self._account:
            return
        private = any(session.subscriptions.of(channel) is not None for channel in _PRIVATE)
        self.sockets.append(SeenSocket(at_us=self._exchange.now_us(), event=event, private=private))

    def _injected(self, injected: Injected) -> None:
        self.faults.append(SeenFault(at_us=injected.at_us, kind=injected.kind, subject=injected.subject))


def _sum(amounts: Sequence[int | None]) -> int | None:
    """Return the sum; None if an amount is unknown."""
    known = [one for one in amounts if one is not None]
    return sum(known) if len(known) == len(amounts) else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any]) if body else {}
    except msgspec.MsgspecError:
        return {}


def _items(body: Any) -> list[dict[str, Any]]:
    """Return the orders of a body: those of its list, or itself."""
    if not isinstance(body, dict):
        return []
    listed = body.get("orders")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else [body]


def _texts(body: Any, name: str) -> list[str]:
    return [one[name] for one in _items(body) if isinstance(one.get(name), str) and "error" not in one]


def _orders(body: dict[str, Any]) -> tuple[SentOrder, ...]:
    return tuple(
        SentOrder(
            ticker=str(one.get("ticker")), side=str(one.get("side")), price=str(one.get("price")),
            count=str(one.get("count")), client_order_id=str(one.get("client_order_id") or ""),
        )
        for one in _items(body)
    )  # fmt: skip


def _error(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return str(error.get("code", ""))
    return error if isinstance(error, str) else ""
