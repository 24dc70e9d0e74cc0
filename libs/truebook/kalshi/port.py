"""The exchange as Truebook's services see it: two seams, REST and the WebSocket, in our own units.

ExchangeError                 every failure of a call
├── Refused                   a 4xx answer with its code: proof that nothing was done (``code``, ``status``)
│   ├── RateLimited           429: nothing was done; try later
│   ├── AlreadyExists         409 order_already_exists: the client order id was used before, *not* a proof
│   └── NotFound              404: no proof of anything about an order
├── OutcomeUnknown            the request may or may not have been carried out: time-out, reset, 5xx
└── Unreachable               the request certainly never left: connection refused, DNS
BadAnswer                     (an OutcomeUnknown) a 2xx body that does not have the documented shape
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketFacts, MarketStatus
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


class ExchangeError(Exception):
    """A call to the exchange did not give a usable answer."""

    retry = False


class Refused(ExchangeError):
    """The exchange said no (4xx): nothing was done."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(f"HTTP {status} {code}" + (f": {detail}" if detail else ""))
        self.status = status
        self.code = code
        self.detail = detail


class RateLimited(Refused):
    """429: nothing was done, the bucket was empty."""

    retry = True


class AlreadyExists(Refused):
    """409: the client order id was used before. The order may live: look it up."""


class NotFound(Refused):
    """404: of an order this proves nothing (cancelled, executed and unknown look alike)."""


class OutcomeUnknown(ExchangeError):
    """The request may or may not have been carried out."""

    retry = True


class BadAnswer(OutcomeUnknown):
    """A 2xx answer whose body is not of the documented shape."""


class Unreachable(ExchangeError):
    """The request certainly was not sent."""

    retry = True


class ExchangeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the exchange takes orders at all."""

    exchange_active: bool
    trading_active: bool


class RestBook(msgspec.Struct, frozen=True, kw_only=True):
    """A book by REST: (price_cc, size_centi), YES leg, best first."""

    ticker: str
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class SignedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A create-order request that is signed once and never again: body and headers as they will be sent."""

    request: OrderRequest
    body: bytes
    headers: dict[str, str]
    valid_until_us: int
    """Exchange time after which the exchange refuses the signature: a part of the proof of absence."""


class RestClient(Protocol):
    """Kalshi's REST API, as far as Truebook calls it. Lists follow every page."""

    async def status(self) -> ExchangeStatus: ...
    async def data_time_us(self) -> int:
        """The exchange's own time-stamp of the account's data: all that happened before it is visible by REST."""
        ...

    async def exchange_time_us(self) -> int:
        """The exchange's clock now (from the answer's Date or body), for measuring the offset."""
        ...

    async def markets(
        self,
        *,
        status: str | None = None,
        tickers: Sequence[str] = (),
        series: str | None = None,
        multivariate: bool = False,
    ) -> list[MarketFacts]:
        """Markets with their event's and series' facts joined in (cached); combinations only if asked for."""
        ...

    def forget_facts(self) -> None:
        """Read events and series anew at the next need: the exchange told that one has changed."""

    async def market(self, ticker: str) -> MarketFacts: ...
    async def book(self, ticker: str) -> RestBook: ...
    async def balance(self) -> ExchangeBalance: ...
    async def positions(self) -> list[ExchangePosition]: ...
    async def orders(
        self, *, ticker: str | None = None, status: OrderStatus | None = None, min_us: int | None = None
    ) -> list[ExchangeOrder]: ...
    async def order(self, exchange_order_id: str) -> ExchangeOrder: ...
    async def fills(self, *, min_us: int | None = None, exchange_order_id: str | None = None) -> list[ExchangeFill]:
        """Fills, oldest first."""
        ...

    async def settlements(self, *, min_us: int | None = None) -> list[ExchangeSettlement]:
        """Settlements, oldest first."""
        ...

    async def cross_market_netting(self) -> bool:
        """Whether the account nets across markets (Truebook's ledger does not: it refuses to trade then)."""
        ...

    def sign_order(self, request: OrderRequest) -> SignedOrder: ...
    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateAnswer: ...
    async def cancel_order(self, exchange_order_id: str, ticker: str) -> CancelAnswer: ...
    async def cancel_all(self) -> None: ...
    async def aclose(self) -> None: ...


# What the WebSocket tells, decoded. ``seq`` is null where the channel carries none.


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of the exchange's WebSocket in our units; ``received_us`` is local monotonic time."""

    sid: int | None
    seq: int | None
    received_us: int
    sent_us: int | None = None
    """The exchange's clock when it sent the frame (null before October 2026): all earlier frames of ``sid`` are in."""


class Subscribed(StreamEvent, frozen=True, kw_only=True):
    """The exchange confirmed a subscription: one per channel, each with a sid of its own."""

    command_id: int
    channel: str


class CommandOk(StreamEvent, frozen=True, kw_only=True):
    """A command was carried out. It consumes a ``seq`` of its subscription."""

    command_id: int
    tickers: tuple[str, ...]


class Unsubscribed(StreamEvent, frozen=True, kw_only=True):
    """A subscription has ended."""

    command_id: int | None


class StreamError(StreamEvent, frozen=True, kw_only=True):
    """The exchange refused a command (codes: kalshi-api, section 3.7); 10 and 25 end the subscription."""

    command_id: int | None
    code: int
    message: str


class SnapshotFrame(StreamEvent, frozen=True, kw_only=True):
    """The whole book of one market, YES leg, best first."""

    ticker: str
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    exchange_us: int | None


class DeltaFrame(StreamEvent, frozen=True, kw_only=True):
    """A signed change of one level's total, YES leg."""

    ticker: str
    book_side: BookSide
    price_cc: int
    delta_centi: int
    exchange_us: int | None
    client_order_id: str | None = None
    """Told only where an order of this very account caused the change."""


class TradeFrame(StreamEvent, frozen=True, kw_only=True):
    """A public trade."""

    ticker: str
    trade_id: str
    price_cc: int
    size_centi: int
    taker_side: BookSide
    exchange_us: int
    block: bool = False
    """Matched off the book: it says nothing about who was next in the queue."""


class LifecycleFrame(StreamEvent, frozen=True, kw_only=True):
    """A market changed its state; ``event_type`` in the exchange's words (created, determined, settled, ...)."""

    ticker: str
    event_type: str
    close_us: int | None
    settlement_cc: int | None
    status: MarketStatus | None


class FillFrame(StreamEvent, frozen=True, kw_only=True):
    """A fill of the account."""

    fill: ExchangeFill


class OrderFrame(StreamEvent, frozen=True, kw_only=True):
    """An order of the account changed."""

    order: ExchangeOrder


class OtherFrame(StreamEvent, frozen=True, kw_only=True):
    """A known type that Truebook does not use (ticker, market_position, ...), or one that it does not know."""

    type: str
    known: bool


class FrameError(Exception):
    """A frame that can't be read: goes to ``dead_letters`` with its raw text. What could be read of it comes along."""

    def __init__(self, detail: str, sid: int | None = None, seq: int | None = None, ticker: str | None = None) -> None:
        super().__init__(detail)
        self.sid = sid
        self.seq = seq
        self.ticker = ticker


class StreamClosed(ExchangeError):
    """The connection is gone (closed, reset, or silent beyond the limit); reconnect and start anew."""

    retry = True


class StreamRefused(ExchangeError):
    """The upgrade was refused (401, 403): the key is wrong, retrying does not help."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"HTTP {status} {detail}")
        self.status = status


class Connection(Protocol):
    """The smallest WebSocket: the seam that an in-memory twin fills. Text in, text out."""

    async def send(self, text: str) -> None: ...
    async def receive(self) -> str:
        """The next frame's text; raises ``StreamClosed`` when the connection has ended."""
        ...

    async def close(self) -> None: ...


class Connector(Protocol):
    """Opens signed connections."""

    async def connect(self) -> Connection:
        """Open one; raises ``StreamRefused`` or ``StreamClosed``."""
        ...
