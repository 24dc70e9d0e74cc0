"""A checker that imports nothing of Truebook: signed REST alone, decimals, and the account worked out anew.

    python independent_checker.py URL KEY_ID KEY_FILE SUMMARY_JSON

It adds up every fill and settlement that the exchange tells, compares the cash with the exchange's balance and with the
run's summary, and prints one JSON object with what it found. Exit code 1 where anything differs.
"""

import base64
import json
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

ROOT = "/trade-api/v2"


def main(url: str, key_id: str, key_file: str, summary_file: str) -> int:
    key = serialization.load_pem_private_key(Path(key_file).read_bytes(), None)

    def get(path: str, query: str = "") -> dict:
        for _ in range(20):
            try:
                return get_once(path, query)
            except urllib.error.HTTPError as error:
                if error.code != 429:
                    raise
                time.sleep(0.5)
        raise SystemExit(f"{path}: always refused by the rate limit")

    def get_once(path: str, query: str) -> dict:
        now = str(int(time.time() * 1000))
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
        signature = key.sign(f"{now}GET{ROOT}{path}".encode(), pss, hashes.SHA256())
        request = urllib.request.Request(
            f"{url}{ROOT}{path}{query}",
            headers={
                "KALSHI-ACCESS-KEY": key_id,
                "KALSHI-ACCESS-TIMESTAMP": now,
                "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def pages(path: str, name: str) -> list:
        found, cursor = [], ""
        while True:
            page = get(path, f"?limit=200&cursor={cursor}")
            found += page[name]
            cursor = page["cursor"]
            if not cursor:
                return found

    summary = json.loads(Path(summary_file).read_text())
    fills, settlements = pages("/portfolio/fills", "fills"), pages("/portfolio/settlements", "settlements")
    orders = pages("/portfolio/orders", "orders")
    balance = Decimal(get("/portfolio/balance")["balance_dollars"])
    held = {
        row["ticker"]: Decimal(row["position_fp"])
        for row in pages("/portfolio/positions", "market_positions")
        if Decimal(row["position_fp"])
    }

    yes, no, cash = defaultdict(Decimal), defaultdict(Decimal), Decimal(summary["deposits_micros"]) / 1_000_000
    fees = Decimal(0)
    for fill in fills:
        size, price = Decimal(fill["count_fp"]), Decimal(fill["yes_price_dollars"])
        side, own = (yes, price) if fill["book_side"] == "bid" else (no, 1 - price)
        side[fill["ticker"]] += size
        cash -= size * own + Decimal(fill["fee_cost"])
        fees += Decimal(fill["fee_cost"])
    position = {t: yes[t] - no[t] for t in {*yes, *no}}
    cash += sum(min(yes[t], no[t]) for t in position)
    told = cash
    for settlement in settlements:
        ticker, value = settlement["ticker"], Decimal(settlement["value"]) / 100
        open_size = position.pop(ticker, Decimal(0))
        payout = open_size * value if open_size > 0 else -open_size * (1 - value)
        cash += payout
        at = datetime.fromisoformat(settlement["settled_time"]).timestamp()
        told += payout if at <= summary["at_us"] / 1_000_000 else 0  # markets go on settling after the run
    position = {t: size for t, size in position.items() if size}

    ids = [order["client_order_id"] for order in orders]
    problems = []
    if len(set(ids)) != len(ids):
        problems.append("a client order id was used twice")
    if position != held:
        problems.append(f"positions: fills say {position}, the exchange says {held}")
    if abs(cash - balance) >= Decimal("0.0001"):
        problems.append(f"cash: fills say {cash}, the exchange says {balance}")
    if abs(Decimal(summary["cash_micros"]) / 1_000_000 - told) >= Decimal("0.0001"):
        problems.append(f"cash: the summary says {summary['cash_micros']} micros, the exchange's facts say {told}")
    if abs(Decimal(summary["fees_micros"]) / 1_000_000 - fees) > 0:
        problems.append(f"fees: the summary says {summary['fees_micros']} micros, the fills say {fees}")
    if any(order["status"] == "resting" for order in orders):
        problems.append("an order still rests")
    print(
        json.dumps(
            {
                "fills": len(fills),
                "orders": len(orders),
                "settlements": len(settlements),
                "held": len(held),
                "balance": str(balance),
                "problems": problems,
            }
        )
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
