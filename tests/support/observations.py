"""Observations and feature inputs for tests, with every field given a plain value."""

from __future__ import annotations

from typing import Any

from truebook.book.order_book import OrderBook
from truebook.features.history import History
from truebook.features.layout import FeatureInputs
from truebook.messages.envelope import Source
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
from truebook.messages.observations import Observation

NOW_US = 1_700_000_000_000_000


def example_market(**changed: Any) -> MarketMetadata:
    """A binary cent market that closes in an hour."""
    values: dict[str, Any] = {
        "ticker": "T-1", "event": "E-1", "series": "S", "status": MarketStatus.ACTIVE, "open_us": 0,
        "close_us": NOW_US + 3_600_000_000, "price_ranges": LINEAR_CENT, "fee_type": FeeType.QUADRATIC,
        "fee_multiplier_ppm": 1_000_000, "exclusive": False,
    }  # fmt: skip
    return MarketMetadata(**(values | changed))


def feature_inputs(**changed: Any) -> FeatureInputs:
    """A quiet book of 40/44 cents, no position, $1,000 of cash."""
    values: dict[str, Any] = {
        "book": OrderBook([(4_000, 3_000), (3_900, 500)], [(4_400, 1_000), (4_500, 500)]),
        "history": History(), "market": example_market(), "now_us": NOW_US, "confirmed_us": NOW_US,
        "cash_micros": 1_000_000_000, "reserved_micros": 0, "equity_micros": 1_000_000_000, "position_centi": 0,
        "position_cost_micros": 0,
    }  # fmt: skip
    return FeatureInputs(**(values | changed))


def observation(**changed: Any) -> Observation:
    """An observation of a cent market at 40/44 cents with the standard fees, no position, $1,000 of cash."""
    values: dict[str, Any] = {
        "id": "o-1", "cause_id": "", "account": "sim-main", "strategy": "s", "ticker": "T-1",
        "source": Source.SIMULATED, "exchange_us": NOW_US, "produced_us": NOW_US, "layout": "m1", "layout_hash": "",
        "features": (), "book_epoch": 1, "book_version": 1, "confirmed_us": NOW_US, "frame_us": 0, "ledger_seq": 1,
        "signals_digest": "", "best_bid_cc": 4_000, "best_bid_centi": 3_000, "best_ask_cc": 4_400,
        "best_ask_centi": 1_000, "position_centi": 0, "cash_micros": 1_000_000_000, "event": "E-1",
        "exclusive": False, "price_ranges": LINEAR_CENT, "fee_type": FeeType.QUADRATIC, "taker_rate_ppm": 70_000,
        "maker_rate_ppm": 0, "close_us": NOW_US + 3_600_000_000,
    }  # fmt: skip
    return Observation(**(values | changed))
