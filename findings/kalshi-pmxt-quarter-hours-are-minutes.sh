#!/usr/bin/env bash
# pmxt-core: candles of 15 minutes are candles of one minute
#
# Guess: fetchOHLCV with the resolution 15m gives candles of 15 minutes, combined from those of a minute since the
# exchange has 1, 60 and 1440 minutes, or refuses.
# Seen: The exchange is asked for minutes, and its candles are passed on one by one; limit keeps the newest of them.
# The same for 5m, and for 6h with hours.
# Why it matters: Four candles of 15 minutes are an hour to the caller and four minutes in fact: the volatility of a
# bar is too small by a factor of about four, and each window of an indicator is a fifteenth of what it should be.
# Packages: pmxt-core==2.41.0, axios==1.21.1; recorded with Node.js 20
# Run: bash findings/kalshi-pmxt-quarter-hours-are-minutes.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund axios@1.21.1 >> npm.log
npm pack --silent pmxt-core@2.41.0 >> npm.log
mkdir node_modules/pmxt-core # the package alone: its other dependencies are for other exchanges
tar xzf pmxt-core-2.41.0.tgz -C node_modules/pmxt-core --strip-components 1
cat > expected.txt <<'EXPECTED'
1m: asked for 1 minutes, 4 candles 60 s apart
5m: asked for 1 minutes, 4 candles 60 s apart
15m: asked for 1 minutes, 4 candles 60 s apart
1h: asked for 60 minutes, 4 candles 3600 s apart
6h: asked for 60 minutes, 4 candles 3600 s apart
1d: asked for 1440 minutes, 4 candles 86400 s apart
EXPECTED
cat > program.cjs <<'PROGRAM'
const { KalshiFetcher } = require("pmxt-core/dist/exchanges/kalshi/fetcher.js");
const { KalshiNormalizer } = require("pmxt-core/dist/exchanges/kalshi/normalizer.js");

const END = 1796126400;
let asked;
const candle = (end_period_ts) => ({ end_period_ts, volume_fp: "10.00", open_interest_fp: "50.00",
  price: { open_dollars: "0.4000", high_dollars: "0.4200", low_dollars: "0.3900", close_dollars: "0.4100" } });
const callApi = async (operation, { period_interval, start_ts, end_ts }) => {
  asked = period_interval;
  const candlesticks = [];
  for (let end = start_ts; end <= end_ts; end += period_interval * 60) candlesticks.push(candle(end));
  return { ticker: "KXEVENT-26DEC31-A", candlesticks };
};
(async () => {
  const fetcher = new KalshiFetcher({ callApi });
  const normalizer = new KalshiNormalizer();
  for (const resolution of ["1m", "5m", "15m", "1h", "6h", "1d"]) {
    const params = { resolution, limit: 4, start: new Date((END - 7 * 86400) * 1000), end: new Date(END * 1000) };
    const raw = await fetcher.fetchRawOHLCV("KXEVENT-26DEC31-A", params);
    const candles = normalizer.normalizeOHLCV(raw, params);
    const apart = (candles[1].timestamp - candles[0].timestamp) / 1000;
    console.log(`${resolution}: asked for ${asked} minutes, ${candles.length} candles ${apart} s apart`);
  }
})();
PROGRAM
node program.cjs > observed.txt 2> log.txt || { cat log.txt >&2; exit 1; }
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
