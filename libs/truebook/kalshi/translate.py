"""From the wire's bodies to our units, and the strict writer of the one body that moves money.

Raises ``WireFormatError`` where a value is not what its field documents: a wrong book or a wrong fill is worse than a
missing one. Words of open lists (a market's status, a fee type) degrade to the value that never trades.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Final

import msgspec

from truebook import money
from truebook.kalshi import times, wire
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.facts import FeeType, MarketFacts, MarketStatus, PriceRange
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC, ONE_DOLLAR_CC, WireFormatError
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

Levels = tuple[tuple[int, int], ...]

_SIDES: Final = {"bid": BookSide.BID, "ask": BookSide.ASK, "yes": BookSide.BID, "no": BookSide.ASK}
_RESULTS: Final = {"yes": ONE_DOLLAR_CC, "no": 0}
_KNOWN_VALUE: Final = frozenset(
    {MarketStatus.DETERMINED, MarketStatus.DISPUTED, MarketStatus.AMENDED, MarketStatus.FINALIZED}
)
PPM: Final = 1_000_000

# The same few prices and sizes come again and again; the parsed value of a text never changes.
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
        raise WireFormatError(f"{field}: neither book_side nor outcome_side tells the direction: {side!r}, {outcome!r}")
    return found


def levels(yes: wire.Levels | None, no: wire.Levels | None, *, no_on_yes_scale: bool = False) -> tuple[Levels, Levels]:
    """Turn the exchange's two lists of bids into (bids, asks) of the YES leg, best first.

    A NO bid at p is a YES ask at 1 - p, unless the feed was asked to tell NO levels on the YES scale already.
    """
    bids = _read_levels(yes or ())
    told = _read_levels(no or ())
    asks = told if no_on_yes_scale else [(ONE_DOLLAR_CC - price, size) for price, size in told]
    return tuple(sorted(bids, reverse=True)), tuple(sorted(asks))


def _read_levels(told: Iterable[tuple[str, str]]) -> list[tuple[int, int]]:
    return [(level_price_cc(price), size) for price, count in told if (size := size_centi(count))]


def book(answer: wire.BookAnswer) -> tuple[Levels, Levels]:
    """Read a book by REST; keys and sides that are missing are empty sides."""
    sides = answer.orderbook_fp or answer.orderbook or wire.BookSides()
    return levels(sides.yes_dollars, sides.no_dollars)


def order(told: wire.Order) -> ExchangeOrder:
    """Read an order of the account, from REST or from a ``user_order`` frame."""
    try:
        status = OrderStatus(told.status)
    except ValueError as error:
        raise WireFormatError(f"order.status: {told.status!r}") from error
    return ExchangeOrder(
        exchange_order_id=told.order_id,
        client_order_id=told.client_order_id,
        ticker=told.ticker,
        book_side=book_side(told.book_side, told.outcome_side, "order"),
        price_cc=price_cc(told.yes_price_dollars),
        initial_centi=size_centi(told.initial_count_fp),
        filled_centi=size_centi(told.fill_count_fp),
        remaining_centi=size_centi(told.remaining_count_fp),
        status=status,
        created_us=_moment(told.created_time, told.created_ts_ms),
        updated_us=_moment(told.last_update_time, told.last_updated_ts_ms),
        expires_us=_moment(told.expiration_time, told.expiration_ts_ms),
        last_update_reason=told.last_update_reason,
    )


def fill(told: wire.Fill) -> ExchangeFill:
    """Read a fill of the account, from REST or from a ``fill`` frame."""
    ticker = told.market_ticker or told.ticker
    if not ticker:
        raise WireFormatError("fill: no ticker")
    created_us = _moment(told.created_time, told.ts_ms)
    if created_us is None:
        if told.ts is None:
            raise WireFormatError("fill: no time")
        created_us = times.from_unix_s(told.ts)
    size = size_centi(told.count_fp)
    if size <= 0:
        raise WireFormatError(f"fill.count_fp: not above zero: {told.count_fp!r}")
    return ExchangeFill(
        trade_id=told.trade_id,
        exchange_order_id=told.order_id,
        ticker=ticker,
        book_side=book_side(told.book_side, told.outcome_side, "fill"),
        price_cc=level_price_cc(told.yes_price_dollars),
        size_centi=size,
        fee_micros=money.parse_micros(told.fee_cost, "fee_cost"),
        is_taker=told.is_taker,
        created_us=created_us,
        client_order_id=told.client_order_id or None,
        basis=told.simulation_basis,
    )


def settlement(told: wire.Settlement, exact_cc: int | None = None) -> ExchangeSettlement:
    """Read a settlement; ``exact_cc`` is a scalar's value from its market, finer than the whole cents told here."""
    settlement_cc = _RESULTS.get(told.market_result, exact_cc)
    if settlement_cc is None:
        if told.value is None:
            raise WireFormatError(f"settlement.value: missing for the result {told.market_result!r}")
        settlement_cc = told.value * 100
    if not 0 <= settlement_cc <= ONE_DOLLAR_CC:
        raise WireFormatError(f"settlement.value: {told.value!r} cents is not between 0 and 100")
    return ExchangeSettlement(
        ticker=told.ticker,
        event=told.event_ticker,
        settlement_cc=settlement_cc,
        settled_us=times.from_rfc3339(told.settled_time, "settled_time"),
        yes_centi=size_centi(told.yes_count_fp),
        no_centi=size_centi(told.no_count_fp),
        revenue_micros=told.revenue * money.MICROS_PER_CENT,
    )


def position(told: wire.Position) -> ExchangePosition:
    return ExchangePosition(
        ticker=told.ticker,
        position_centi=size_centi(told.position_fp),
        exposure_micros=money.parse_micros(told.market_exposure_dollars, "market_exposure_dollars"),
        fees_micros=money.parse_micros(told.fees_paid_dollars, "fees_paid_dollars"),
    )


def balance(told: wire.Balance) -> ExchangeBalance:
    """Read the balance from its dollar string; the integer beside it is cut to whole cents."""
    return ExchangeBalance(
        balance_micros=money.parse_micros(told.balance_dollars, "balance_dollars"),
        updated_us=times.from_unix_s(told.updated_ts),
    )


def created(told: wire.Created, client_order_id: str) -> CreateAnswer:
    """Read the answer to a create; an answer that names another client order id is not an answer to ours."""
    if told.client_order_id and told.client_order_id != client_order_id:
        raise WireFormatError(f"client_order_id: sent {client_order_id!r}, answered {told.client_order_id!r}")
    return CreateAnswer(
        exchange_order_id=told.order_id,
        client_order_id=client_order_id,
        filled_centi=size_centi(told.fill_count),
        remaining_centi=size_centi(told.remaining_count),
        processed_us=times.from_unix_ms(told.ts_ms),
    )


def cancelled(told: wire.Cancelled) -> CancelAnswer:
    return CancelAnswer(
        exchange_order_id=told.order_id,
        reduced_centi=size_centi(told.reduced_by),
        processed_us=times.from_unix_ms(told.ts_ms),
    )


def market_status(word: str) -> MarketStatus:
    """Read a market's status; a word that is not known yet counts as inactive: nothing is traded there."""
    try:
        return MarketStatus(word)
    except ValueError:
        return MarketStatus.INACTIVE


def settlement_cc(value_dollars: str | None, result: str) -> int | None:
    """Read what a YES contract is worth: the value where it is told, else the result; null while neither is."""
    if value_dollars is not None and value_dollars != "":
        value = price_cc(value_dollars)
        if not 0 <= value <= ONE_DOLLAR_CC:
            raise WireFormatError(f"settlement value: {value_dollars!r} is not between 0 and 1 dollar")
        return value
    return _RESULTS.get(result)


def price_ranges(told: Iterable[wire.PriceRange]) -> tuple[PriceRange, ...]:
    """Read a market's grid; a band without a positive step is refused."""
    ranges = tuple(PriceRange(price_cc(band.start), price_cc(band.end), price_cc(band.step)) for band in told)
    if not ranges or any(band.step_cc <= 0 or band.start_cc > band.end_cc for band in ranges):
        raise WireFormatError(f"price_ranges: no usable grid: {ranges}")
    return ranges


def fee_type(word: str) -> FeeType:
    """Read a fee structure; one that is not known yet is ``UNKNOWN``, and its markets are not traded."""
    try:
        return FeeType(word)
    except ValueError:
        return FeeType.UNKNOWN


def multiplier_ppm(told: Decimal) -> int:
    """Read a fee multiplier in millionths, rounded up: a promise must not be below the fee."""
    if not told.is_finite() or not 0 <= told <= 1000:
        raise WireFormatError(f"fee_multiplier: {told}")
    return int((told * PPM).to_integral_value(ROUND_CEILING))


def market_facts(told: wire.Market, event: wire.Event | None, series: wire.Series | None) -> MarketFacts:
    """Join a market with its event and series. What could not be fetched is named in ``assumed``, fee type unknown."""
    status = market_status(told.status)
    kind, factor = _fees(event, series)
    strike = told.floor_strike if told.floor_strike is not None else told.cap_strike
    assumed = (() if event is not None else ("series", "exclusive")) + (
        () if kind is not FeeType.UNKNOWN else ("fee_type", "fee_multiplier_ppm")
    )
    return MarketFacts(
        ticker=told.ticker,
        event=told.event_ticker,
        series=event.series_ticker if event is not None else told.event_ticker.partition("-")[0],
        status=status,
        open_us=times.from_rfc3339(told.open_time, "open_time"),
        close_us=times.from_rfc3339(told.close_time, "close_time"),
        price_ranges=price_ranges(told.price_ranges),
        fee_type=kind,
        fee_multiplier_ppm=factor,
        exclusive=event is not None and event.mutually_exclusive,
        binary=told.market_type == "binary",
        settlement_cc=settlement_cc(told.settlement_value_dollars, told.result) if status in _KNOWN_VALUE else None,
        volume_centi=size_centi(told.volume_fp) if told.volume_fp is not None else 0,
        strike=strike,
        assumed=assumed,
    )


def _fees(event: wire.Event | None, series: wire.Series | None) -> tuple[FeeType, int]:
    kind = series.fee_type if series is not None else ""
    factor = series.fee_multiplier if series is not None else Decimal(1)
    if event is not None and event.fee_type_override is not None:
        kind = event.fee_type_override
        if event.fee_multiplier_override is not None:
            factor = event.fee_multiplier_override
    return fee_type(kind), multiplier_ppm(factor)


def _moment(text: str | None, milliseconds: int | None) -> int | None:
    if text:
        return times.from_rfc3339(text)
    return times.from_unix_ms(milliseconds) if milliseconds else None


def write_order(request: OrderRequest) -> bytes:
    """Write the body of a create-order request; refuses what the exchange documents as wrong before it is signed.

    Raises ``ValueError``: such an order is a bug of the caller, the ledger has checked it before.
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
    body = wire.CreateOrder(
        ticker=request.ticker,
        client_order_id=request.client_order_id,
        side=request.book_side.value,
        count=money.format_size(request.size_centi),
        price=money.format_price(request.price_cc),
        time_in_force=request.time_in_force.value,
        self_trade_prevention_type=request.self_trade_prevention.value,
        expiration_time=request.expiration_s,
        post_only=request.post_only,
        # The exchange knows reduce-only for these alone; on a resting order it is the ledger's own rule.
        reduce_only=request.reduce_only and request.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL,
        cancel_order_on_pause=request.cancel_order_on_pause,
        order_group_id=request.order_group_id,
    )
    return msgspec.json.encode(body)
