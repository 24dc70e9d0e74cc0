#!/usr/bin/env bash
# kalshi-pandas: volumes and prices of the present wire stay text, and pandas accepts it.
#
# Guess: get_markets returns numeric columns: the package lists the columns that it converts, among them volume and
#   prices.
# Seen: The list holds the names of the old integer fields. `volumeFp`, `yesBidDollars` and the like stay text, so
#   the sum is a concatenation, the maximum is the largest first digit and sorting puts 9 before 100.
# Why it matters: A screen for the most traded markets picks the wrong ones, without an error.
#
# Packages: kalshi-pandas==0.1.0, pandas==3.1.1
# Run: bash findings/kalshi-pandas-volumes-are-text.sh
#   Needs Python 3.11 or later as python3, or in the variable PYTHON.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check kalshi-pandas==0.1.0 pandas==3.1.1
cd "$work"

cat >program.py <<'PROGRAM'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kalshi_pandas import KalshiPandas

def serve(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/trade-api/v2"


class Exchange(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        markets = [
            {"ticker": ticker, "event_ticker": "KXTEST-26", "status": "active", "volume_fp": volume,
             "yes_bid_dollars": "0.4500", "yes_ask_dollars": "0.4700", "close_time": "2026-12-01T00:00:00Z"}
            for ticker, volume in (("A", "9.00"), ("B", "100.00"), ("C", "25.50"))
        ]
        body = json.dumps({"markets": markets, "cursor": ""}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


client = KalshiPandas(base_url=serve(Exchange) + "/")
frame = client.get_markets()["data"]
print("sum of volumes:", frame["volumeFp"].sum())
print("largest volume:", frame["volumeFp"].max())
print("most traded first:", frame.sort_values("volumeFp", ascending=False)["ticker"].tolist())
PROGRAM

cat >expected.txt <<'EXPECTED'
sum of volumes: 9.00100.0025.50
largest volume: 9.00
most traded first: ['A', 'C', 'B']
EXPECTED

venv/bin/python program.py | tee seen.txt
if ! diff -u expected.txt seen.txt; then
    echo "behaviour changed" >&2
    exit 1
fi
