"""REST bodies: our facts in the exchange's words and strings, with every field that OpenAPI 3.34.0 requires."""

from __future__ import annotations

from typing import Any

from truebook.book.order_book import OrderBook
from truebook.kalshi.times import to_rfc3339
from truebook.messages.envelope import BookSide
from truebook.messages.facts import FeeType, MarketFacts
from truebook.money import ONE_DOLLAR_CC, format_micros, format_price, format_size, no_price
from truebook.simulation.events import Traded
from truebook.simulation.orders import OrderCosts
from truebook.venue.account import ExchangeBalance, ExchangeFill, ExchangeOrder, ExchangeSettlement, OrderRequest
from truebook_services.paper_exchange.frames import market_result
from truebook_services.paper_exchange.market_stats import MarketStats
from truebook_services.paper_exchange.wire_text import (
    action,
    dollars_down,
    outcome_side,
    price_ranges,
    price_structure,
    user_id,
)

SETTLEMENT_TIMER_S = 1


def market(facts: MarketFacts, book: OrderBook, stats: MarketStats, *, liquidity: bool) -> dict[str, Any]:
    """Write a market. A side without a quote shows the prices 0 and 1 with size 0, as the exchange does."""
    bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
    bid_cc, ask_cc = bid[0] if bid else 0, ask[0] if ask else ONE_DOLLAR_CC
    close = to_rfc3339(facts.close_us)
    body: dict[str, Any] = {
        "ticker": facts.ticker,
        "event_ticker": facts.event,
        "market_type": "binary" if facts.binary else "scalar",
        "title": facts.ticker,
        "subtitle": "",
        "yes_sub_title": facts.ticker,
        "no_sub_title": facts.ticker,
        "created_time": to_rfc3339(facts.open_us),
        "updated_time": to_rfc3339(facts.open_us),
        "open_time": to_rfc3339(facts.open_us),
        "close_time": close,
        "expected_expiration_time": close,
        "expiration_time": close,
        "latest_expiration_time": close,
        "settlement_timer_seconds": SETTLEMENT_TIMER_S,
        "status": facts.status.value,
        "yes_bid_dollars": format_price(bid_cc),
        "yes_bid_size_fp": format_size(bid[1] if bid else 0),
        "yes_ask_dollars": format_price(ask_cc),
        "yes_ask_size_fp": format_size(ask[1] if ask else 0),
        "no_bid_dollars": format_price(no_price(ask_cc)),
        "no_ask_dollars": format_price(no_price(bid_cc)),
        "last_price_dollars": format_price(stats.last_price_cc),
        "volume_fp": format_size(facts.volume_centi),
        "volume_24h_fp": format_size(facts.volume_centi),
        "result": market_result(facts),
        "can_close_early": True,
        "open_interest_fp": format_size(stats.open_interest_centi),
        "notional_value_dollars": "1.0000",
        "previous_yes_bid_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "previous_price_dollars": "0.0000",
        "settlement_bounds_type": "default",
        "expiration_value": "",
        "rules_primary": "A market of the simulated exchange: its outcome is drawn from the seed.",
        "rules_secondary": "",
        "price_level_structure": price_structure(facts.price_ranges),
        "price_ranges": price_ranges(facts.price_ranges),
        "exchange_index": 0,
    }
    if facts.settlement_cc is not None:
        body["settlement_value_dollars"] = format_price(facts.settlement_cc)
    if facts.strike is not None:
        body |= {"strike_type": "greater", "floor_strike": facts.strike}
    if liquidity:
        body["liquidity_dollars"] = "0.0000"
    return body


def orderbook(book: OrderBook, depth: int = 0) -> dict[str, Any]:
    """Write a book as bids of both legs, ascending; ``depth`` keeps the best levels of each, 0 keeps all."""
    yes = book.levels(BookSide.BID, depth or None)
    no = [(no_price(price), size) for price, size in book.levels(BookSide.ASK, depth or None)]
    return {
        "yes_dollars": [[format_price(price), format_size(size)] for price, size in reversed(yes)],
        "no_dollars": [[format_price(price), format_size(size)] for price, size in reversed(no)],
    }


def trade(event: Traded) -> dict[str, Any]:
    side = outcome_side(event.taker_side)
    return {
        "trade_id": event.trade_id,
        "ticker": event.ticker,
        "count_fp": format_size(event.size_centi),
        "yes_price_dollars": format_price(event.price_cc),
        "no_price_dollars": format_price(no_price(event.price_cc)),
        "taker_side": side,
        "taker_outcome_side": side,
        "taker_book_side": event.taker_side.value,
        "created_time": to_rfc3339(event.at_us),
        "is_block_trade": event.block,
    }


def event_data(facts: MarketFacts) -> dict[str, Any]:
    """Write the event of a market."""
    return {
        "event_ticker": facts.event,
        "series_ticker": facts.series,
        "title": facts.event,
        "sub_title": "",
        "collateral_return_type": "MECNET" if facts.exclusive else "",
        "mutually_exclusive": facts.exclusive,
        "category": "Simulation",
        "strike_period": "",
        "settlement_sources": [],
        "exchange_index": 0,
    }


def series(facts: MarketFacts) -> dict[str, Any]:
    """Write the series of a market; a fee type that is not known is written as the standard one."""
    fee_type = FeeType.QUADRATIC if facts.fee_type is FeeType.UNKNOWN else facts.fee_type
    return {
        "ticker": facts.series,
        "frequency": "custom",
        "title": facts.series,
        "category": "Simulation",
        "categories": ["Simulation"],
        "tags": [],
        "settlement_sources": [],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": fee_type.value,
        "fee_multiplier": facts.fee_multiplier_ppm / 1_000_000,
        "additional_prohibitions": [],
        "exchange_index": 0,
    }


def order(account: str, shown: ExchangeOrder, costs: OrderCosts, request: OrderRequest) -> dict[str, Any]:
    created_us = shown.created_us or 0
    body: dict[str, Any] = {
        "order_id": shown.exchange_order_id,
        "user_id": user_id(account),
        "client_order_id": shown.client_order_id,
        "ticker": shown.ticker,
        "side": "yes",
        "action": action(shown.book_side),
        "outcome_side": outcome_side(shown.book_side),
        "book_side": shown.book_side.value,
        "type": "limit",
        "status": shown.status.value,
        "yes_price_dollars": format_price(shown.price_cc),
        "no_price_dollars": format_price(no_price(shown.price_cc)),
        "fill_count_fp": format_size(shown.filled_centi),
        "remaining_count_fp": format_size(shown.remaining_centi),
        "initial_count_fp": format_size(shown.initial_centi),
        "taker_fill_cost_dollars": format_micros(costs.taker_cost_micros),
        "maker_fill_cost_dollars": format_micros(costs.maker_cost_micros),
        "taker_fees_dollars": format_micros(costs.taker_fees_micros),
        "maker_fees_dollars": format_micros(costs.maker_fees_micros),
        "created_time": to_rfc3339(created_us),
        "last_update_time": to_rfc3339(shown.updated_us or created_us),
        "self_trade_prevention_type": request.self_trade_prevention.value,
        "cancel_order_on_pause": request.cancel_order_on_pause,
        "subaccount_number": 0,
        "exchange_index": 0,
    }
    if shown.expires_us is not None:
        body["expiration_time"] = to_rfc3339(shown.expires_us)
    if request.order_group_id is not None:
        body["order_group_id"] = request.order_group_id
    return body


def fill(booked: ExchangeFill) -> dict[str, Any]:
    side = outcome_side(booked.book_side)
    body: dict[str, Any] = {
        "fill_id": booked.trade_id,
        "trade_id": booked.trade_id,
        "exchange_index": 0,
        "order_id": booked.exchange_order_id,
        "ticker": booked.ticker,
        "market_ticker": booked.ticker,
        "side": side,
        "action": "buy",
        "outcome_side": side,
        "book_side": booked.book_side.value,
        "count_fp": format_size(booked.size_centi),
        "yes_price_dollars": format_price(booked.price_cc),
        "no_price_dollars": format_price(no_price(booked.price_cc)),
        "is_taker": booked.is_taker,
        "created_time": to_rfc3339(booked.created_us),
        "fee_cost": format_micros(booked.fee_micros),
        "subaccount_number": 0,
        "ts": booked.created_us // 1_000_000,
    }
    if booked.basis is not None:
        body["simulation_basis"] = booked.basis
    return body


def balance(held: ExchangeBalance, portfolio_micros: int, now_us: int) -> dict[str, Any]:
    """Write the available cash; whole cents are cut off, as the exchange cuts them."""
    dollars = dollars_down(held.balance_micros)
    return {
        "balance": held.balance_micros // 10_000,
        "balance_dollars": dollars,
        "portfolio_value": portfolio_micros // 10_000,
        "updated_ts": (held.updated_us or now_us) // 1_000_000,
        "balance_breakdown": [{"balance": dollars, "exchange_index": 0}],
    }


def settlement(paid: ExchangeSettlement, costs: tuple[int, int, int]) -> dict[str, Any]:
    """Write a payout; ``costs`` are what was paid for YES, for NO, and in fees. Revenue is in whole cents, cut off."""
    yes_micros, no_micros, fees_micros = costs
    result = {10_000: "yes", 0: "no"}.get(paid.settlement_cc, "scalar")
    return {
        "ticker": paid.ticker,
        "exchange_index": 0,
        "event_ticker": paid.event,
        "market_result": result,
        "yes_count_fp": format_size(paid.yes_centi),
        "yes_total_cost_dollars": format_micros(yes_micros),
        "no_count_fp": format_size(paid.no_centi),
        "no_total_cost_dollars": format_micros(no_micros),
        "revenue": paid.revenue_micros // 10_000,
        "settled_time": to_rfc3339(paid.settled_us),
        "fee_cost": format_micros(fees_micros),
        "value": paid.settlement_cc // 100,
    }
