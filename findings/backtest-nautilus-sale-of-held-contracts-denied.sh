#!/usr/bin/env bash
# nautilus_trader: a cash account may not sell the winning contracts that it holds
#
# Guess: A cash account of $100 buys 100 contracts at $0.40 and sells them at $0.99: cash only grows, the sale is
# filled. The same account may not sell 100 contracts that it does not hold.
# Seen: The sale of the held contracts is denied, because its proceeds ($99) exceed the free cash ($60): the check
# treats a sale of a BinaryOption as a purchase. A sale of 100 contracts without a position is filled.
# Why it matters: A backtest cannot take profit on exactly its best trades, and may go short without collateral for
# the loss of $1 minus the price of each contract.
# Packages: nautilus_trader==1.221.0; recorded with Python 3.11
# Run: bash findings/backtest-nautilus-sale-of-held-contracts-denied.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  nautilus_trader==1.221.0
cat > "$work/expected.txt" <<'EXPECTED'
bought at 0.40, sold at 0.99: ['filled 100 at 0.40', 'OrderDenied: CUM_NOTIONAL_EXCEEDS_FREE_BALANCE: free=60.00 USD, cum_notional=99.00 USD']
bought at 0.40, sold at 0.39: ['filled 100 at 0.40', 'filled 100 at 0.39']
sold without a position: ['filled 100 at 0.39']
EXPECTED
"$work/venv/bin/python" -W ignore - > "$work/observed.txt" <<'PROGRAM'
from decimal import Decimal

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick, TradeTick
from nautilus_trader.model.enums import AccountType, AggressorSide, AssetClass, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

SECOND = 1_000_000_000
MARKET = BinaryOption(
    instrument_id=InstrumentId(Symbol("KXTEST-26-A"), Venue("KALSHI")),
    raw_symbol=Symbol("KXTEST-26-A"), asset_class=AssetClass.ALTERNATIVE, currency=USD, price_precision=2,
    size_precision=0, price_increment=Price.from_str("0.01"), size_increment=Quantity.from_int(1), activation_ns=0,
    expiration_ns=10**18, ts_event=0, ts_init=0, maker_fee=Decimal(0), taker_fee=Decimal(0), outcome="Yes",
    description="synthetic", max_quantity=None, min_quantity=Quantity.from_int(1),
)


def quote(second, bid, ask):
    size = Quantity.from_int(500)
    return QuoteTick(MARKET.id, Price.from_str(bid), Price.from_str(ask), size, size, second * SECOND, second * SECOND)


class Script(Strategy):
    """Sends the orders of each quote: quote number -> (side, quantity, limit or None)."""

    def __init__(self, orders, log):
        super().__init__()
        self.planned, self.seen, self.number = orders, log, 0

    def on_start(self):
        self.subscribe_quote_ticks(MARKET.id)

    def on_quote_tick(self, tick):
        self.number += 1
        if self.number in self.planned:
            side, quantity, limit = self.planned[self.number]
            size = Quantity.from_int(quantity)
            if limit is None:
                self.submit_order(self.order_factory.market(MARKET.id, side, size))
            else:
                self.submit_order(self.order_factory.limit(MARKET.id, side, size, Price.from_str(limit)))

    def on_event(self, event):
        kind = type(event).__name__
        if kind == "OrderFilled":
            self.seen.append(f"filled {event.last_qty} at {event.last_px}")
        elif kind in ("OrderDenied", "OrderRejected"):
            self.seen.append(f"{kind}: {event.reason}")


def run(label, data, orders):
    log = []
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(Venue("KALSHI"), oms_type=OmsType.NETTING, account_type=AccountType.CASH, base_currency=USD,
                     starting_balances=[Money.from_str("100 USD")], trade_execution=True)
    engine.add_instrument(MARKET)
    engine.add_data(sorted(data, key=lambda tick: tick.ts_init))
    engine.add_strategy(Script(orders, log))
    engine.run()
    print(f"{label}: {log}")
    engine.dispose()


start = [quote(second, "0.39", "0.40") for second in (1, 2, 3)]
end = [quote(second, "0.99", "1.00") for second in (4, 5)]
run("bought at 0.40, sold at 0.99", start + end, {1: (OrderSide.BUY, 100, None), 4: (OrderSide.SELL, 100, None)})
run("bought at 0.40, sold at 0.39", start + end, {1: (OrderSide.BUY, 100, None), 2: (OrderSide.SELL, 100, None)})
run("sold without a position", start + end, {1: (OrderSide.SELL, 100, None)})
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
