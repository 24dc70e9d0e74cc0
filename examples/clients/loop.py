"""A small bot for any Kalshi client: joins the best bid, buys now and then, cancels its oldest orders.

It makes no attempt to earn. Each client is a class with the methods of ``Client``; the other files of this folder have
one per library. Run under ``truebook certify``, it states what it believes.
"""

from __future__ import annotations

import itertools
import json
import os
import time
import urllib.request
from typing import Protocol

KEEPS = 4
"""Resting orders that it keeps."""


class Client(Protocol):
    """Orders are bids for YES; prices are dollars such as "0.41", sizes contracts such as "1.00"."""

    def buy(self, ticker: str, price: str, count: str, client_order_id: str, at_once: bool) -> str:
        """Return the exchange's order id."""
        ...

    def cancel(self, order_id: str, ticker: str) -> None: ...
    def resting(self) -> dict[str, str]:
        """Return the tickers of resting orders by order id."""
        ...

    def positions(self) -> dict[str, str]: ...


def base_url() -> str:
    return os.environ["KALSHI_API_BASE_URL"]


def private_key() -> str:
    with open(os.environ["KALSHI_PRIVATE_KEY_PATH"], encoding="ascii") as file:  # noqa: PTH123
        return file.read()


def quotes() -> list[tuple[str, str, str]]:
    """Read (ticker, best bid, best ask) of three open markets that have both."""
    with urllib.request.urlopen(f"{base_url()}/markets?status=open&limit=200", timeout=5) as response:
        markets = json.load(response)["markets"]
    found = [(one["ticker"], one["yes_bid_dollars"], one["yes_ask_dollars"]) for one in markets]
    return [one for one in found if float(one[1]) > 0 and float(one[2]) < 1][:3]


def trade(client: Client, pause_s: float = 0.5) -> None:
    """Trade until the process is stopped; after an error it waits, and reads its orders before it sends the next."""
    known: dict[str, str] = {}
    must_read = True
    for number in itertools.count():
        try:
            if must_read or number % 6 == 0:
                known = client.resting()
                must_read = False
                print(
                    "truebook-certify", json.dumps({"positions": client.positions(), "orders": list(known)}), flush=True
                )
            while len(known) > KEEPS:
                order_id = next(iter(known))
                ticker = known.pop(order_id)
                client.cancel(order_id, ticker)
            listed = quotes()
            if listed:
                ticker, bid, ask = listed[number % len(listed)]
                at_once = number % 5 == 4
                order_id = client.buy(ticker, ask if at_once else bid, "1.00", f"loop-{os.getpid()}-{number}", at_once)
                if not at_once:
                    known[order_id] = ticker
            time.sleep(pause_s)
        except Exception as error:  # each library has errors of its own  # noqa: BLE001
            print(f"{type(error).__name__}: {str(error)[:200]}", flush=True)
            time.sleep(6 * pause_s)
            must_read = True
