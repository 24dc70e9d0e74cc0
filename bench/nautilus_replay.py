"""The peer of ``bench.backtest``: replays deltas in nautilus_trader's backtest engine. Needs nautilus_trader only.

Run by an interpreter that has it, with a file of the recorded deltas (``np.save``; columns: time in nanoseconds, 1 for
a bid or -1, price in 1/100 cent, the level's size before and after in 1/100 contract). Each line on standard input is
one run; its result is a line of JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import time

import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BookOrder, OrderBookDelta
from nautilus_trader.model.enums import AccountType, AssetClass, BookAction, BookType, OmsType, OrderSide, RecordFlag
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("SIM")
MARKET = InstrumentId(Symbol("MARKET"), VENUE)


class BestPrices(Strategy):  # type: ignore[misc]
    """Reads both best prices after each delta."""

    def on_start(self) -> None:
        self.calls = 0
        self.checksum = 0
        self.subscribe_order_book_deltas(MARKET, book_type=BookType.L2_MBP)

    def on_order_book_deltas(self, deltas: object) -> None:
        book = self.cache.order_book(MARKET)
        bid, ask = book.best_bid_price(), book.best_ask_price()
        self.calls += 1
        if bid is not None and ask is not None:
            self.checksum += round(float(bid) * 10_000) + round(float(ask) * 10_000)


def instrument() -> BinaryOption:
    return BinaryOption(
        instrument_id=MARKET, raw_symbol=MARKET.symbol, asset_class=AssetClass.ALTERNATIVE, currency=USD,
        price_precision=4, size_precision=2, price_increment=Price.from_str("0.0001"),
        size_increment=Quantity.from_str("0.01"), activation_ns=0, expiration_ns=2**62, ts_event=0, ts_init=0,
    )  # fmt: skip


def deltas_of(rows: list[list[int]]) -> list[OrderBookDelta]:
    deltas = []
    for at_ns, side, price_cc, before_centi, after_centi in rows:
        action = BookAction.DELETE if not after_centi else BookAction.UPDATE if before_centi else BookAction.ADD
        order = BookOrder(
            OrderSide.BUY if side > 0 else OrderSide.SELL,
            Price(price_cc / 10_000, 4),
            Quantity(after_centi / 100, 2),
            0,
        )
        deltas.append(OrderBookDelta(MARKET, action, order, RecordFlag.F_LAST, 0, at_ns, at_ns))
    return deltas


def run(deltas: list[OrderBookDelta]) -> dict[str, float]:
    """Replay once; the CPU time is that of ``BacktestEngine.run``, without loading the data."""
    logging = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=logging, run_analysis=False))
    engine.add_venue(
        VENUE, OmsType.NETTING, AccountType.CASH, starting_balances=[Money(1_000, USD)], base_currency=USD,
        book_type=BookType.L2_MBP,
    )  # fmt: skip
    engine.add_instrument(instrument())
    strategy = BestPrices()
    engine.add_strategy(strategy)
    engine.add_data(deltas)
    gc.collect()
    gc.disable()
    began_s = time.process_time()
    engine.run()
    spent_s = time.process_time() - began_s
    gc.enable()
    calls, checksum = strategy.calls, strategy.checksum
    engine.dispose()
    return {"cpu_s": spent_s, "calls": calls, "checksum": checksum}


def main() -> None:
    deltas = deltas_of(np.load(sys.argv[1]).tolist())
    for _ in sys.stdin:
        print(json.dumps(run(deltas)), flush=True)


if __name__ == "__main__":
    main()
