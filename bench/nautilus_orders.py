"""The peer of ``bench.backtest_orders``: a limit order and its cancel at each change, in nautilus_trader's engine.

Run by an interpreter that has it; arguments: the file of the deltas, see ``nautilus_replay``, and how many changes have
an order. Prints the CPU seconds of a run with orders and of one without, and the number of accepted orders, as JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import time

import numpy as np
from nautilus_replay import MARKET, VENUE, deltas_of, instrument  # type: ignore[import-not-found]
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType, BookType, OmsType, OrderSide
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy


class Orders(Strategy):  # type: ignore[misc]
    """Cancels its order and sends the next one."""

    def __init__(self, is_sending: bool) -> None:
        super().__init__()
        self._is_sending = is_sending
        self._last: object = None
        self.accepted = 0

    def on_start(self) -> None:
        self.subscribe_order_book_deltas(MARKET, book_type=BookType.L2_MBP)

    def on_order_book_deltas(self, deltas: object) -> None:
        if not self._is_sending:
            return
        if self._last is not None:
            self.cancel_order(self._last)
        self._last = self.order_factory.limit(
            MARKET, OrderSide.BUY, Quantity(1, 2), Price(0.0101, 4), post_only=True
        )  # fmt: skip
        self.submit_order(self._last)

    def on_order_accepted(self, event: object) -> None:
        self.accepted += 1


def run(rows: list[list[int]], is_sending: bool) -> tuple[float, int]:
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False))
    engine.add_venue(
        VENUE, OmsType.NETTING, AccountType.CASH, starting_balances=[Money(1_000_000, USD)], base_currency=USD,
        book_type=BookType.L2_MBP,
    )  # fmt: skip
    engine.add_instrument(instrument())
    strategy = Orders(is_sending)
    engine.add_strategy(strategy)
    engine.add_data(deltas_of(rows))
    gc.collect()
    gc.disable()
    began_s = time.process_time()
    engine.run()
    spent_s = time.process_time() - began_s
    gc.enable()
    accepted = strategy.accepted
    engine.dispose()
    return spent_s, accepted


def main() -> None:
    rows = np.load(sys.argv[1])[: int(sys.argv[2])].tolist()
    run(rows, True)
    with_s, accepted = run(rows, True)
    without_s, _ = run(rows, False)
    print(json.dumps({"with_s": with_s, "without_s": without_s, "orders": accepted}))


if __name__ == "__main__":
    main()
