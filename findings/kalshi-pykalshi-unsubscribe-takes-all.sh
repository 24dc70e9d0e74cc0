#!/usr/bin/env bash
# pykalshi: unsubscribing one market ends the stream of the others.
#
# Guess: After subscribe(A) and subscribe(B) on one channel, unsubscribe(A) leaves B running.
# Seen: Kalshi merges a second subscribe into the subscription of the first and confirms it with `ok`. The client
#   ties the subscription number to A alone, so unsubscribe(A) ends the whole subscription, and unsubscribe(B) sends
#   nothing.
# Why it matters: B's book stops without an error and looks quiet rather than dead.
#
# Packages: pykalshi==2.0.0, websockets==17.4
# Run: bash findings/kalshi-pykalshi-unsubscribe-takes-all.sh
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


commands = []


async def exchange(socket):
    """Documented behaviour: a repeated subscribe to a channel extends the existing subscription."""
    sids, markets = {}, {}
    async for raw in socket:
        command = json.loads(raw)
        commands.append(command)
        if command["cmd"] != "subscribe":
            continue
        channel, ticker = command["params"]["channels"][0], command["params"]["market_ticker"]
        if channel not in sids:
            sids[channel], markets[channel] = len(sids) + 1, [ticker]
            reply = {"type": "subscribed", "id": command["id"], "msg": {"channel": channel, "sid": sids[channel]}}
        else:
            markets[channel].append(ticker)
            reply = {"type": "ok", "id": command["id"], "sid": sids[channel], "seq": 1,
                     "msg": {"market_tickers": markets[channel]}}
        await socket.send(json.dumps(reply))


feed = KalshiClient(api_key_id="key", private_key_path=write_key("key.pem")).feed()
feed._ws_url = serve(exchange)
feed.start()


def sent_by(action):
    count = len(commands)
    action()
    time.sleep(0.5)
    return [(command["cmd"], command["params"]) for command in commands[count:]]


sent_by(lambda: feed.subscribe("orderbook_delta", market_ticker="A"))
sent_by(lambda: feed.subscribe("orderbook_delta", market_ticker="B"))
print("unsubscribe A:", sent_by(lambda: feed.unsubscribe("orderbook_delta", market_ticker="A")))
print("unsubscribe B:", sent_by(lambda: feed.unsubscribe("orderbook_delta", market_ticker="B")))
feed.stop()
PROGRAM

cat >expected.txt <<'EXPECTED'
unsubscribe A: [('unsubscribe', {'sids': [1]})]
unsubscribe B: []
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
