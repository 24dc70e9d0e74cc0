"""The ports to the exchange, REST and WebSocket, in Truebook's units.

ExchangeError                 every failure of a call
├── Refused                   a 4xx response with its code: proof that nothing was done (``code``, ``status``)
│   ├── RateLimited           429: nothing was done; retry later
│   ├── AlreadyExists         409: the id of this order or transfer was used before, *no* proof
│   └── NotFound              404: proves nothing about an order
├── OutcomeUnknown            the request may or may not have been executed: timeout, reset, 5xx
│   └── BadResponse           a 2xx body without the documented shape
├── Unreachable               the request was certainly not sent: connection refused, DNS
├── StreamClosed              the WebSocket connection has ended: reconnect
└── StreamRefused             the WebSocket upgrade was refused (401, 403): the key is wrong
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata, MarketStatus, PriceRange
from truebook.venue.account import (
    CancelResponse,
    CashTransfer,
    CreateResponse,
    ExchangeBalance,
    ExchangeFill,
    ExchangeIdentity,
    ExchangeOrder,
    ExchangePosition,
    ExchangeSettlement,
    Listing,
    OrderRequest,
    OrderStatus,
)
from truebook.venue.rate_tiers import BucketLimits
from truebook.venue.shards import DEFAULT_SHARD, ShardStatus, ShardTransfer, TargetAllocation

SHARD_WITHOUT_CASH: Final = "user_not_found"
"""Code of a ``Refused``, whatever its status: the account never had cash on the shard of the order's market. It is no
fault of the key."""


class ExchangeError(Exception):
    """A call to the exchange gave no usable response."""

    retry = False


class Refused(ExchangeError):
    """The exchange refused the request (4xx): nothing was done."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(f"HTTP {status} {code}" + (f": {detail}" if detail else ""))
        self.status = status
        self.code = code
        self.detail = detail


class RateLimited(Refused):
    """429: nothing was done, the rate limit is used up."""

    retry = True


class AlreadyExists(Refused):
    """409: the caller's id was used before. The order may exist: look it up. The transfer was accepted before."""


class NotFound(Refused):
    """404: proves nothing about an order (cancelled, executed and unknown look alike)."""


class OutcomeUnknown(ExchangeError):
    """The request may or may not have been executed."""

    retry = True


class BadResponse(OutcomeUnknown):
    """A 2xx response whose body does not have the documented shape."""


class Unreachable(ExchangeError):
    """The request certainly was not sent."""

    retry = True


class ExchangeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the exchange accepts orders: on its default shard, and on each shard that it states."""

    exchange_active: bool
    trading_active: bool
    transfers_active: bool = False
    """Whether cash can be moved between shards."""
    shards: tuple[ShardStatus, ...] = ()


class RestBook(msgspec.Struct, frozen=True, kw_only=True):
    """A book read by REST: (price_cc, size_centi), YES leg, best first."""

    ticker: str
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class SignedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A create-order request, signed exactly once: body and headers as they will be sent."""

    request: OrderRequest
    body: bytes
    headers: dict[str, str]
    valid_until_us: int
    """Exchange time after which the exchange refuses the signature: part of the proof that no order exists."""


class ListedMarket(msgspec.Struct, frozen=True, kw_only=True):
    """A market as a list states it, without what its event and series add."""

    ticker: str
    event: str
    status: MarketStatus
    close_us: int
    volume_centi: int
    exchange_index: int = 0


class RestClient(Protocol):
    """Kalshi's REST API, as far as Truebook uses it. Lists read every page.

    The account's lists are of the primary subaccount, and state which of their items can't be read.
    """

    async def status(self) -> ExchangeStatus: ...
    async def identity(self) -> ExchangeIdentity: ...

    async def data_time_us(self) -> int:
        """Return the exchange's timestamp of the account's data: all earlier events are visible by REST."""
        ...

    async def exchange_time_us(self) -> int:
        """Return the exchange's clock (from the response's Date or body), to measure the offset."""
        ...

    async def markets(
        self,
        *,
        status: str | None = None,
        tickers: Sequence[str] = (),
        series: str | None = None,
        multivariate: bool = False,
    ) -> list[MarketMetadata]:
        """Return markets joined with their event and series (cached); combinations only with ``multivariate``."""
        ...

    async def open_markets(self, *, series: str | None = None, multivariate: bool = False) -> list[ListedMarket]:
        """Return all open markets: tens of thousands, read at a pace that leaves others their part of the budget."""
        ...

    def clear_metadata_cache(self) -> None:
        """Drop cached events and series: the exchange reported a change."""

    async def market(self, ticker: str) -> MarketMetadata: ...
    async def book(self, ticker: str) -> RestBook: ...
    async def balance(self) -> ExchangeBalance: ...
    async def positions(self) -> Listing[ExchangePosition]: ...
    async def orders(
        self, *, ticker: str | None = None, status: OrderStatus | None = None, min_us: int | None = None
    ) -> Listing[ExchangeOrder]: ...
    async def order(self, exchange_order_id: str) -> ExchangeOrder: ...
    async def fills(self, *, min_us: int | None = None, exchange_order_id: str | None = None) -> Listing[ExchangeFill]:
        """Return fills, oldest first."""
        ...

    async def settlements(self, *, min_us: int | None = None) -> Listing[ExchangeSettlement]:
        """Return settlements, oldest first, each at its exact value."""
        ...

    async def cross_market_netting(self) -> bool:
        """Return whether the account nets across markets: Truebook's ledger does not and refuses to trade then."""
        ...

    async def write_limits(self) -> BucketLimits:
        """Return the bucket of write tokens that the exchange grants the account."""
        ...

    def sign_order(self, request: OrderRequest) -> SignedOrder: ...
    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateResponse: ...
    async def cancel_order(
        self, exchange_order_id: str, ticker: str, exchange_index: int | None = None
    ) -> CancelResponse:
        """Cancel the rest of an order, on the shard of its market unless another one is stated."""
        ...

    async def cancel_all(self) -> None: ...
    async def order_groups(self) -> Mapping[str, int]:
        """Return the limit (in hundredths of a contract) of each of the account's order groups, by the group's id."""
        ...

    async def create_order_group(self, limit_centi: int, exchange_index: int = DEFAULT_SHARD) -> str:
        """Create an order group of one shard that may trade so much within fifteen seconds; return its id."""
        ...

    async def trigger_order_group(self, group_id: str, exchange_index: int = DEFAULT_SHARD) -> None:
        """Cancel all orders of a group; it refuses new ones until it is reset."""
        ...

    async def reset_order_group(self, group_id: str, exchange_index: int = DEFAULT_SHARD) -> None: ...
    async def transfer(self, transfer_id: str, amount_micros: int) -> None:
        """Deposit into, or withdraw (negative) from, the simulated exchange, once by its id.

        Kalshi has no such request: ``NotFound``.
        """
        ...

    async def transfers(self, *, min_us: int) -> list[CashTransfer]:
        """Return the deposits that are in the balance and the withdrawals that were not returned, oldest first.

        Empty at an exchange that lists none.
        """
        ...

    async def transfer_between_shards(
        self, transfer_id: str, from_shard: int, to_shard: int, amount_micros: int
    ) -> str:
        """Move cash once by the caller's id, a UUID; return the exchange's id. It is accepted then, and arrives later.

        After an ``OutcomeUnknown`` the same request with the same id is sent again; ``AlreadyExists`` proves that an
        earlier one was accepted. Kalshi does not document its code for a used id: any other ``Refused`` of a repeated
        request proves nothing, and the transfer is looked for in ``shard_transfers``. ``ValueError`` for an amount that
        is not a positive multiple of 100 micro-dollars, for equal shards, or an id that is no UUID.
        """
        ...

    async def shard_transfers(self) -> Listing[ShardTransfer]:
        """Return the transfers between shards, under the exchange's ids: the caller's are not listed."""
        ...

    async def shard_transfer(self, exchange_transfer_id: str) -> ShardTransfer: ...
    async def target_allocation(self) -> TargetAllocation: ...
    async def set_target_allocation(self, target: TargetAllocation) -> None: ...
    async def aclose(self) -> None: ...


# Decoded WebSocket frames. ``seq`` is None on channels that do not count.


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of the exchange's WebSocket in our units; ``received_us`` is local monotonic time."""

    sid: int | None
    seq: int | None
    received_us: int
    sent_us: int | None = None
    """The exchange's clock when it sent the frame (None before October 2026): earlier frames of ``sid`` came before."""


class Subscribed(StreamEvent, frozen=True, kw_only=True):
    """The exchange confirmed a subscription: one per channel, each with its own sid."""

    command_id: int
    channel: str


class CommandOk(StreamEvent, frozen=True, kw_only=True):
    """A command was executed. The frame uses a ``seq`` of its subscription."""

    command_id: int
    tickers: tuple[str, ...]


class Unsubscribed(StreamEvent, frozen=True, kw_only=True):
    """A subscription has ended."""

    command_id: int | None


class StreamError(StreamEvent, frozen=True, kw_only=True):
    """The exchange refused a command or ended a subscription; codes: ``stream.error_codes``."""

    command_id: int | None
    code: int
    message: str


class SnapshotFrame(StreamEvent, frozen=True, kw_only=True):
    """The whole book of one market, YES leg, best first."""

    ticker: str
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    exchange_us: int | None


class DeltaFrame(StreamEvent, frozen=True, kw_only=True, gc=False):
    """A signed change of one level's total, YES leg."""

    ticker: str
    book_side: BookSide
    price_cc: int
    delta_centi: int
    exchange_us: int | None
    client_order_id: str | None = None
    """Set only if an order of this account caused the change."""


class TradeFrame(StreamEvent, frozen=True, kw_only=True):
    """A public trade."""

    ticker: str
    trade_id: str
    price_cc: int
    size_centi: int
    taker_side: BookSide
    exchange_us: int
    block: bool = False
    """A block trade, matched off the book: it does not affect queue positions."""


class LifecycleFrame(StreamEvent, frozen=True, kw_only=True):
    """A market changed; ``event_type`` is the exchange's (created, determined, settled, ...). None: not stated."""

    ticker: str
    event_type: str
    close_us: int | None
    settlement_cc: int | None
    status: MarketStatus | None
    price_ranges: tuple[PriceRange, ...] | None = None


class FillFrame(StreamEvent, frozen=True, kw_only=True):
    """A fill of the account."""

    fill: ExchangeFill


class OrderFrame(StreamEvent, frozen=True, kw_only=True):
    """An order of the account changed."""

    order: ExchangeOrder


class OtherFrame(StreamEvent, frozen=True, kw_only=True):
    """A frame of a type that Truebook does not use (ticker, market_position, ...) or does not know."""

    type: str
    known: bool


class FrameError(Exception):
    """A frame can't be parsed; it becomes a dead letter. Fields that could be parsed are kept."""

    def __init__(self, detail: str, sid: int | None = None, seq: int | None = None, ticker: str | None = None) -> None:
        super().__init__(detail)
        self.sid = sid
        self.seq = seq
        self.ticker = ticker


class StreamClosed(ExchangeError):
    """The connection has ended (closed, reset, or silent beyond the limit): reconnect and resubscribe."""

    retry = True


class StreamRefused(ExchangeError):
    """The upgrade was refused (401, 403): the key is wrong, a retry does not help."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"HTTP {status} {detail}")
        self.status = status


class Connection(Protocol):
    """A minimal WebSocket, so that tests can replace it in memory. Text in, text out."""

    async def send(self, text: str) -> None: ...
    async def receive(self) -> str:
        """Return the next frame's text; raises ``StreamClosed`` when the connection has ended."""
        ...

    async def close(self) -> None: ...


class Connector(Protocol):
    """Opens signed connections."""

    async def connect(self) -> Connection:
        """Open a connection; raises ``StreamRefused`` or ``StreamClosed``."""
        ...
