"""The loop with ``pip install pykalshi==2.0.0``: REST only, since its feed has fixed addresses."""

from __future__ import annotations

import os

from loop import base_url, trade
from pykalshi import KalshiClient, OrderStatus, TimeInForce


class PyKalshi:
    """Keys are read from ``KALSHI_API_KEY_ID`` and ``KALSHI_PRIVATE_KEY_PATH``."""

    def __init__(self) -> None:
        self._client = KalshiClient(os.environ["KALSHI_API_KEY_ID"], os.environ["KALSHI_PRIVATE_KEY_PATH"], base_url())

    def buy(self, ticker: str, price: str, count: str, client_order_id: str, at_once: bool) -> str:
        order = self._client.portfolio.place_order(
            ticker, count_fp=count, book_side="bid", price_dollars=price, client_order_id=client_order_id,
            time_in_force=TimeInForce.IOC if at_once else TimeInForce.GTC,
        )  # fmt: skip
        return str(order.order_id)

    def cancel(self, order_id: str, ticker: str) -> None:
        self._client.portfolio.cancel_order(order_id)

    def resting(self) -> dict[str, str]:
        found = list(self._client.portfolio.get_orders(status=OrderStatus.RESTING, fetch_all=True))
        return {one.order_id: one.ticker for one in reversed(found)}

    def positions(self) -> dict[str, str]:
        return {one.ticker: str(one.position_fp) for one in self._client.portfolio.get_positions(fetch_all=True)}


if __name__ == "__main__":
    trade(PyKalshi())
