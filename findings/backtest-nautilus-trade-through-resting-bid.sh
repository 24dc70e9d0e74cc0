#!/usr/bin/env bash
# nautilus_trader: a resting bid is not filled by a seller who trades through it, but by a buyer
#
# Guess: With quotes, trades and trade_execution=True, a bid resting at 0.39 is filled when a seller trades at 0.38,
# below it. A trade of a buyer at 0.39 does not touch it.
# Seen: The trade of the seller at 0.38 fills nothing. The trade of the buyer at 0.39 fills the bid: the price of a
# buying trade becomes the ask of the simulated book, that of a selling trade the bid.
# Why it matters: A maker strategy on recorded quotes and trades gets its fills from the wrong side of the tape: no
# adverse selection by sellers, and fills on trades that could not reach its order.
# Packages: nautilus_trader==1.221.0; recorded with Python 3.11
# Run: bash findings/backtest-nautilus-trade-through-resting-bid.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  nautilus_trader==1.221.0
cat > "$work/expected.txt" <<'EXPECTED'
bid 0.39 rests, seller trades at 0.39: []
bid 0.39 rests, seller trades at 0.38: []
bid 0.39 rests, buyer trades at 0.39: ['filled 10 at 0.39']
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


quotes = [quote(second, "0.39", "0.40") for second in (1, 2, 3)]
for aggressor, price in ((AggressorSide.SELLER, "0.39"), (AggressorSide.SELLER, "0.38"), (AggressorSide.BUYER, "0.39")):
    time_ns = SECOND + SECOND // 2
    trade = TradeTick(MARKET.id, Price.from_str(price), Quantity.from_int(10), aggressor, TradeId("1"), time_ns, time_ns)
    label = f"bid 0.39 rests, {aggressor.name.lower()} trades at {price}"
    run(label, [*quotes, trade], {1: (OrderSide.BUY, 100, "0.39")})
PROGRAM
cat "$work/observed.txt"
diff -u "$work/expected.txt" "$work/observed.txt" >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
