"""The REST client's port directly onto a simulated exchange, without HTTP and without faults.

It passes the contract suite in ``exchange_contract``. Subclasses add faults by overriding three methods: ``_read`` and
``_write`` run a call, ``_shown`` returns what reads show. Writes reach the exchange through ``_submit``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from truebook.clock import Clock
from truebook.kalshi.port import (
    SHARD_WITHOUT_CASH,
    AlreadyExists,
    ExchangeStatus,
    ListedMarket,
    NotFound,
    RateLimited,
    Refused,
    RestBook,
    RestClient,
    SignedOrder,
)
from truebook.kalshi.wire import shards as wire_shards
from truebook.kalshi.wire import translate
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.simulation.venue.accounts import CashMove
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.simulation.venue.order_groups import GroupChange
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.shard_plan import Route
from truebook.venue.account import (
    CancelResponse,
    CashTransfer,
    CreateResponse,
    ExchangeBalance,
    ExchangeFill,
    ExchangeIdentity,
    ExchangeOrder,
    ExchangeOrderGroup,
    ExchangePosition,
    ExchangeSettlement,
    Listing,
    OrderRequest,
    OrderStatus,
    UnreadableItem,
)
from truebook.venue.rate_tiers import CANCEL_COST, DEFAULT_COST, TIER_LIMITS, BucketLimits, Tier
from truebook.venue.shards import DEFAULT_SHARD, ShardTransfer, TargetAllocation
from truebook_services.paper_exchange.engine.commands import (
    CancelAllOrders,
    CancelOrder,
    ChangeGroup,
    Command,
    CreateGroup,
    MoveCash,
    PlaceOrder,
    SetAllocation,
    TransferCash,
)
from truebook_services.paper_exchange.rest.request_bodies import read_create, read_object

SIGNATURE_LIFE_US = 15_000_000
CANCEL_TIMEOUT_S = 5.0
T = TypeVar("T")


class Shown(StrEnum):
    """What reads show; lists are newest first."""

    STATUS = "status"
    DATA_TIME_US = "data_time_us"
    EXCHANGE_TIME_US = "exchange_time_us"
    MARKETS = "markets"
    ORDERS = "orders"
    FILLS = "fills"
    SETTLEMENTS = "settlements"
    TRANSFERS = "transfers"
    POSITIONS = "positions"
    BALANCE = "balance"
    NETTING = "netting"
    ORDER_GROUPS = "order_groups"
    SHARD_TRANSFERS = "shard_transfers"


class InMemoryRest(RestClient):
    """One account's client. ``clock`` is the client's; ``exchange_now_us`` returns the exchange's time."""

    def __init__(
        self, engine: SimulatedExchange, account: str, clock: Clock, exchange_now_us: Callable[[], int]
    ) -> None:  # fmt: skip
        self._queries = engine.queries
        self._groups = engine.groups
        self.transfer_delay_us = 0
        """From the acceptance of a transfer between shards to its arrival."""
        self._account = account
        self._clock = clock
        self._exchange_now_us = exchange_now_us
        self.tier: Tier = "prestige"
        self.exchange_id = f"simulated in memory, account {account}"
        self.key_id = ""

    # Overridden by subclasses.

    async def _read(self, call: str, subject: Any, read: Callable[[], T]) -> T:
        """Run the read ``call`` of ``subject``."""
        return read()

    async def _write(self, call: str, subject: Any, execute: Callable[[], Awaitable[T]], timeout_s: float) -> T:
        """Run the write ``call``: ``execute`` is what the request does once it has arrived."""
        return await execute()

    async def _submit(self, command: Command, cost: int) -> Any:
        """Execute a command that costs ``cost`` tokens; the result may be ``Rejected``."""
        raise NotImplementedError

    def _shown(self, what: Shown) -> Any:
        queries, account = self._queries, self._account
        match what:
            case Shown.STATUS:
                shards = queries.shard_statuses()
                return ExchangeStatus(
                    exchange_active=shards[0].exchange_active, trading_active=shards[0].trading_active,
                    transfers_active=shards[0].transfers_active, shards=shards,
                )  # fmt: skip
            case Shown.DATA_TIME_US | Shown.EXCHANGE_TIME_US:
                return self._exchange_now_us()
            case Shown.MARKETS:
                return queries.markets()
            case Shown.NETTING:
                return False
            case Shown.ORDER_GROUPS:
                return self._groups.of_account(account)
            case _:
                return getattr(queries, what)(account)

    def _unreadable(self, what: Shown) -> Sequence[UnreadableItem]:
        """Return the items of a list that can't be read."""
        return ()

    def _listing(self, what: Shown, items: Iterable[T]) -> Listing[T]:
        return Listing(items, self._unreadable(what))

    # Writes

    def sign_order(self, request: OrderRequest) -> SignedOrder:
        until_us = self._clock.now_us() + SIGNATURE_LIFE_US
        return SignedOrder(request=request, body=translate.write_order(request), headers={}, valid_until_us=until_us)

    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateResponse:
        async def execute() -> CreateResponse:
            if self._exchange_now_us() > order.valid_until_us:
                raise Refused(401, "header_timestamp_expired")
            request = read_create(read_object(order.body), order.request.client_order_id)
            return _accepted(await self._submit(PlaceOrder(self._account, request), DEFAULT_COST), CreateResponse)

        return await self._write("create_order", order.request, execute, timeout_s)

    async def cancel_order(
        self, exchange_order_id: str, ticker: str, exchange_index: int | None = None
    ) -> CancelResponse:
        async def execute() -> CancelResponse:
            command = CancelOrder(self._account, exchange_order_id, Route(exchange_index, ticker))
            return _accepted(await self._submit(command, CANCEL_COST), CancelResponse)

        return await self._write("cancel_order", exchange_order_id, execute, CANCEL_TIMEOUT_S)

    async def cancel_all(self) -> None:
        async def execute() -> None:
            await self._submit(CancelAllOrders(self._account), DEFAULT_COST)

        await self._write("cancel_all", None, execute, CANCEL_TIMEOUT_S)

    async def order_groups(self) -> Mapping[str, int]:
        return await self._read("order_groups", None, lambda: {
            group.group_id: group.limit_centi for group in self._shown(Shown.ORDER_GROUPS)
        })  # fmt: skip

    async def create_order_group(self, limit_centi: int, exchange_index: int = DEFAULT_SHARD) -> str:
        async def execute() -> str:
            created = await self._submit(CreateGroup(self._account, limit_centi, exchange_index), DEFAULT_COST)
            return _accepted(created, ExchangeOrderGroup).group_id

        return await self._write("create_order_group", limit_centi, execute, CANCEL_TIMEOUT_S)

    async def trigger_order_group(self, group_id: str, exchange_index: int = DEFAULT_SHARD) -> None:
        await self._change_group("trigger_order_group", group_id, GroupChange.TRIGGER, exchange_index)

    async def reset_order_group(self, group_id: str, exchange_index: int = DEFAULT_SHARD) -> None:
        await self._change_group("reset_order_group", group_id, GroupChange.RESET, exchange_index)

    async def _change_group(self, call: str, group_id: str, change: GroupChange, shard: int) -> None:
        async def execute() -> None:
            command = ChangeGroup(self._account, group_id, change, exchange_index=shard)
            _accepted(await self._submit(command, DEFAULT_COST), ExchangeOrderGroup)

        await self._write(call, group_id, execute, CANCEL_TIMEOUT_S)

    async def transfer(self, transfer_id: str, amount_micros: int) -> None:
        async def execute() -> None:
            result = await self._submit(TransferCash(self._account, transfer_id, amount_micros), DEFAULT_COST)
            if isinstance(result, Rejected):
                raise Refused(result.status, result.code, result.detail)

        await self._write("transfer", transfer_id, execute, CANCEL_TIMEOUT_S)

    async def transfer_between_shards(
        self, transfer_id: str, from_shard: int, to_shard: int, amount_micros: int
    ) -> str:
        wire_shards.write_transfer(transfer_id, from_shard, to_shard, amount_micros)  # raises as the client does
        move = CashMove(
            from_shard=from_shard, to_shard=to_shard, amount_micros=amount_micros, delay_us=self.transfer_delay_us,
            client_transfer_id=transfer_id,
        )  # fmt: skip

        async def execute() -> str:
            moved = _accepted(await self._submit(MoveCash(self._account, move), DEFAULT_COST), ShardTransfer)
            return moved.exchange_transfer_id

        return await self._write("transfer_between_shards", move, execute, CANCEL_TIMEOUT_S)

    async def set_target_allocation(self, target: TargetAllocation) -> None:
        async def execute() -> None:
            command = SetAllocation(self._account, target, self.transfer_delay_us)
            _accepted(await self._submit(command, DEFAULT_COST), TargetAllocation)

        await self._write("set_target_allocation", target, execute, CANCEL_TIMEOUT_S)

    # Reads

    async def shard_transfers(self) -> Listing[ShardTransfer]:
        return await self._read("shard_transfers", None, lambda: self._listing(
            Shown.SHARD_TRANSFERS, self._shown(Shown.SHARD_TRANSFERS)
        ))  # fmt: skip

    async def shard_transfer(self, exchange_transfer_id: str) -> ShardTransfer:
        return await self._read("shard_transfer", exchange_transfer_id, lambda: _found(next((
            one for one in self._shown(Shown.SHARD_TRANSFERS) if one.exchange_transfer_id == exchange_transfer_id
        ), None)))  # fmt: skip

    async def target_allocation(self) -> TargetAllocation:
        return await self._read("target_allocation", None, lambda: self._queries.allocation(self._account))

    async def status(self) -> ExchangeStatus:
        return await self._read("status", None, lambda: self._shown(Shown.STATUS))

    async def identity(self) -> ExchangeIdentity:
        return ExchangeIdentity(exchange=self.exchange_id, key_id=self.key_id)

    async def transfers(self, *, min_us: int) -> list[CashTransfer]:
        return await self._read("transfers", min_us, lambda: [
            transfer for transfer in reversed(self._shown(Shown.TRANSFERS)) if transfer.at_us >= min_us
        ])  # fmt: skip

    async def data_time_us(self) -> int:
        return await self._read("data_time_us", None, lambda: self._shown(Shown.DATA_TIME_US))

    async def exchange_time_us(self) -> int:
        return await self._read("exchange_time_us", None, lambda: self._shown(Shown.EXCHANGE_TIME_US))

    async def markets(
        self,
        *,
        status: str | None = None,
        tickers: Sequence[str] = (),
        series: str | None = None,
        multivariate: bool = False,
    ) -> list[MarketMetadata]:
        return await self._read("markets", (status, tuple(tickers), series), lambda: [
            market for market in self._shown(Shown.MARKETS)
            if (not tickers or market.ticker in tickers)
            and series in (None, market.series)
            and (status != "open" or market.status is MarketStatus.ACTIVE)
        ])  # fmt: skip

    async def open_markets(self, *, series: str | None = None, multivariate: bool = False) -> list[ListedMarket]:
        return [
            ListedMarket(
                ticker=each.ticker, event=each.event, status=each.status, close_us=each.close_us,
                volume_centi=each.volume_centi, exchange_index=each.exchange_index,
            )
            for each in await self.markets(status="open", series=series, multivariate=multivariate)
        ]  # fmt: skip

    def clear_metadata_cache(self) -> None:
        """Nothing is cached here."""

    async def market(self, ticker: str) -> MarketMetadata:
        return await self._read("market", ticker, lambda: self._market(ticker))

    async def book(self, ticker: str) -> RestBook:
        def read() -> RestBook:
            self._market(ticker)
            book = self._queries.book(ticker)
            bids, asks = tuple(book.levels(BookSide.BID)), tuple(book.levels(BookSide.ASK))
            return RestBook(ticker=ticker, bids=bids, asks=asks)

        return await self._read("book", ticker, read)

    async def balance(self) -> ExchangeBalance:
        def read() -> ExchangeBalance:
            held: ExchangeBalance = self._shown(Shown.BALANCE)
            by_shard = tuple(
                msgspec.structs.replace(one, balance_micros=one.balance_micros // 100 * 100) for one in held.by_shard
            )
            return msgspec.structs.replace(held, balance_micros=held.balance_micros // 100 * 100, by_shard=by_shard)

        return await self._read("balance", None, read)

    async def positions(self) -> Listing[ExchangePosition]:
        return await self._read("positions", None, lambda: self._listing(
            Shown.POSITIONS, (one for one in self._shown(Shown.POSITIONS) if one.position_centi)
        ))  # fmt: skip

    async def orders(
        self, *, ticker: str | None = None, status: OrderStatus | None = None, min_us: int | None = None
    ) -> Listing[ExchangeOrder]:
        return await self._read("orders", ticker, lambda: self._listing(Shown.ORDERS, (
            one for one in self._shown(Shown.ORDERS)
            if ticker in (None, one.ticker) and status in (None, one.status) and _since(one.created_us or 0, min_us)
        )))  # fmt: skip

    async def order(self, exchange_order_id: str) -> ExchangeOrder:
        return await self._read("order", exchange_order_id, lambda: _found(next(
            (one for one in self._shown(Shown.ORDERS) if one.exchange_order_id == exchange_order_id), None
        )))  # fmt: skip

    async def fills(self, *, min_us: int | None = None, exchange_order_id: str | None = None) -> Listing[ExchangeFill]:
        return await self._read("fills", exchange_order_id, lambda: self._listing(Shown.FILLS, (
            msgspec.structs.replace(one, client_order_id=None) for one in reversed(self._shown(Shown.FILLS))
            if exchange_order_id in (None, one.exchange_order_id) and _since(one.created_us, min_us)
        )))  # fmt: skip

    async def settlements(self, *, min_us: int | None = None) -> Listing[ExchangeSettlement]:
        return await self._read("settlements", None, lambda: self._listing(Shown.SETTLEMENTS, (
            # Revenue in whole cents, as in the exchange's list.
            msgspec.structs.replace(one, revenue_micros=one.revenue_micros // 10_000 * 10_000)
            for one in reversed(self._shown(Shown.SETTLEMENTS)) if _since(one.settled_us, min_us)
        )))  # fmt: skip

    async def cross_market_netting(self) -> bool:
        return await self._read("cross_market_netting", None, lambda: self._shown(Shown.NETTING))

    async def write_limits(self) -> BucketLimits:
        return await self._read("write_limits", None, lambda: TIER_LIMITS[self.tier].write)

    async def aclose(self) -> None:
        """Nothing to close."""

    def _market(self, ticker: str) -> MarketMetadata:
        shown: Iterable[MarketMetadata] = self._shown(Shown.MARKETS)
        return _found(next((one for one in shown if one.ticker == ticker), None))


def _accepted(result: Any, kind: type[T]) -> T:
    if isinstance(result, Rejected):
        error: type[Refused] = {429: RateLimited, 404: NotFound}.get(result.status, Refused)
        if result.code in ("order_already_exists", "transfer_already_exists"):
            error = AlreadyExists
        elif result.code == SHARD_WITHOUT_CASH:
            error = Refused
        raise error(result.status, result.code, result.detail)
    assert isinstance(result, kind), result
    return result


def _found(shown: T | None) -> T:
    if shown is None:
        raise NotFound(404, "not_found")
    return shown


def _since(at_us: int, min_us: int | None) -> bool:
    """Apply the filter in whole seconds, one second wider than requested, as ``HttpRestClient`` does."""
    return min_us is None or at_us >= (min_us // 1_000_000 - 1) * 1_000_000
