#!/usr/bin/env bash
# pmxt-core: every trade of the stream is at 50 cents and has no size
#
# Guess: watchTrades() gives a trade of 136 contracts at 0.36 with that price and size.
# Seen: The price is 0.5 and the size 0, for each trade; side and time are right. The package reads yes_price and
# count, which the exchange has replaced by yes_price_dollars and count_fp, and takes 0.5 for an absent price.
# Why it matters: A last price of 0.5 is plausible in any market. A strategy that follows trades sees a constant price
# and no volume.
# Packages: pmxt-core==2.41.0, ws==8.23.0; recorded with Node.js 20
# Run: bash findings/kalshi-pmxt-every-trade-at-fifty-cents.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund ws@8.23.0 >> npm.log
npm pack --silent pmxt-core@2.41.0 >> npm.log
mkdir node_modules/pmxt-core # the package alone: its other dependencies are for other exchanges
tar xzf pmxt-core-2.41.0.tgz -C node_modules/pmxt-core --strip-components 1
cat > expected.txt <<'EXPECTED'
136 contracts at 0.36, taker sells: price 0.5, amount 0, side sell, 2026-12-01T12:00:00.000Z
2.5 contracts at 0.97, taker buys: price 0.5, amount 0, side buy, 2026-12-01T12:00:00.000Z
EXPECTED
cat > program.cjs <<'PROGRAM'
const { WebSocketServer } = require("ws");
const { KalshiWebSocket } = require("pmxt-core/dist/exchanges/kalshi/websocket.js");

console.log = console.error; // the package reports each connection
const show = (text) => process.stdout.write(text + "\n");
const TICKER = "KXEVENT-26DEC31-A";
const trade = (yes, no, count, taker, book) => ({ trade_id: "d91bc706-0000-4000-8000-000000000001",
  market_ticker: TICKER, yes_price_dollars: yes, no_price_dollars: no, count_fp: count, taker_side: taker,
  taker_outcome_side: taker, taker_book_side: book, is_block_trade: false, ts: 1796126400, ts_ms: 1796126400000 });
const trades = [
  ["136 contracts at 0.36, taker sells", trade("0.3600", "0.6400", "136.00", "no", "ask")],
  ["2.5 contracts at 0.97, taker buys", trade("0.9700", "0.0300", "2.50", "yes", "bid")],
];

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 }, async () => {
  const wsUrl = `ws://127.0.0.1:${server.address().port}/ws`;
  const client = new KalshiWebSocket({ getHeaders: () => ({}) }, { wsUrl });
  let socket;
  server.on("connection", (connected) => (socket = connected));
  await client.connect();
  for (const [at, [name, msg]] of trades.entries()) {
    const next = client.watchTrades(TICKER);
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.send(JSON.stringify({ type: "trade", sid: 11, seq: at + 1, msg }));
    const [seen] = await next;
    const time = new Date(seen.timestamp).toISOString();
    show(`${name}: price ${seen.price}, amount ${seen.amount}, side ${seen.side}, ${time}`);
  }
  await client.close();
  server.close();
  socket.terminate();
});
PROGRAM
node program.cjs > observed.txt 2> log.txt || { cat log.txt >&2; exit 1; }
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
