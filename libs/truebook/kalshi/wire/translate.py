"""Translate the exchange's bodies to Truebook's units, and write the body of the request that moves money.

Raises ``WireFormatError`` if a value is not what its field documents: a wrong book or fill is worse than a missing one.
Unknown values of open enumerations (a market's status, a fee type) become the value that is never traded.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Final

import msgspec

from truebook import money
from truebook.kalshi.port import ListedMarket
from truebook.kalshi.wire import rest_bodies, shards, times
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.market_metadata import FeeType, MarketMetadata, MarketStatus, PriceRange
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC, ONE_DOLLAR_CC, WireFormatError
from truebook.venue.account import (
    CancelResponse,
    CashTransfer,
    CreateResponse,
    ExchangeBalance,
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    ExchangeSettlement,
    OrderRequest,
    OrderStatus,
)
from truebook.venue.shards import DEFAULT_SHARD

Levels = tuple[tuple[int, int], ...]

_SIDES: Final = {"bid": BookSide.BID, "ask": BookSide.ASK, "yes": BookSide.BID, "no": BookSide.ASK}
_RESULTS: Final = {"yes": ONE_DOLLAR_CC, "no": 0}
_KNOWN_VALUE: Final = frozenset(
    {MarketStatus.DETERMINED, MarketStatus.DISPUTED, MarketStatus.AMENDED, MarketStatus.FINALIZED}
)
PPM: Final = 1_000_000

# The same few prices and sizes occur again and again.
price_cc = lru_cache(maxsize=16_384)(money.parse_price_cc)
size_centi = lru_cache(maxsize=16_384)(money.parse_size_centi)


def level_price_cc(text: str) -> int:
    """Read a price at which an order can rest: strictly between 0 and 1 dollar."""
    value = price_cc(text)
    if not MIN_PRICE_CC <= value <= MAX_PRICE_CC:
        raise WireFormatError(f"price: outside of 0.0001 to 0.9999: {text!r}")
    return value


def book_side(side: str | None, outcome: str | None, field: str) -> BookSide:
    """Read the direction: ``book_side`` ('bid', 'ask'), or ``outcome_side`` ('yes' buys, 'no' sells the YES leg)."""
    found = _SIDES.get(side or outcome or "")
    if found is None:
        raise WireFormatError(f"{field}: neither book_side nor outcome_side gives the direction: {side!r}, {outcome!r}")
    return found


def levels(
    yes: rest_bodies.Levels | None, no: rest_bodies.Levels | None, *, no_on_yes_scale: bool = False
) -> tuple[Levels, Levels]:
    """Convert the exchange's two lists of bids into (bids, asks) of the YES leg, best first.

    A NO bid at p is a YES ask at 1 - p; with ``no_on_yes_scale`` NO levels already have YES prices.
    """
    bids = _read_levels(yes or ())
    no_levels = _read_levels(no or ())
    asks = no_levels if no_on_yes_scale else [(ONE_DOLLAR_CC - price, size) for price, size in no_levels]
    return tuple(sorted(bids, reverse=True)), tuple(sorted(asks))


def _read_levels(raw: Iterable[tuple[str, str]]) -> list[tuple[int, int]]:
    return [(level_price_cc(price), size) for price, count in raw if (size := size_centi(count))]


def book(body: rest_bodies.BookResponse) -> tuple[Levels, Levels]:
    """Read a REST book; missing keys and sides are empty sides."""
    sides = body.orderbook_fp or body.orderbook or rest_bodies.BookSides()
    return levels(sides.yes_dollars, sides.no_dollars)


def order(body: rest_bodies.OrderBody) -> ExchangeOrder:
    """Read an order of the account, from REST or from a ``user_order`` frame."""
    try:
        status = OrderStatus(body.status)
    except ValueError as error:
        raise WireFormatError(f"order.status: {body.status!r}") from error
    return ExchangeOrder(
        exchange_order_id=body.order_id,
        client_order_id=body.client_order_id or "",
        ticker=body.ticker,
        book_side=book_side(body.book_side, body.outcome_side, "order"),
        price_cc=price_cc(body.yes_price_dollars),
        initial_centi=size_centi(body.initial_count_fp),
        filled_centi=size_centi(body.fill_count_fp),
        remaining_centi=size_centi(body.remaining_count_fp),
        status=status,
        created_us=_moment(body.created_time, body.created_ts_ms),
        updated_us=_moment(body.last_update_time, body.last_updated_ts_ms),
        expires_us=_moment(body.expiration_time, body.expiration_ts_ms),
        last_update_reason=body.last_update_reason,
        exchange_index=body.shard,
    )


def fill(body: rest_bodies.FillBody) -> ExchangeFill:
    """Read a fill of the account, from REST or from a ``fill`` frame."""
    ticker = body.market_ticker or body.ticker
    if not ticker:
        raise WireFormatError("fill: no ticker")
    created_us = _moment(body.created_time, body.ts_ms)
    if created_us is None:
        if body.ts is None:
            raise WireFormatError("fill: no time")
        created_us = times.from_unix_s(body.ts)
    size = size_centi(body.count_fp)
    if size <= 0:
        raise WireFormatError(f"fill.count_fp: not above zero: {body.count_fp!r}")
    return ExchangeFill(
        trade_id=body.trade_id,
        exchange_order_id=body.order_id,
        ticker=ticker,
        book_side=book_side(body.book_side, body.outcome_side, "fill"),
        price_cc=level_price_cc(body.yes_price_dollars),
        size_centi=size,
        fee_micros=money.parse_micros(body.fee_cost, "fee_cost"),
        is_taker=body.is_taker,
        created_us=created_us,
        client_order_id=body.client_order_id or None,
        basis=body.simulation_basis,
        exchange_index=body.shard,
    )


def settlement(body: rest_bodies.SettlementBody, exact_cc: int | None = None) -> ExchangeSettlement:
    """Read a settlement; ``exact_cc`` is a scalar's value from its market, more precise than these whole cents."""
    settlement_cc = _RESULTS.get(body.market_result, exact_cc)
    if settlement_cc is None:
        if body.value is None:
            raise WireFormatError(f"settlement.value: missing for the result {body.market_result!r}")
        settlement_cc = body.value * 100
    if not 0 <= settlement_cc <= ONE_DOLLAR_CC:
        raise WireFormatError(f"settlement.value: {body.value!r} cents is not between 0 and 100")
    return ExchangeSettlement(
        ticker=body.ticker,
        event=body.event_ticker,
        settlement_cc=settlement_cc,
        settled_us=times.from_rfc3339(body.settled_time, "settled_time"),
        yes_centi=size_centi(body.yes_count_fp),
        no_centi=size_centi(body.no_count_fp),
        revenue_micros=body.revenue * money.MICROS_PER_CENT,
        exchange_index=body.shard,
    )


def position(body: rest_bodies.PositionBody) -> ExchangePosition:
    return ExchangePosition(
        ticker=body.ticker,
        position_centi=size_centi(body.position_fp),
        exposure_micros=money.parse_micros(body.market_exposure_dollars, "market_exposure_dollars"),
        fees_micros=money.parse_micros(body.fees_paid_dollars, "fees_paid_dollars"),
        exchange_index=body.shard,
    )


def deposit(body: rest_bodies.TransferBody) -> CashTransfer | None:
    """Read a deposit that is in the balance; None for any other."""
    at_s = body.created_ts if body.finalized_ts is None else body.finalized_ts
    return _cash_transfer(body, 1, at_s) if body.status == "applied" else None


def withdrawal(body: rest_bodies.TransferBody) -> CashTransfer | None:
    """Read a withdrawal, which leaves the balance when it begins; None for one that failed or was returned."""
    is_out = body.status in ("pending", "applied")
    return _cash_transfer(body, -1, body.created_ts) if is_out else None


def _cash_transfer(body: rest_bodies.TransferBody, sign: int, at_s: int) -> CashTransfer:
    if body.amount_cents < 0 or body.fee_cents < 0:
        raise WireFormatError(f"transfer {body.id}: a negative amount: {body.amount_cents}, fee {body.fee_cents}")
    return CashTransfer(
        transfer_id=body.id, amount_micros=sign * body.amount_cents * money.MICROS_PER_CENT,
        fee_micros=body.fee_cents * money.MICROS_PER_CENT, at_us=at_s * times.SECOND_US,
    )  # fmt: skip


def balance(body: rest_bodies.BalanceBody) -> ExchangeBalance:
    """Read the balance of each shard from the dollar strings; the integer field is truncated to whole cents.

    Cash on one shard can't pay for orders on another. Without a breakdown (key of one subaccount) there is one balance.
    """
    by_shard = shards.cash(body.balance_breakdown)
    default = next((one for one in by_shard if one.exchange_index == DEFAULT_SHARD), None)
    if body.balance_breakdown is not None and default is None:
        indices = [one.exchange_index for one in by_shard]
        raise WireFormatError(f"balance_breakdown: no balance of shard {DEFAULT_SHARD}: {indices}")
    whole_micros = money.parse_micros(body.balance_dollars, "balance")
    return ExchangeBalance(
        balance_micros=whole_micros if default is None else default.balance_micros,
        updated_us=times.from_unix_s(body.updated_ts),
        by_shard=by_shard,
    )


def created(body: rest_bodies.Created, client_order_id: str) -> CreateResponse:
    """Read the response to a create; refuses one that names another client order id."""
    if body.client_order_id and body.client_order_id != client_order_id:
        raise WireFormatError(f"client_order_id: sent {client_order_id!r}, received {body.client_order_id!r}")
    return CreateResponse(
        exchange_order_id=body.order_id,
        client_order_id=client_order_id,
        filled_centi=size_centi(body.fill_count),
        remaining_centi=size_centi(body.remaining_count),
        processed_us=times.from_unix_ms(body.ts_ms),
    )


def group_limit(body: rest_bodies.OrderGroupBody) -> int:
    """Return the limit of an order group in hundredths of a contract; 0: none is stated."""
    return 0 if body.contracts_limit_fp is None else size_centi(body.contracts_limit_fp)


def cancelled(body: rest_bodies.Cancelled) -> CancelResponse:
    return CancelResponse(
        exchange_order_id=body.order_id,
        reduced_centi=size_centi(body.reduced_by),
        processed_us=times.from_unix_ms(body.ts_ms),
    )


def market_status(text: str) -> MarketStatus:
    """Read a market's status; an unknown one counts as inactive: it is not traded."""
    try:
        return MarketStatus(text)
    except ValueError:
        return MarketStatus.INACTIVE


def settlement_cc(value_dollars: str | None, result: str) -> int | None:
    """Read the value of a YES contract: the given value, else that of the result; None if neither is given."""
    if value_dollars is not None and value_dollars != "":
        value = price_cc(value_dollars)
        if not 0 <= value <= ONE_DOLLAR_CC:
            raise WireFormatError(f"settlement value: {value_dollars!r} is not between 0 and 1 dollar")
        return value
    return _RESULTS.get(result)


def price_ranges(body: Iterable[rest_bodies.PriceRangeBody]) -> tuple[PriceRange, ...]:
    """Read a market's grid; a band without a positive step is refused."""
    ranges = tuple(PriceRange(price_cc(band.start), price_cc(band.end), price_cc(band.step)) for band in body)
    if not ranges or any(band.step_cc <= 0 or band.start_cc > band.end_cc for band in ranges):
        raise WireFormatError(f"price_ranges: no usable grid: {ranges}")
    return ranges


def fee_type(text: str) -> FeeType:
    """Read a fee structure; markets with an unknown one are not traded."""
    try:
        return FeeType(text)
    except ValueError:
        return FeeType.UNKNOWN


def multiplier_ppm(body: Decimal) -> int:
    """Read a fee multiplier in millionths, rounded up: a reservation must cover the fee."""
    if not body.is_finite() or not 0 <= body <= 1000:
        raise WireFormatError(f"fee_multiplier: {body}")
    return int((body * PPM).to_integral_value(ROUND_CEILING))


def listed_market(body: rest_bodies.MarketBody) -> ListedMarket:
    return ListedMarket(
        ticker=body.ticker, event=body.event_ticker, status=market_status(body.status),
        close_us=times.from_rfc3339(body.close_time, "close_time"),
        volume_centi=_volume(body), exchange_index=body.exchange_index,
    )  # fmt: skip


def _volume(body: rest_bodies.MarketBody) -> int:
    return size_centi(body.volume_fp) if body.volume_fp is not None else 0


def market_metadata(
    body: rest_bodies.MarketBody, event: rest_bodies.EventBody | None, series: rest_bodies.SeriesBody | None
) -> MarketMetadata:
    """Join a market with its event and series. Missing ones are named in ``assumed``; the fee type is then unknown."""
    status = market_status(body.status)
    kind, factor = _fees(event, series)
    strike = body.floor_strike if body.floor_strike is not None else body.cap_strike
    assumed = (() if event is not None else ("series", "exclusive")) + (
        () if kind is not FeeType.UNKNOWN else ("fee_type", "fee_multiplier_ppm")
    )
    return MarketMetadata(
        ticker=body.ticker,
        event=body.event_ticker,
        series=event.series_ticker if event is not None else body.event_ticker.partition("-")[0],
        status=status,
        open_us=times.from_rfc3339(body.open_time, "open_time"),
        close_us=times.from_rfc3339(body.close_time, "close_time"),
        price_ranges=price_ranges(body.price_ranges),
        fee_type=kind,
        fee_multiplier_ppm=factor,
        exclusive=event is not None and event.mutually_exclusive,
        binary=body.market_type == "binary",
        settlement_cc=settlement_cc(body.settlement_value_dollars, body.result) if status in _KNOWN_VALUE else None,
        volume_centi=_volume(body),
        strike=strike,
        assumed=assumed,
        exchange_index=body.exchange_index,
    )


def _fees(event: rest_bodies.EventBody | None, series: rest_bodies.SeriesBody | None) -> tuple[FeeType, int]:
    kind = series.fee_type if series is not None else ""
    factor = series.fee_multiplier if series is not None else None
    if event is not None and event.fee_type_override is not None:
        kind = event.fee_type_override
        if event.fee_multiplier_override is not None:
            factor = event.fee_multiplier_override
    return (FeeType.UNKNOWN, PPM) if factor is None else (fee_type(kind), multiplier_ppm(factor))


def _moment(text: str | None, milliseconds: int | None) -> int | None:
    if text:
        return times.from_rfc3339(text)
    return times.from_unix_ms(milliseconds) if milliseconds else None


def write_order(request: OrderRequest) -> bytes:
    """Write the body of a create-order request.

    Raises ``ValueError`` for what the exchange documents as invalid: a bug of the caller, the ledger checked it before.
    """
    if not MIN_PRICE_CC <= request.price_cc <= MAX_PRICE_CC:
        raise ValueError(f"price_cc {request.price_cc} is outside of 1..9999")
    if request.size_centi <= 0:
        raise ValueError(f"size_centi {request.size_centi} is not above zero")
    if not request.ticker or not request.client_order_id or "." in request.client_order_id:
        raise ValueError("an order needs a ticker and a client order id without dots")
    resting = request.time_in_force is TimeInForce.GOOD_TILL_CANCELED
    if request.expiration_s is not None and not resting:
        raise ValueError("only a good-till-cancelled order has an expiry")
    body = rest_bodies.CreateOrder(
        ticker=request.ticker,
        client_order_id=request.client_order_id,
        side=request.book_side.value,
        count=money.format_size(request.size_centi),
        price=money.format_price(request.price_cc),
        time_in_force=request.time_in_force.value,
        self_trade_prevention_type=request.self_trade_prevention.value,
        expiration_time=request.expiration_s,
        post_only=request.post_only,
        # The exchange supports reduce-only for these only; for a resting order the ledger enforces it.
        reduce_only=request.reduce_only and request.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL,
        cancel_order_on_pause=request.cancel_order_on_pause,
        order_group_id=request.order_group_id,
        exchange_index=request.exchange_index,
    )
    return msgspec.json.encode(body)
