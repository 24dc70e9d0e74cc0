#!/usr/bin/env bash
# pmxt-core: an order that sells is listed as one that buys, without size
#
# Guess: A resting order to sell 10 contracts at 0.35, of which 4 are filled, is listed as a sale of 10 at 0.35 with 4
# filled and 6 remaining.
# Seen: It is a buy. Its amount and price are undefined, the filled part is NaN, and nothing remains. The package
# takes the outcome (YES for both orders, as the exchange lists them) for the direction, and reads sizes by names that
# are gone.
# Why it matters: A program that nets its open orders adds the sales to the purchases, or takes it that nothing is
# open.
# Packages: pmxt-core==2.41.0; recorded with Node.js 20
# Run: bash findings/kalshi-pmxt-resting-ask-is-a-buy.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes > npm.log
npm pack --silent pmxt-core@2.41.0 >> npm.log
mkdir --parents node_modules/pmxt-core # the package alone: its dependencies are for other exchanges
tar xzf pmxt-core-2.41.0.tgz -C node_modules/pmxt-core --strip-components 1
cat > expected.txt <<'EXPECTED'
order to buy: side buy, amount undefined, price undefined, filled NaN, remaining 0, status open
order to sell: side buy, amount undefined, price undefined, filled NaN, remaining 0, status open
EXPECTED
cat > program.cjs <<'PROGRAM'
const { KalshiNormalizer } = require("pmxt-core/dist/exchanges/kalshi/normalizer.js");

const order = (action, book_side, outcome_side) => ({ order_id: "19d9f274-0000-4000-8000-000000000001", action,
  book_side, outcome_side, side: "yes", ticker: "KXEVENT-26DEC31-A", type: "limit", status: "resting",
  client_order_id: "ef9e9268-0000-4000-8000-000000000001", created_time: "2026-12-01T12:00:00.000000Z",
  last_update_time: "2026-12-01T12:00:00.000000Z", yes_price_dollars: "0.3500", no_price_dollars: "0.6500",
  initial_count_fp: "10.00", fill_count_fp: "4.00", remaining_count_fp: "6.00", maker_fees_dollars: "0.000000",
  taker_fees_dollars: "0.000000", maker_fill_cost_dollars: "1.400000", taker_fill_cost_dollars: "0.000000",
  self_trade_prevention_type: "taker_at_cross", subaccount_number: 0 });
const normalizer = new KalshiNormalizer();
for (const [name, raw] of [["buy", order("buy", "bid", "yes")], ["sell", order("sell", "ask", "no")]]) {
  const { side, amount, price, filled, remaining, status } = normalizer.normalizeOrder(raw);
  console.log(`order to ${name}: side ${side}, amount ${amount}, price ${price}, filled ${filled}, ` +
    `remaining ${remaining}, status ${status}`);
}
PROGRAM
node program.cjs > observed.txt 2> log.txt || { cat log.txt >&2; exit 1; }
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
