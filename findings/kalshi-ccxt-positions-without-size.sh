#!/usr/bin/env bash
# ccxt prediction.kalshi: every position has no size and no side.
#
# Guess: fetch_positions reports 3 contracts long YES and 5 contracts short, from the signed `position_fp` of the
#   wire.
# Seen: The parser reads the field `position`, which the exchange no longer sends. Size and side are None for each
#   position.
# Why it matters: Code that sums `contracts or 0` believes that the account is flat and opens the position again.
#
# Packages: ccxt==4.5.90
# Run: bash findings/kalshi-ccxt-positions-without-size.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check ccxt==4.5.90
cd "$work"

cat >program.py <<'PROGRAM'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ccxt.prediction.kalshi import kalshi
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

def serve(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/trade-api/v2"


class Exchange(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        positions = [
            {"exchange_index": 0, "ticker": ticker, "position_fp": size, "market_exposure_dollars": "1.500000",
             "fees_paid_dollars": "0.018900", "realized_pnl_dollars": "0.000000", "total_traded_dollars": "1.500000",
             "last_updated_ts": "2026-06-11T06:29:30.165032Z"}
            for ticker, size in (("KXTEST-26-A", "3.00"), ("KXTEST-26-B", "-5.00"))
        ]
        body = json.dumps({"cursor": "", "event_positions": [], "market_positions": positions}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


async def main():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    exchange = kalshi({"apiKey": "key", "privateKey": pem})
    exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], serve(Exchange))
    for position in await exchange.fetch_positions():
        raw = position["info"]["position_fp"]
        print(position["outcome"], "wire", raw, "contracts", position["contracts"], "side", position["side"])
    await exchange.close()


asyncio.run(main())
PROGRAM

cat >expected.txt <<'EXPECTED'
KXTEST-26-A wire 3.00 contracts None side None
KXTEST-26-B wire -5.00 contracts None side None
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
