#!/usr/bin/env bash
# pykalshi: an orderly close is followed by hundreds of reconnects per second.
#
# Guess: The feed waits for its backoff (0.5 s, doubled each time) before it connects again, whatever ended the
#   connection.
# Seen: The backoff covers only errors. After a close with code 1001 (going away) the feed connects again at once,
#   without a limit, and is_connected stays true all the time.
# Why it matters: Kalshi ends connections in its weekly maintenance. The client then uses up its connection
#   allowance while every health check is green.
#
# Packages: pykalshi==2.0.0, websockets==17.4
# Run: bash findings/kalshi-pykalshi-no-backoff-after-close.sh
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


connections = []


async def exchange(socket):
    """Close each connection in an orderly way, as a server does that goes into maintenance."""
    connections.append(time.monotonic())
    await socket.close(1001, "maintenance")


feed = KalshiClient(api_key_id="key", private_key_path=write_key("key.pem")).feed()
feed._ws_url = serve(exchange)
feed.start()
time.sleep(1.0)
print("more than 20 connections within a second:", len(connections) > 20)
print("is_connected:", feed.is_connected)
feed.stop()
PROGRAM

cat >expected.txt <<'EXPECTED'
more than 20 connections within a second: True
is_connected: True
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
