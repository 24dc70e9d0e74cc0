"""A checker that imports nothing of Truebook: signed REST requests, decimals, and the account calculated from scratch.

    python independent_checker.py URL KEY_ID KEY_FILE SUMMARY_JSON

It sums every fill and settlement of the exchange, compares the cash with the exchange's balance and with the run's
summary, and prints one JSON object with the result. Exit code 1 where anything differs.
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
CENTI_CENT = Decimal("0.0001")


class Exchange:
    """Signed reads."""

    def __init__(self, url: str, key_id: str, key_file: str) -> None:
        self.url = url
        self.key_id = key_id
        self.key = serialization.load_pem_private_key(Path(key_file).read_bytes(), None)

    def get(self, path: str, query: str = "") -> dict:
        for _ in range(20):
            try:
                return self._get_once(path, query)
            except urllib.error.HTTPError as error:
                if error.code != 429:
                    raise
                time.sleep(0.5)
        raise SystemExit(f"{path}: always refused by the rate limit")

    def _get_once(self, path: str, query: str) -> dict:
        now = str(int(time.time() * 1000))
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
        signature = self.key.sign(f"{now}GET{ROOT}{path}".encode(), pss, hashes.SHA256())
        headers = {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": now,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }
        request = urllib.request.Request(f"{self.url}{ROOT}{path}{query}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def pages(self, path: str, name: str) -> list:
        found, cursor = [], ""
        while True:
            page = self.get(path, f"?limit=200&cursor={cursor}")
            found += page[name]
            cursor = page["cursor"]
            if not cursor:
                return found


class Account:
    """The account as its fills and settlements make it; ``cash_then`` without what settled after ``until_us``."""

    def __init__(self, deposits_micros: int, fills: list, settlements: list, until_us: int) -> None:
        yes, no = defaultdict(Decimal), defaultdict(Decimal)
        self.cash, self.fees = Decimal(deposits_micros) / 1_000_000, Decimal(0)
        for fill in fills:
            size, price = Decimal(fill["count_fp"]), Decimal(fill["yes_price_dollars"])
            side, own = (yes, price) if fill["book_side"] == "bid" else (no, 1 - price)
            side[fill["ticker"]] += size
            self.cash -= size * own + Decimal(fill["fee_cost"])
            self.fees += Decimal(fill["fee_cost"])
        position = {ticker: yes[ticker] - no[ticker] for ticker in {*yes, *no}}
        self.cash += sum(min(yes[ticker], no[ticker]) for ticker in position)
        self.cash_then = self.cash
        for settlement in settlements:
            ticker, value = settlement["ticker"], Decimal(settlement["value"]) / 100
            size = position.pop(ticker, Decimal(0))
            payout = size * value if size > 0 else -size * (1 - value)
            self.cash += payout
            at = datetime.fromisoformat(settlement["settled_time"]).timestamp()
            self.cash_then += payout if at <= until_us / 1_000_000 else 0
        self.position = {ticker: size for ticker, size in position.items() if size}


def problems_of(account: Account, summary: dict, orders: list, balance: Decimal, held: dict) -> list:
    ids = [order["client_order_id"] for order in orders]
    summary_cash, summary_fees = (Decimal(summary[name]) / 1_000_000 for name in ("cash_micros", "fees_micros"))
    checks = (
        (len(set(ids)) == len(ids), "a client order id was used twice"),
        (account.position == held, f"positions: {account.position} by the fills, {held} at the exchange"),
        (abs(account.cash - balance) < CENTI_CENT, f"cash: {account.cash} by the fills, {balance} at the exchange"),
        (
            abs(summary_cash - account.cash_then) < CENTI_CENT,
            f"cash: {summary_cash} in the summary, {account.cash_then} by the exchange's reports",
        ),
        (summary_fees == account.fees, f"fees: {summary_fees} in the summary, {account.fees} by the fills"),
        (not any(order["status"] == "resting" for order in orders), "an order still rests"),
    )
    return [problem for holds, problem in checks if not holds]


def main(url: str, key_id: str, key_file: str, summary_file: str) -> int:
    exchange, summary = Exchange(url, key_id, key_file), json.loads(Path(summary_file).read_text())
    fills = exchange.pages("/portfolio/fills", "fills")
    settlements = exchange.pages("/portfolio/settlements", "settlements")
    orders = exchange.pages("/portfolio/orders", "orders")
    balance = Decimal(exchange.get("/portfolio/balance")["balance_dollars"])
    positions = exchange.pages("/portfolio/positions", "market_positions")
    held = {row["ticker"]: Decimal(row["position_fp"]) for row in positions if Decimal(row["position_fp"])}
    account = Account(summary["deposits_micros"], fills, settlements, summary["at_us"])
    problems = problems_of(account, summary, orders, balance, held)
    counts = {"fills": len(fills), "orders": len(orders), "settlements": len(settlements), "held": len(held)}
    print(json.dumps(counts | {"balance": str(balance), "problems": problems}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
