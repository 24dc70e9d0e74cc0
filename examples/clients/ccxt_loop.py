"""The loop with ``pip install ccxt==4.5.90``, module ``ccxt.prediction``."""

from __future__ import annotations

import asyncio
import os

from ccxt.prediction.kalshi import kalshi
from loop import base_url, private_key, trade


class Ccxt:
    """Kalshi's own names go into ``params``: ``postOnly`` is sent as it is, and nothing reads it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        self._exchange = kalshi({"apiKey": os.environ["KALSHI_API_KEY_ID"], "privateKey": private_key()})
        self._exchange.urls["api"] = {"kalshi": base_url(), "elections": base_url()}

    def buy(self, ticker: str, price: str, count: str, client_order_id: str, at_once: bool) -> str:
        params = {"client_order_id": client_order_id}
        params["time_in_force"] = "immediate_or_cancel" if at_once else "good_till_canceled"
        order = self._loop.run_until_complete(
            self._exchange.create_order(ticker, "limit", "buy", float(count), float(price), params)
        )
        return str(order["id"])

    def cancel(self, order_id: str, ticker: str) -> None:
        self._loop.run_until_complete(self._exchange.cancel_order(order_id))

    def resting(self) -> dict[str, str]:
        found = self._loop.run_until_complete(self._exchange.fetch_open_orders())
        return {one["id"]: one["info"]["ticker"] for one in reversed(found)}

    def positions(self) -> dict[str, str]:
        found = self._loop.run_until_complete(self._exchange.fetch_positions())
        # The unified size is None for each position; the exchange's own field is in ``info``.
        return {one["info"]["ticker"]: one["info"]["position_fp"] for one in found}


if __name__ == "__main__":
    trade(Ccxt())
