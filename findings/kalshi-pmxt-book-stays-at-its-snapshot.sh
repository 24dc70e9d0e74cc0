#!/usr/bin/env bash
# pmxt-core: the order book of a market stays as its snapshot was
#
# Guess: After a snapshot with a bid of 300 contracts at 0.48, a change of -300 at that price and one of +20 at 0.47, the next
# watchOrderBook() gives one bid, 20 at 0.47.
# Seen: Each change resolves watchOrderBook() with a book that has a new time and the levels of the snapshot. The package reads
# price_dollars_fp and delta_dollars_fp; the exchange sends price_dollars and delta_fp.
# Why it matters: A trader quotes against prices that were true when it connected. The book's time is the present, so a check of its age
# passes.
# Packages: pmxt-core==2.41.0, ws==8.23.0; recorded with Node.js 20
# Run: bash findings/kalshi-pmxt-book-stays-at-its-snapshot.sh
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
the snapshot: bids 300 at 0.48, asks 100 at 0.53
after -300 at 0.48: bids 300 at 0.48, asks 100 at 0.53; its time is newer
after +20 at 0.47: bids 300 at 0.48, asks 100 at 0.53; its time is newer
EXPECTED
cat > program.cjs <<'PROGRAM'
const { WebSocketServer } = require("ws");
const { KalshiWebSocket } = require("pmxt-core/dist/exchanges/kalshi/websocket.js");

console.log = console.error; // the package reports each connection
const show = (text) => process.stdout.write(text + "\n");

const TICKER = "KXEVENT-26DEC31-A";
const snapshot = { market_ticker: TICKER, market_id: "9b0f2a44-0000-4000-8000-000000000001",
  yes_dollars_fp: [["0.4800", "300.00"]], no_dollars_fp: [["0.4700", "100.00"]] };
const change = (price_dollars, delta_fp) => ({ market_ticker: TICKER, market_id: snapshot.market_id, price_dollars,
  delta_fp, side: "yes", ts: "2026-12-01T12:00:00Z", ts_ms: 1796126400000 });
const frames = [
  ["the snapshot", { type: "orderbook_snapshot", sid: 2, seq: 1, msg: snapshot }],
  ["after -300 at 0.48", { type: "orderbook_delta", sid: 2, seq: 2, msg: change("0.4800", "-300.00") }],
  ["after +20 at 0.47", { type: "orderbook_delta", sid: 2, seq: 3, msg: change("0.4700", "20.00") }],
];
const levels = (side) => side.map((each) => `${each.size} at ${each.price}`).join(" and ");

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 }, async () => {
  const client = new KalshiWebSocket({ getHeaders: () => ({}) }, { wsUrl: `ws://127.0.0.1:${server.address().port}/ws` });
  let socket, shown;
  server.on("connection", (connected) => (socket = connected));
  await client.connect();
  for (const [name, frame] of frames) {
    const next = client.watchOrderBook(TICKER);
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.send(JSON.stringify(frame));
    const book = await next;
    const time = shown === undefined ? "" : `; its time is ${book.timestamp > shown ? "newer" : "the same"}`;
    show(`${name}: bids ${levels(book.bids)}, asks ${levels(book.asks)}${time}`);
    shown = book.timestamp;
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
