#!/usr/bin/env bash
# pykalshi: an order that was decreased to nothing is reported as executed.
#
# Guess: After decrease() by the whole size the order has the status canceled, as no contract was traded.
# Seen: The status is executed, with a fill count of 0.00.
# Why it matters: A bot that counts executed orders as fills believes in a position that it does not have.
#
# Packages: pykalshi==2.0.0
# Run: bash findings/kalshi-pykalshi-decrease-reads-as-executed.sh
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
    """Documented V2 responses: create returns both counts, decrease only the remaining one."""

    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/decrease"):
            response = {"order_id": "order-1", "remaining_count": "0.00", "ts_ms": 1781159364112}
        else:
            response = {"order_id": "order-1", "fill_count": "0.00", "remaining_count": "10.00", "ts_ms": 1781159360866}
        body = json.dumps(response).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


client = KalshiClient(api_key_id="key", private_key_path=write_key("key.pem"), api_base=serve(Exchange))
order = client.portfolio.place_order("KXTEST-26-A", Action.BUY, Side.YES, "10.00", yes_price_dollars="0.40")
print("placed:", order.status.value, "filled", order.fill_count_fp, "remaining", order.remaining_count_fp)
order.decrease("10.00")
print("decreased by 10:", order.status.value, "filled", order.fill_count_fp, "remaining", order.remaining_count_fp)
PROGRAM

cat >expected.txt <<'EXPECTED'
placed: resting filled 0.00 remaining 10.00
decreased by 10: executed filled 0.00 remaining 0.00
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
