#!/usr/bin/env bash
# pykalshi: one place_order call can leave two orders on the exchange.
#
# Guess: The documented automatic retries cover reads. An order whose request times out raises an error, because
#   only the caller can decide whether sending it again is safe.
# Seen: The client posts the same order again without a client_order_id and returns the second order as if it were
#   the only one. The first one, which the exchange accepted late, is not visible to the caller.
# Why it matters: The account holds twice the intended size. Kalshi can only recognise the repetition if the order
#   carries a client_order_id.
#
# Packages: pykalshi==2.0.0
# Run: bash findings/kalshi-pykalshi-order-sent-twice.sh
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


accepted = []


class Exchange(BaseHTTPRequestHandler):
    """Accepts each order; the response to the first one is late."""

    def log_message(self, *args):
        pass

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        accepted.append(order)
        number = len(accepted)
        if number == 1:
            time.sleep(1.0)
        body = json.dumps({"order_id": f"order-{number}", "fill_count": "0.00", "remaining_count": order["count"],
                           "ts_ms": 1781159360866}).encode()
        try:
            self.send_response(201)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass


client = KalshiClient(api_key_id="key", private_key_path=write_key("key.pem"), api_base=serve(Exchange), timeout=0.3)
order = client.portfolio.place_order("KXTEST-26-A", Action.BUY, Side.YES, "10.00", yes_price_dollars="0.40")
print("returned:", order.order_id)
print("accepted by the exchange:", len(accepted))
print("client order ids:", [item.get("client_order_id") for item in accepted])
PROGRAM

cat >expected.txt <<'EXPECTED'
returned: order-2
accepted by the exchange: 2
client order ids: [None, None]
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
