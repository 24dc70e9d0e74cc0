"""Results of backtests for tests, put together from parts that can be computed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from truebook.backtest.result import (
    AccountResult,
    BacktestResult,
    BacktestSettings,
    DataInfo,
    EquityPoint,
    Fill,
    MarketResult,
    ModelInfo,
    Order,
    PassResult,
)
from truebook.decision.strategy import Output
from truebook.messages.envelope import BookSide
from truebook.simulation.events import Basis
from truebook.simulation.recorded.queue import QueueModel
from truebook.venue.account import OrderStatus

START_US: Final = 1_790_000_000_000_000
"""2026-09-21 14:13:20 UTC."""
SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
BALANCE_MICROS: Final = 1_000_000_000
BID, ASK = BookSide.BID, BookSide.ASK


def fill(ticker: str, side: BookSide, price_cc: int, size_centi: int, **fields: Any) -> Fill:
    """A maker's fill from the queue, at the start, without a fee."""
    base: dict[str, Any] = {
        "at_us": START_US, "trade_id": "t", "order_id": "o", "fee_micros": 0, "is_taker": False, "basis": Basis.QUEUE,
        "mid_half_cc": None,
    }  # fmt: skip
    return Fill(ticker=ticker, side=side, price_cc=price_cc, size_centi=size_centi, **(base | fields))


def order(order_id: str, size_centi: int, filled_centi: int, **fields: Any) -> Order:
    """A resting bid of market ``A-1`` at 40 cents."""
    base: dict[str, Any] = {
        "ticker": "A-1", "client_order_id": order_id, "side": BID, "price_cc": 4_000, "status": OrderStatus.CANCELED,
        "last_update_reason": None, "decided_us": START_US, "created_us": START_US, "ended_us": None,
        "expires_us": None, "queue_ahead_centi": 0,
    }  # fmt: skip
    return Order(order_id=order_id, size_centi=size_centi, filled_centi=filled_centi, **(base | fields))


def market(ticker: str, **fields: Any) -> MarketResult:
    """A market without a fill that settled at NO; its event is the text before the dash."""
    base: dict[str, Any] = {
        "event": ticker.partition("-")[0], "position_centi": 0, "cost_micros": 0, "realized_micros": 0,
        "unrealized_micros": 0, "fees_micros": 0, "outcome_cc": 0, "bought_centi": 0, "turnover_micros": 0, "fills": 0,
        "market_volume_centi": 100_000,
    }  # fmt: skip
    return MarketResult(ticker=ticker, **(base | fields))


def point(after_us: int, equity_micros: int | None, **fields: int) -> EquityPoint:
    """A point of the equity curve; all of the equity is cash."""
    base = {"cash_micros": equity_micros or 0, "reserved_micros": 0, "exposure_micros": 0, "fees_micros": 0}
    return EquityPoint(at_us=START_US + after_us, equity_micros=equity_micros, **(base | fields))


def one_pass(queue: QueueModel = QueueModel.REALISTIC, **fields: Any) -> PassResult:
    """A pass in which nothing happened."""
    account = AccountResult(
        deposits_micros=BALANCE_MICROS, cash_micros=BALANCE_MICROS, reserved_micros=0, position_cost_micros=0,
        realized_micros=0, unrealized_micros=0, fees_micros=0, equity_micros=BALANCE_MICROS,
    )  # fmt: skip
    base: dict[str, Any] = {
        "account": account, "equity": (), "orders": (), "fills": (), "markets": (), "refusals": {}, "outcomes": {},
        "observations": 0, "decisions": 0, "targets": 0,
    }  # fmt: skip
    return PassResult(queue=queue, **(base | fields))


def result(
    *passes: PassResult, settings: Mapping[str, Any] | None = None, data: Mapping[str, Any] | None = None, **more: Any
) -> BacktestResult:
    """A result over one hour; ``settings`` and ``data`` replace single fields."""
    of_data: dict[str, Any] = {
        "name": "recording", "sha256": "d" * 64, "from_us": START_US, "to_us": START_US + 60 * MINUTE_US,
        "reached_us": START_US + 60 * MINUTE_US, "markets": ("A-1",), "events": 1_000,
    }  # fmt: skip
    of_settings: dict[str, Any] = {
        "seed": 1, "balance_micros": BALANCE_MICROS, "order_latency_us": 100_000, "cancel_latency_us": 100_000,
        "jitter_us": 10_000, "throttle_us": 250_000, "order_lifetime_us": 30 * SECOND_US, "latency": "home",
    }  # fmt: skip
    model = ModelInfo(name="maker", sha256="e" * 64, layout="m1", layout_hash="f" * 64, output=Output.YES_PROBABILITY)
    base: dict[str, Any] = {
        "data": DataInfo(**(of_data | dict(data or {}))),
        "settings": BacktestSettings(**(of_settings | dict(settings or {}))),
        "model": model,
        "passes": passes,
    }
    return BacktestResult(**(base | more))


def with_profits(profits_micros: Mapping[str, int], queue: QueueModel = QueueModel.REALISTIC) -> PassResult:
    """A pass with one settled market per ticker and these profits; one contract each, bought at the profit's cost."""
    markets, fills = [], []
    for ticker, profit_micros in profits_micros.items():
        outcome_cc = 10_000 if profit_micros > 0 else 0
        price_cc = (outcome_cc * 100 - profit_micros) // 100
        fills.append(fill(ticker, BID, price_cc, 100))
        markets.append(
            market(
                ticker, realized_micros=profit_micros, outcome_cc=outcome_cc, fills=1, turnover_micros=price_cc * 100,
                position_centi=100, bought_centi=100,
            )
        )  # fmt: skip
    return one_pass(queue, fills=tuple(fills), markets=tuple(markets))
