"""A random result of a backtest: a market maker over 15-minute markets, consistent to the micro-dollar."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Final

from support.backtest_results import (
    ASK,
    BALANCE_MICROS,
    BID,
    MINUTE_US,
    SECOND_US,
    START_US,
    fill,
    market,
    one_pass,
    order,
    point,
    result,
)
from truebook.backtest.result import (
    AccountResult,
    BacktestResult,
    EquityPoint,
    Fill,
    MarketResult,
    Order,
    PassResult,
    Prediction,
)
from truebook.simulation.events import Basis
from truebook.simulation.recorded.queue import QueueModel
from truebook.venue.account import OrderStatus

LIFE_US: Final = 15 * MINUTE_US
STEPS: Final = 300
FILLS: Final = {QueueModel.PESSIMISTIC: 18, QueueModel.REALISTIC: 24, QueueModel.OPTIMISTIC: 30}


def random_result(
    markets: int = 16, *, edge_cc: int = 0, seed: int = 1, queues: Sequence[QueueModel] = tuple(QueueModel)
) -> BacktestResult:
    """Return the result; ``edge_cc`` is added to the profit of each maker's fill."""
    names = tuple(f"KXBTC15M{number:02d}-T{60_000 + 250 * number}" for number in range(markets))
    data = {"markets": names, "to_us": START_US + markets * LIFE_US, "events": 1_234_567}
    data["reached_us"] = data["to_us"]
    return result(*(_Maker(queue, seed, edge_cc).trade(names) for queue in queues), data=data)


class _Maker:
    """One pass; the prices depend on the seed, the fills also on the queue model."""

    def __init__(self, queue: QueueModel, seed: int, edge_cc: int) -> None:
        self._queue, self._seed, self._edge_cc = queue, seed, edge_cc
        self._random = random.Random(f"{seed}:{queue}")
        self._cash, self._fees = BALANCE_MICROS, 0
        self._points: list[EquityPoint] = [point(0, BALANCE_MICROS)]
        self._fills: list[Fill] = []
        self._orders: list[Order] = []
        self._predictions: list[Prediction] = []

    def trade(self, names: Sequence[str]) -> PassResult:
        markets = tuple(self._trade_market(number, ticker) for number, ticker in enumerate(names))
        account = AccountResult(
            deposits_micros=BALANCE_MICROS, cash_micros=self._cash, reserved_micros=0, position_cost_micros=0,
            realized_micros=self._cash - BALANCE_MICROS + self._fees, unrealized_micros=0, fees_micros=self._fees,
            equity_micros=self._cash,
        )  # fmt: skip
        sent = len(self._orders)
        return one_pass(
            self._queue, account=account, equity=tuple(self._points), orders=tuple(self._orders),
            fills=tuple(self._fills), markets=markets, observations=4_800, decisions=4_790, targets=2_100,
            refusals={"throttle": 812, "cash": 40, "market_limit": 7, "no_edge": 2_345},
            outcomes={"sent": sent, "acknowledged": sent, "refused": 859}, predictions=tuple(self._predictions),
        )  # fmt: skip

    def _trade_market(self, number: int, ticker: str) -> MarketResult:
        prices = random.Random(f"{self._seed}:{ticker}")
        outcome_cc = prices.choice((0, 10_000))
        path_cc, position, first = 5_000.0, 0, len(self._fills)
        cash_before, fees_before = self._cash, self._fees
        for step in range(STEPS):
            drift = (outcome_cc - path_cc) * 0.006 if step > STEPS // 2 else 0.0
            path_cc = min(9_800.0, max(200.0, path_cc + drift + prices.gauss(0, 90)))
            after_us, mid_cc = number * LIFE_US + step * 3 * SECOND_US, round(path_cc)
            if step % 5 == 0:
                self._predict(ticker, after_us, mid_cc, outcome_cc)
            if self._random.random() < FILLS[self._queue] / STEPS:
                position += self._fill(ticker, after_us, mid_cc)
            elif self._random.random() < 0.2:
                self._orders.append(order(f"{number}-{step}", 500, 0, ticker=ticker))
            if step % 10 == 0:
                exposure = abs(position) * (mid_cc if position > 0 else 10_000 - mid_cc)
                self._points.append(
                    point(after_us, self._cash + mid_cc * position, exposure_micros=exposure, fees_micros=self._fees)
                )
        self._cash += outcome_cc * position
        self._points.append(point((number + 1) * LIFE_US - 1, self._cash, fees_micros=self._fees))
        own, fees = self._fills[first:], self._fees - fees_before
        return market(
            ticker, realized_micros=self._cash - cash_before + fees, fees_micros=fees, fills=len(own),
            outcome_cc=outcome_cc, position_centi=position, bought_centi=sum(each.size_centi for each in own),
            turnover_micros=sum(
                (each.price_cc if each.side is BID else 10_000 - each.price_cc) * each.size_centi for each in own
            ),
        )  # fmt: skip

    def _predict(self, ticker: str, after_us: int, mid_cc: int, outcome_cc: int) -> None:
        guess_ppm = min(990_000, max(10_000, mid_cc * 100 + round(self._random.gauss(10_000, 30_000))))
        self._predictions.append(
            Prediction(
                at_us=START_US + after_us, ticker=ticker, probability_ppm=guess_ppm, mid_half_cc=2 * mid_cc,
                outcome_cc=outcome_cc,
            )
        )  # fmt: skip

    def _fill(self, ticker: str, after_us: int, mid_cc: int) -> int:
        """Fill an order; returns the change of the position."""
        draw = self._random
        side, is_taker = draw.choice((BID, ASK)), draw.random() < 0.15
        sign = 1 if side is BID else -1
        better_cc = -60 if is_taker else 50 + self._edge_cc
        price_cc = min(9_900, max(100, round((mid_cc - sign * better_cc) / 10) * 10))
        size_centi, order_id = draw.choice((100, 500, 1_000)), f"{ticker}-{after_us}"
        fee = math.ceil(0.07 * price_cc * (10_000 - price_cc) * size_centi / 10_000) if is_taker else 0
        self._fills.append(
            fill(
                ticker, side, price_cc, size_centi, at_us=START_US + after_us, order_id=order_id, trade_id=order_id,
                fee_micros=fee, is_taker=is_taker, mid_half_cc=2 * mid_cc,
                basis=Basis.BOOK_CROSS if is_taker else draw.choice((Basis.QUEUE, Basis.TRADE_THROUGH)),
                mark_outs_half_cc=tuple(2 * (mid_cc - sign * 8 * k + round(draw.gauss(0, 30 * k))) for k in (1, 2, 4)),
            )
        )  # fmt: skip
        self._orders.append(
            order(
                order_id, size_centi, size_centi, ticker=ticker, side=side, price_cc=price_cc,
                status=OrderStatus.EXECUTED, created_us=START_US + after_us - draw.randrange(200_000, 20_000_000),
                queue_ahead_centi=None if is_taker else draw.randrange(20_000),
            )
        )  # fmt: skip
        self._cash -= sign * price_cc * size_centi + fee
        self._fees += fee
        return sign * size_centi
