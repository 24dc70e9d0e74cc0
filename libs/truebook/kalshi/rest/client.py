"""Kalshi's REST API behind ``kalshi.port.RestClient``: endpoints and their bodies; ``Calls`` sends the requests.

Lists read every page; reads are retried where that may help, writes are sent at most once. Market data needs no
signature, but a signed read is accepted everywhere, so every request is signed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import httpx
import msgspec
from cachetools import FIFOCache

from truebook.clock import MICROS, Clock
from truebook.kalshi.port import BadResponse, ExchangeStatus, ListedMarket, NotFound, RestBook, RestClient, SignedOrder
from truebook.kalshi.rest.calls import Calls, Dated
from truebook.kalshi.rest.errors import bad_response, translated
from truebook.kalshi.rest.items import ItemReader
from truebook.kalshi.rest.market_metadata import MetadataJoiner
from truebook.kalshi.rest.pace import ReadPace
from truebook.kalshi.rest.shards import ShardCalls
from truebook.kalshi.signing import Signer
from truebook.kalshi.wire import rest_bodies, shards, times, translate
from truebook.messages.market_metadata import MarketMetadata
from truebook.money import WireFormatError, format_micros, format_size
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
    UnreadableItem,
)
from truebook.venue.rate_tiers import BucketLimits
from truebook.venue.shards import DEFAULT_SHARD, ShardTransfer, TargetAllocation

ORDERS: Final = "/portfolio/events/orders"
PRIMARY: Final[dict[str, str | int]] = {"subaccount": 0}
"""Filter of the account's lists: the primary subaccount, whose orders we send."""
ORDER_GROUPS: Final = "/portfolio/order_groups"
TRANSFERS: Final = "/portfolio/simulated_transfers"
TRANSFERS_PER_PAGE: Final = 500
TICKERS_PER_CALL: Final = 100
CANCEL_TIMEOUT_S: Final = 5.0
MAX_SETTLED: Final = 1_000


class HttpRestClient(RestClient):
    """REST at ``base_url`` ('http://127.0.0.1:18080/trade-api/v2'); production and unknown hosts are refused.

    ``transport`` replaces the network (tests, simulation). ``signature_life_s`` is how long the exchange accepts a
    signature: 15 s at the simulated exchange; at Kalshi more than 5 s and less than 30 s, so 30 is the safe bound
    there. ``read_attempts`` 1 turns off retries, which wait in real time.
    """

    def __init__(
        self,
        base_url: str,
        signer: Signer,
        clock: Clock,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        signature_life_s: float = 15,
        read_timeout_s: float = 5.0,
        read_attempts: int = 3,
    ) -> None:
        self._clock = clock
        self._signature_life_us = int(signature_life_s * MICROS)
        self._calls = Calls(
            base_url, signer, clock,
            transport=transport, read_timeout_s=read_timeout_s, read_attempts=read_attempts,
        )  # fmt: skip
        self._pace = ReadPace(clock)
        self._metadata = MetadataJoiner(self._calls, clock, self._pace)
        self._items = ItemReader()
        self._shards = ShardCalls(self._calls, self._items)
        self._settled: FIFOCache[str, int] = FIFOCache(MAX_SETTLED)
        """Exact values of settled markets that are not binary."""

    async def status(self) -> ExchangeStatus:
        body = await self._calls.read("/exchange/status", rest_bodies.StatusBody)
        return shards.status(body)

    async def identity(self) -> ExchangeIdentity:
        body = await self._calls.read("/exchange/status", rest_bodies.StatusBody)
        if body.simulated_exchange_id:
            return ExchangeIdentity(exchange=f"simulated {body.simulated_exchange_id}")
        return self._calls.account

    async def data_time_us(self) -> int:
        body = await self._calls.read("/exchange/user_data_timestamp", rest_bodies.UserDataTimestamp)
        return translated(times.from_rfc3339, body.as_of_time, "GET /exchange/user_data_timestamp")

    async def exchange_time_us(self) -> int:
        """Return the exchange's clock. Precision: see ``estimate_exchange_us``, plus half a round trip."""
        body, dated = await self._calls.read_dated("/exchange/user_data_timestamp", rest_bodies.UserDataTimestamp)
        as_of_us = translated(times.from_rfc3339, body.as_of_time, "GET /exchange/user_data_timestamp")
        return estimate_exchange_us(as_of_us, dated)

    async def markets(
        self,
        *,
        status: str | None = None,
        tickers: Sequence[str] = (),
        series: str | None = None,
        multivariate: bool = False,
    ) -> list[MarketMetadata]:
        """Return markets by the exchange's filters (``status`` 'open', 'closed', ...).

        Markets that can't be parsed are omitted; raises ``BadResponse`` if that is all of them.
        """
        query: dict[str, str | int] = {}
        if status is not None:
            query["status"] = status
        if series is not None:
            query["series_ticker"] = series
        if not tickers and not multivariate:
            query["mve_filter"] = "exclude"
        found: list[msgspec.Raw] = []
        for start in range(0, max(len(tickers), 1), TICKERS_PER_CALL):
            some = {"tickers": ",".join(tickers[start : start + TICKERS_PER_CALL])} if tickers else {}
            found += await self._calls.pages(
                "/markets", rest_bodies.MarketsPage, {**query, **some}, lambda page: page.markets, self._pace
            )
        return await _joined(self._metadata.join_readable(found), "GET /markets")

    async def open_markets(self, *, series: str | None = None, multivariate: bool = False) -> list[ListedMarket]:
        query = {"status": "open"} | ({} if series is None else {"series_ticker": series})
        found = await self._calls.pages(
            "/markets", rest_bodies.MarketsPage, query | ({} if multivariate else {"mve_filter": "exclude"}),
            lambda page: self._metadata.list_readable(page.markets), self._pace,
        )  # fmt: skip
        self._metadata.listed_all(found)
        return found

    async def market(self, ticker: str) -> MarketMetadata:
        path = f"/markets/{quote(ticker, safe='')}"
        body = await self._calls.read(path, rest_bodies.MarketResponse)
        return (await _joined(self._metadata.join([body.market]), f"GET {path}"))[0]

    def clear_metadata_cache(self) -> None:
        """Drop cached events and series: after an ``event_fee_update`` frame."""
        self._metadata.clear()

    async def book(self, ticker: str) -> RestBook:
        path = f"/markets/{quote(ticker, safe='')}/orderbook"
        body = await self._calls.read(path, rest_bodies.BookResponse)
        bids, asks = translated(translate.book, body, f"GET {path}")
        return RestBook(ticker=ticker, bids=bids, asks=asks)

    async def balance(self) -> ExchangeBalance:
        body = await self._calls.read("/portfolio/balance", rest_bodies.BalanceBody, PRIMARY)
        return translated(translate.balance, body, "GET /portfolio/balance")

    async def positions(self) -> Listing[ExchangePosition]:
        """Return every non-zero position."""
        body = await self._calls.pages(
            "/portfolio/positions",
            rest_bodies.PositionsPage,
            {"count_filter": "position", **PRIMARY},
            lambda page: page.market_positions,
        )
        return self._items.read(body, rest_bodies.PositionBody, translate.position, "GET /portfolio/positions")

    async def orders(
        self, *, ticker: str | None = None, status: OrderStatus | None = None, min_us: int | None = None
    ) -> Listing[ExchangeOrder]:
        """Return orders, newest first; ``min_us`` bounds their creation, widened to whole seconds."""
        query = PRIMARY | _since(min_us)
        if ticker is not None:
            query["ticker"] = ticker
        if status is not None:
            query["status"] = status.value
        body = await self._calls.pages("/portfolio/orders", rest_bodies.OrdersPage, query, lambda page: page.orders)
        return self._items.read(body, rest_bodies.OrderBody, translate.order, "GET /portfolio/orders")

    async def order(self, exchange_order_id: str) -> ExchangeOrder:
        path = f"/portfolio/orders/{quote(exchange_order_id, safe='')}"
        body = await self._calls.read(path, rest_bodies.OrderResponse)
        return translated(translate.order, body.order, f"GET {path}")

    async def fills(self, *, min_us: int | None = None, exchange_order_id: str | None = None) -> Listing[ExchangeFill]:
        query = PRIMARY | _since(min_us)
        if exchange_order_id is not None:
            query["order_id"] = exchange_order_id
        body = await self._calls.pages("/portfolio/fills", rest_bodies.FillsPage, query, lambda page: page.fills)
        fills = self._items.read(body[::-1], rest_bodies.FillBody, translate.fill, "GET /portfolio/fills")
        return Listing(sorted(fills, key=lambda fill: fill.created_us), fills.unreadable)

    async def settlements(self, *, min_us: int | None = None) -> Listing[ExchangeSettlement]:
        what = "GET /portfolio/settlements"
        raw = await self._calls.pages(
            "/portfolio/settlements", rest_bodies.SettlementsPage, PRIMARY | _since(min_us),
            lambda page: page.settlements,
        )  # fmt: skip
        bodies = self._items.read(raw[::-1], rest_bodies.SettlementBody, lambda body: body, what)
        settlements, unreadable = [], list(bodies.unreadable)
        for body in bodies:
            try:
                settlements.append(await self._settlement(body))
            except BadResponse as error:  # a void without a value
                self._items.log_once(msgspec.json.encode(body), what, str(error))
                unreadable.append(
                    UnreadableItem(ticker=body.ticker, client_order_id="", exchange_order_id="", why=str(error))
                )
        return Listing(sorted(settlements, key=lambda settlement: settlement.settled_us), unreadable)

    async def cross_market_netting(self) -> bool:
        """True when any subaccount nets across markets; an exchange without the endpoint does not."""
        try:
            body = await self._calls.read("/portfolio/subaccounts/netting", rest_bodies.NettingResponse)
        except NotFound:
            return False
        return any(config.enabled for config in body.netting_configs or ())

    async def account_limits(self) -> rest_bodies.AccountLimits:
        """The account's rate limits, in tokens, as the exchange states them."""
        return await self._calls.read("/account/limits", rest_bodies.AccountLimits)

    async def write_limits(self) -> BucketLimits:
        write = (await self.account_limits()).write
        if write.bucket_capacity < 1 or write.refill_rate < 1:
            raise BadResponse(f"GET /account/limits: no tokens for writes, {write}")
        return BucketLimits(refill_per_s=write.refill_rate, capacity=write.bucket_capacity)

    def sign_order(self, request: OrderRequest) -> SignedOrder:
        """Write and sign a create-order request. Raises ``ValueError`` for an invalid order."""
        body = translate.write_order(request)
        now_us = self._clock.now_us()
        headers = {"Content-Type": "application/json", **self._calls.sign("POST", ORDERS)}
        return SignedOrder(request=request, body=body, headers=headers, valid_until_us=now_us + self._signature_life_us)

    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateResponse:
        body = await self._calls.write(
            "POST", ORDERS, rest_bodies.Created, timeout_s=timeout_s, body=order.body, headers=order.headers
        )
        client_order_id = order.request.client_order_id
        return translated(lambda one: translate.created(one, client_order_id), body, f"POST {ORDERS}")

    async def cancel_order(
        self, exchange_order_id: str, ticker: str, exchange_index: int | None = None
    ) -> CancelResponse:
        """Cancel the rest of an order. ``NotFound`` proves nothing: cancelled, executed, unknown look alike."""
        path = f"{ORDERS}/{quote(exchange_order_id, safe='')}"
        # Without the ticker the exchange looks on its default shard only.
        params: dict[str, str | int] = {"market_ticker": ticker}
        if exchange_index is not None:
            params["exchange_index"] = exchange_index
        body = await self._calls.write("DELETE", path, rest_bodies.Cancelled, timeout_s=CANCEL_TIMEOUT_S, params=params)
        return translated(translate.cancelled, body, f"DELETE {path}")

    async def cancel_all(self) -> None:
        """Cancel all resting orders. The exchange may also cancel orders placed within the next minute."""
        await self._calls.write_without_body("DELETE", ORDERS, timeout_s=CANCEL_TIMEOUT_S, params=PRIMARY)

    async def order_groups(self) -> Mapping[str, int]:
        body = await self._calls.read(ORDER_GROUPS, rest_bodies.OrderGroups, PRIMARY)
        what = f"GET {ORDER_GROUPS}"
        return {one.id: translated(translate.group_limit, one, what) for one in body.order_groups or ()}

    async def create_order_group(self, limit_centi: int, exchange_index: int = DEFAULT_SHARD) -> str:
        body = msgspec.json.encode({"contracts_limit_fp": format_size(limit_centi), **_on_shard(exchange_index)})
        created = await self._calls.write(
            "POST", f"{ORDER_GROUPS}/create", rest_bodies.CreatedOrderGroup, timeout_s=CANCEL_TIMEOUT_S, body=body
        )
        return created.order_group_id

    async def trigger_order_group(self, group_id: str, exchange_index: int = DEFAULT_SHARD) -> None:
        await self._change_group(group_id, "trigger", exchange_index)

    async def reset_order_group(self, group_id: str, exchange_index: int = DEFAULT_SHARD) -> None:
        await self._change_group(group_id, "reset", exchange_index)

    async def _change_group(self, group_id: str, change: str, exchange_index: int) -> None:
        path = f"{ORDER_GROUPS}/{quote(group_id, safe='')}/{change}"
        params = PRIMARY | _on_shard(exchange_index)
        await self._calls.write_without_body("PUT", path, timeout_s=CANCEL_TIMEOUT_S, params=params)

    async def transfer(self, transfer_id: str, amount_micros: int) -> None:
        body = {"transfer_id": transfer_id, "amount_dollars": format_micros(amount_micros)}
        await self._calls.write_without_body(
            "POST", TRANSFERS, timeout_s=CANCEL_TIMEOUT_S, body=msgspec.json.encode(body)
        )

    async def transfers(self, *, min_us: int) -> list[CashTransfer]:
        query = {"limit": TRANSFERS_PER_PAGE}
        try:
            deposits = await self._calls.pages(
                "/portfolio/deposits", rest_bodies.DepositsPage, query, lambda page: page.deposits
            )
            withdrawals = await self._calls.pages(
                "/portfolio/withdrawals", rest_bodies.WithdrawalsPage, query, lambda page: page.withdrawals
            )
        except NotFound:
            return []
        found = [translated(translate.deposit, one, "GET /portfolio/deposits") for one in deposits]
        found += [translated(translate.withdrawal, one, "GET /portfolio/withdrawals") for one in withdrawals]
        since_us = min_us // times.SECOND_US * times.SECOND_US  # the lists have whole seconds
        return sorted((one for one in found if one is not None and one.at_us >= since_us), key=lambda one: one.at_us)

    async def transfer_between_shards(
        self, transfer_id: str, from_shard: int, to_shard: int, amount_micros: int
    ) -> str:
        return await self._shards.transfer(transfer_id, from_shard, to_shard, amount_micros)

    async def shard_transfers(self) -> Listing[ShardTransfer]:
        return await self._shards.transfers()

    async def shard_transfer(self, exchange_transfer_id: str) -> ShardTransfer:
        return await self._shards.transfer_of(exchange_transfer_id)

    async def target_allocation(self) -> TargetAllocation:
        return await self._shards.allocation()

    async def set_target_allocation(self, target: TargetAllocation) -> None:
        await self._shards.set_allocation(target)

    async def aclose(self) -> None:
        await self._calls.aclose()

    async def _settlement(self, body: rest_bodies.SettlementBody) -> ExchangeSettlement:
        """Translate a settlement. Of a scalar, whose value is whole cents here, the market has the exact value."""
        exact_cc = None
        if body.market_result not in ("yes", "no"):
            exact_cc = await self._exact_value(body.ticker)
        return translated(lambda one: translate.settlement(one, exact_cc), body, "GET /portfolio/settlements")

    async def _exact_value(self, ticker: str) -> int | None:
        """Read a settled market's value, once; None if it is archived: only the whole cents are left."""
        known = self._settled.get(ticker)
        if known is None:
            try:
                known = (await self.market(ticker)).settlement_cc
            except NotFound:
                return None
            if known is None:
                raise BadResponse(f"GET /markets/{ticker}: settled, but without a value")
            self._settled[ticker] = known
        return known


def estimate_exchange_us(as_of_us: int, dated: Dated) -> int:
    """Estimate the exchange's clock from the two times of a response.

    Each may lag behind the clock (``Date`` by 2 s was measured), so the newer one is used: ``as_of_us``, precise to its
    lag, or the middle of the second of ``Date``, which is truncated to it. Half of the round trip is added.
    """
    now_us = as_of_us
    if dated.date_us is not None and as_of_us < dated.date_us:
        now_us = dated.date_us + MICROS // 2
    return now_us + dated.round_trip_us // 2


async def _joined(joining: Awaitable[list[MarketMetadata]], what: str) -> list[MarketMetadata]:
    try:
        return await joining
    except WireFormatError as error:
        raise bad_response(error, what) from error


def _since(min_us: int | None) -> dict[str, str | int]:
    """Return the filter 'not before', one second wider: its bound is whole seconds and may be exclusive."""
    return {} if min_us is None else {"min_ts": max(0, times.to_unix_s(min_us) - 1)}


def _on_shard(exchange_index: int) -> dict[str, int]:
    """Return the field that names a shard; none for the default one, so that requests of before the shards stay."""
    return {} if exchange_index == DEFAULT_SHARD else {"exchange_index": exchange_index}
