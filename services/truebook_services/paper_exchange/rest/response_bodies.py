"""Encodes REST response bodies, with every field that the exchange's OpenAPI document 3.34.0 requires."""

from __future__ import annotations

from typing import Any, Final

from truebook.book.order_book import OrderBook
from truebook.kalshi.wire.times import to_rfc3339
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import FeeType, MarketMetadata
from truebook.money import MICROS_PER_CENT, ONE_DOLLAR_CC, format_micros, format_price, format_size, no_price
from truebook.simulation.events import Traded
from truebook.simulation.venue.orders import OrderCosts
from truebook.simulation.venue.subaccount_names import number_of
from truebook.venue.account import (
    CashTransfer,
    ExchangeBalance,
    ExchangeFill,
    ExchangeOrder,
    ExchangeSettlement,
    OrderRequest,
)
from truebook_services.paper_exchange.engine.market_stats import MarketStats
from truebook_services.paper_exchange.wire_fields import (
    dollars_down,
    fill_fields,
    market_result,
    order_fields,
    price_ranges,
    price_structure,
    shard_rows,
    trade_fields,
)

_MARKET_CONSTANTS: Final[dict[str, Any]] = {
    "subtitle": "", "can_close_early": True, "settlement_timer_seconds": 1,
    "notional_value_dollars": "1.0000", "settlement_bounds_type": "default",
    "previous_yes_bid_dollars": "0.0000", "previous_yes_ask_dollars": "0.0000", "previous_price_dollars": "0.0000",
    "rules_primary": "A market of the simulated exchange: its outcome is drawn from the seed.", "rules_secondary": "",
}  # fmt: skip
_SERIES_CONSTANTS: Final[dict[str, Any]] = {
    "frequency": "custom", "category": "Simulation", "categories": ["Simulation"], "tags": [],
    "settlement_sources": [], "contract_url": "", "contract_terms_url": "", "additional_prohibitions": [],
}  # fmt: skip


def market(metadata: MarketMetadata, book: OrderBook, stats: MarketStats, *, liquidity: bool) -> dict[str, Any]:
    """Write a market; the value considered for its settlement is the result itself.

    A side without a quote has the price 0 or 1 and size 0, as at the exchange.
    """
    bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
    bid_cc, ask_cc = bid[0] if bid else 0, ask[0] if ask else ONE_DOLLAR_CC
    close = to_rfc3339(metadata.close_us)
    body: dict[str, Any] = _MARKET_CONSTANTS | {
        "ticker": metadata.ticker,
        "event_ticker": metadata.event,
        "exchange_index": metadata.exchange_index,
        "market_type": "binary" if metadata.binary else "scalar",
        "title": metadata.ticker,
        "yes_sub_title": metadata.ticker,
        "no_sub_title": metadata.ticker,
        "created_time": to_rfc3339(stats.created_us or metadata.open_us),
        "updated_time": to_rfc3339(stats.updated_us or metadata.open_us),
        "open_time": to_rfc3339(metadata.open_us),
        "close_time": close,
        "expected_expiration_time": close,
        "expiration_time": close,
        "latest_expiration_time": close,
        "status": metadata.status.value,
        "yes_bid_dollars": format_price(bid_cc),
        "yes_bid_size_fp": format_size(bid[1] if bid else 0),
        "yes_ask_dollars": format_price(ask_cc),
        "yes_ask_size_fp": format_size(ask[1] if ask else 0),
        "no_bid_dollars": format_price(no_price(ask_cc)),
        "no_ask_dollars": format_price(no_price(bid_cc)),
        "last_price_dollars": format_price(stats.last_price_cc),
        "volume_fp": format_size(metadata.volume_centi),
        "volume_24h_fp": format_size(metadata.volume_centi),
        "result": market_result(metadata.settlement_cc),
        "expiration_value": _expiration_value(metadata.settlement_cc),
        "open_interest_fp": format_size(stats.open_interest_centi),
        "price_level_structure": price_structure(metadata.price_ranges),
        "price_ranges": price_ranges(metadata.price_ranges),
    }
    if metadata.settlement_cc is not None:
        body["settlement_value_dollars"] = format_price(metadata.settlement_cc)
    if stats.settled_us:
        body["settlement_ts"] = to_rfc3339(stats.settled_us)
    if metadata.strike is not None:
        body |= {"strike_type": "greater", "floor_strike": metadata.strike}
    if liquidity:
        body["liquidity_dollars"] = "0.0000"
    return body


def _expiration_value(settlement_cc: int | None) -> str:
    result = market_result(settlement_cc)
    return format_price(settlement_cc or 0) if result == "scalar" else result


def orderbook(book: OrderBook, depth: int = 0) -> dict[str, Any]:
    """Write a book as bids of both legs, ascending; ``depth`` limits the levels of each, 0 means all."""
    yes = book.levels(BookSide.BID, depth or None)
    no = [(no_price(price), size) for price, size in book.levels(BookSide.ASK, depth or None)]
    return {
        "yes_dollars": [[format_price(price), format_size(size)] for price, size in reversed(yes)],
        "no_dollars": [[format_price(price), format_size(size)] for price, size in reversed(no)],
    }


def trade(event: Traded) -> dict[str, Any]:
    return trade_fields(event) | {"ticker": event.ticker, "created_time": to_rfc3339(event.at_us)}


def event_data(metadata: MarketMetadata, updated_us: int) -> dict[str, Any]:
    """Write the event of a market."""
    return {
        "event_ticker": metadata.event,
        "series_ticker": metadata.series,
        "title": metadata.event,
        "sub_title": "",
        "collateral_return_type": "MECNET" if metadata.exclusive else "",
        "mutually_exclusive": metadata.exclusive,
        "category": "Simulation",
        "strike_period": "",
        "settlement_sources": [],
        "last_updated_ts": to_rfc3339(updated_us),
        "exchange_index": metadata.exchange_index,
    }


def series(metadata: MarketMetadata, updated_us: int, volume_centi: int | None = None) -> dict[str, Any]:
    """Write the series of a market; an unknown fee type is written as the standard one."""
    fee_type = FeeType.QUADRATIC if metadata.fee_type is FeeType.UNKNOWN else metadata.fee_type
    volume = {} if volume_centi is None else {"volume_fp": format_size(volume_centi)}
    return (
        _SERIES_CONSTANTS
        | volume
        | {
            "ticker": metadata.series,
            "exchange_index": metadata.exchange_index,
            "last_updated_ts": to_rfc3339(updated_us),
            "title": metadata.series,
            "fee_type": fee_type.value,
            "fee_multiplier": metadata.fee_multiplier_ppm / 1_000_000,
        }
    )


def order(account: str, state: ExchangeOrder, costs: OrderCosts, request: OrderRequest) -> dict[str, Any]:
    """Write an order. ``side`` and ``action`` are deprecated: the exchange sends ``yes`` with ``buy`` or ``sell``."""
    return order_fields(account, state, costs, request, state.created_us or 0) | {
        "side": "yes",
        "action": "buy" if state.book_side is BookSide.BID else "sell",
        "type": "limit",
        "no_price_dollars": format_price(no_price(state.price_cc)),
        "cancel_order_on_pause": request.cancel_order_on_pause,
    }


def fill(subaccount: str, event: ExchangeFill) -> dict[str, Any]:
    body = fill_fields(event) | {
        "fill_id": event.trade_id,
        "ticker": event.ticker,
        "no_price_dollars": format_price(no_price(event.price_cc)),
        "created_time": to_rfc3339(event.created_us),
        "subaccount_number": number_of(subaccount),
    }
    if event.basis is not None:
        body["simulation_basis"] = event.basis
    return body


def transfer(one: CashTransfer) -> dict[str, Any]:
    """A deposit or withdrawal; those of the simulated exchange take effect at once and cost nothing."""
    at_s = one.at_us // 1_000_000
    return {
        "id": one.transfer_id, "status": "applied", "type": "ach", "fee_cents": 0,
        "amount_cents": abs(one.amount_micros) // MICROS_PER_CENT, "created_ts": at_s, "finalized_ts": at_s,
    }  # fmt: skip


def balance(available: ExchangeBalance, portfolio_micros: int, now_us: int, shard: int | None = None) -> dict[str, Any]:
    """Write the available cash of one shard or (None) of all; fractions of a cent are dropped, as at the exchange."""
    cash_micros = available.total_micros if shard is None else available.of_shard(shard)
    return {
        "balance": cash_micros // 10_000,
        "balance_dollars": dollars_down(cash_micros),
        "portfolio_value": portfolio_micros // 10_000,
        "updated_ts": (available.updated_us or now_us) // 1_000_000,
        "balance_breakdown": shard_rows(available.by_shard),
    }


def settlement(payout: ExchangeSettlement, costs: tuple[int, int, int]) -> dict[str, Any]:
    """Write a payout; ``costs`` are those of YES, of NO, and the fees. Revenue is in whole cents, rounded down."""
    yes_micros, no_micros, fees_micros = costs
    return {
        "ticker": payout.ticker,
        "exchange_index": payout.exchange_index,
        "event_ticker": payout.event,
        "market_result": market_result(payout.settlement_cc),
        "yes_count_fp": format_size(payout.yes_centi),
        "yes_total_cost_dollars": format_micros(yes_micros),
        "no_count_fp": format_size(payout.no_centi),
        "no_total_cost_dollars": format_micros(no_micros),
        "revenue": payout.revenue_micros // 10_000,
        "settled_time": to_rfc3339(payout.settled_us),
        "fee_cost": format_micros(fees_micros),
        "value": payout.settlement_cc // 100,
    }
