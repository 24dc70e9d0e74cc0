#!/usr/bin/env bash
# orderbooks: the limit of depth keeps the worst bid and may drop the best one
#
# Guess: A book with maxDepth 2 keeps the best bid and the best ask, one with maxDepth 4 the two best of each side.
# Seen: The asks are as expected. Of the bids one level from the far end always stays, and better ones are dropped for
# it: with maxDepth 4 the bids are 0.40 and 0.35, with maxDepth 2 the only bid is 0.35, so the best bid is wrong and
# the spread 7 cents instead of 2.
# Why it matters: A Kalshi market with tenths of a cent has more levels than the default depth of 250. A sale that
# needs the second level is estimated at the worst price of the book, and top-of-book tracking has a false best bid.
# Packages: orderbooks==1.1.14 (npm); recorded with Node.js 20
# Run: bash findings/book-orderbooks-trim-keeps-the-worst-bid.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund orderbooks@1.1.14 >> npm.log
cat > expected.txt <<'EXPECTED'
maxDepth 12: best bid 0.4, best ask 0.42
  bids 0.4 0.39 0.38 0.37 0.36 0.35
  asks 0.42 0.43 0.44 0.45 0.46 0.47
  sale of 150 at 0.3967
maxDepth 6: best bid 0.4, best ask 0.42
  bids 0.4 0.39 0.35
  asks 0.42 0.43 0.44
  sale of 150 at 0.3967
maxDepth 4: best bid 0.4, best ask 0.42
  bids 0.4 0.35
  asks 0.42 0.43
  sale of 150 at 0.3833
maxDepth 2: best bid 0.35, best ask 0.42
  bids 0.35
  asks 0.42
EXPECTED
cat > program.cjs <<'PROGRAM'
const { OrderBookLevel, OrderBooksStore } = require("orderbooks");

const [PRICE, SIDE] = [1, 2];
const levels = [];
for (let i = 0; i < 6; i++) {
  levels.push(OrderBookLevel("M", (40 - i) / 100, "Buy", 100));
  levels.push(OrderBookLevel("M", (42 + i) / 100, "Sell", 100));
}

for (const maxDepth of [12, 6, 4, 2]) {
  const store = new OrderBooksStore({ maxDepth });
  store.handleSnapshot("M", structuredClone(levels), 1);
  const book = store.getBook("M");
  const prices = (side) => book.getBookState().filter((level) => level[SIDE] === side).map((level) => level[PRICE]);
  console.log(`maxDepth ${maxDepth}: best bid ${book.getBestBid()}, best ask ${book.getBestAsk()}`);
  console.log("  bids", prices("Buy").join(" "));
  console.log("  asks", prices("Sell").reverse().join(" "));
  if (maxDepth > 2) {
    console.log("  sale of 150 at", book.getEstimatedSlippage(150, "Sell").executionPrice.toFixed(4));
  }
}
PROGRAM
node program.cjs > observed.txt
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
