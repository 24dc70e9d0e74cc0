#!/usr/bin/env bash
# pykalshi: the feed's latency is more than fifty years after a trade.
#
# Guess: latency_ms is the distance between the local clock and the frame's exchange time: a few milliseconds here.
# Seen: Ticker, trade and fill frames carry `ts` in seconds and `ts_ms` in milliseconds. The feed reads `ts` as
#   milliseconds, so the latency is about 1.8e12 ms. Order book deltas, whose `ts` is a date, give the right value.
# Why it matters: A stale-feed guard on latency_ms stops all trading at the first public trade, and is correct again
#   after the next delta.
#
# Packages: pykalshi==2.0.0, websockets==17.4
# Run: bash findings/kalshi-pykalshi-latency-of-decades.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pykalshi==2.0.0 websockets==17.4
cd "$work"

cat >program.py <<'PROGRAM'
import asyncio
import json
import logging
import threading
import time

import websockets
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pykalshi import KalshiClient

logging.disable(logging.CRITICAL)

def write_key(path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with open(path, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def serve(handler):
    """Run a WebSocket server on the loopback interface in a thread; return its address."""
    ready = threading.Event()
    address = []

    async def main():
        async with websockets.serve(handler, "127.0.0.1", 0) as server:
            address.append(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            ready.set()
            await asyncio.Future()

    threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
    ready.wait()
    return address[0]

from datetime import datetime, timezone

now_ms = int(time.time() * 1000)
date = datetime.fromtimestamp(now_ms / 1000, timezone.utc).isoformat().replace("+00:00", "Z")
delta = {"type": "orderbook_delta", "sid": 1, "seq": 2, "msg": {
    "market_ticker": "KXTEST-26-A", "market_id": "m", "clock": 1, "price_dollars": "0.4500", "delta_fp": "1.00",
    "side": "yes", "ts": date, "ts_ms": now_ms}}
trade = {"type": "trade", "sid": 2, "seq": 1, "msg": {
    "trade_id": "t", "market_ticker": "KXTEST-26-A", "yes_price_dollars": "0.4500", "no_price_dollars": "0.5500",
    "count_fp": "1.00", "taker_side": "yes", "taker_outcome_side": "yes", "taker_book_side": "bid",
    "is_block_trade": False, "ts": now_ms // 1000, "ts_ms": now_ms}}
frames = [delta, trade, delta]


async def exchange(socket):
    """Send one frame per received command."""
    async for _ in socket:
        await socket.send(json.dumps(frames.pop(0)))


feed = KalshiClient(api_key_id="key", private_key_path=write_key("key.pem")).feed()
feed._ws_url = serve(exchange)
feed.start()
for number, (channel, kind) in enumerate((("orderbook_delta", "a delta"), ("trade", "a trade"), ("ticker", "a delta"))):
    feed.subscribe(channel, market_ticker="KXTEST-26-A")
    while feed.messages_received <= number:
        time.sleep(0.01)
    latency = feed.latency_ms
    size = "below one minute" if latency < 60_000 else "above 50 years" if latency > 1.5e12 else "other"
    print(f"after {kind}: {size}")
feed.stop()
PROGRAM

cat >expected.txt <<'EXPECTED'
after a delta: below one minute
after a trade: above 50 years
after a delta: below one minute
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
