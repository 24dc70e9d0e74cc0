"""The loop with Kalshi's official client: ``pip install kalshi-python-async==3.34.0`` (Python 3.13 or later)."""

from __future__ import annotations

import asyncio
import os

from kalshi_python_async import Configuration, KalshiClient, OrdersApi, PortfolioApi
from loop import base_url, private_key, trade


class Official:
    """The library is asynchronous: one event loop runs each call."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        configuration = Configuration(host=base_url())
        configuration.api_key_id = os.environ["KALSHI_API_KEY_ID"]
        configuration.private_key_pem = private_key()
        client = KalshiClient(configuration)
        self._orders, self._portfolio = OrdersApi(client), PortfolioApi(client)

    def buy(self, ticker: str, price: str, count: str, client_order_id: str, at_once: bool) -> str:
        created = self._loop.run_until_complete(
            self._orders.create_order_v2(
                ticker=ticker, client_order_id=client_order_id, side="bid", count=count, price=price,
                time_in_force="immediate_or_cancel" if at_once else "good_till_canceled",
                self_trade_prevention_type="taker_at_cross",
            )
        )  # fmt: skip
        return str(created.order_id)

    def cancel(self, order_id: str, ticker: str) -> None:
        self._loop.run_until_complete(self._orders.cancel_order_v2(order_id=order_id, market_ticker=ticker))

    def resting(self) -> dict[str, str]:
        listed = self._loop.run_until_complete(self._orders.get_orders(status="resting", limit=1000))
        return {one.order_id: one.ticker for one in reversed(listed.orders)}

    def positions(self) -> dict[str, str]:
        listed = self._loop.run_until_complete(self._portfolio.get_positions(limit=1000))
        return {one.ticker: one.position_fp for one in listed.market_positions}


if __name__ == "__main__":
    trade(Official())
