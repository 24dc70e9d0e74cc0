#!/usr/bin/env bash
# pykalshi: a rejected order of a batch leaves no trace.
#
# Guess: batch_place_orders raises an error, or returns one entry per order of which the rejected one carries the
#   error.
# Seen: The rejected item is left out. Three orders go in, two come back, without an error or a marker.
# Why it matters: zip(requests, results) pairs the second request with the third order, and a rejection for lack of
#   cash is never noticed.
#
# Packages: pykalshi==2.0.0
# Run: bash findings/kalshi-pykalshi-batch-drops-rejects.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pykalshi==2.0.0
cd "$work"

cat >program.py <<'PROGRAM'
import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pykalshi import Action, KalshiClient, Side

logging.disable(logging.CRITICAL)

def serve(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/trade-api/v2"

def write_key(path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with open(path, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


class Exchange(BaseHTTPRequestHandler):
    """Documented batch response: one entry per order, the second one an error."""

    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        accepted = {"fill_count": "0.00", "remaining_count": "1.00", "ts_ms": 1781159360866}
        error = {"code": "insufficient_balance", "message": "insufficient balance"}
        body = json.dumps({"orders": [
            {"order_id": "order-1", "client_order_id": "c1", **accepted},
            {"client_order_id": "c2", "error": error},
            {"order_id": "order-3", "client_order_id": "c3", **accepted},
        ]}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


client = KalshiClient(api_key_id="key", private_key_path=write_key("key.pem"), api_base=serve(Exchange))
requests = [
    {"ticker": "KXTEST-26-A", "book_side": "bid", "price_dollars": price, "count_fp": "1.00", "client_order_id": name}
    for name, price in (("c1", "0.40"), ("c2", "0.41"), ("c3", "0.42"))
]
orders = client.portfolio.batch_place_orders(requests)
print("sent:", [request["client_order_id"] for request in requests])
print("returned:", [order.client_order_id for order in orders])
PROGRAM

cat >expected.txt <<'EXPECTED'
sent: ['c1', 'c2', 'c3']
returned: ['c1', 'c3']
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
