"""The loop with ``pip install synpath==0.11.0``."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal

from loop import base_url, private_key, trade
from synpath.trading.credentials import KalshiCredentials
from synpath.trading.kalshi import KalshiTrading
from synpath.trading.types import OrderRequest, OrderType, PositionSide, Side, TimeInForce


class Synpath:
    """A market is ``kalshi:TICKER``; a buy is of YES."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        credentials = KalshiCredentials(os.environ["KALSHI_API_KEY_ID"], private_key().encode())
        self._venue = KalshiTrading(credentials, base_url=base_url())

    def buy(self, ticker: str, price: str, count: str, client_order_id: str, at_once: bool) -> str:
        request = OrderRequest(
            market_id=f"kalshi:{ticker}", side=Side.BUY, type=OrderType.LIMIT, price=Decimal(price),
            quantity=Decimal(count), client_order_id=client_order_id,
            time_in_force=TimeInForce.IOC if at_once else TimeInForce.GTC,
        )  # fmt: skip
        return str(self._loop.run_until_complete(self._venue.create_order(request)).id)

    def cancel(self, order_id: str, ticker: str) -> None:
        self._loop.run_until_complete(self._venue.cancel_order(order_id, market_id=f"kalshi:{ticker}"))

    def resting(self) -> dict[str, str]:
        found = self._loop.run_until_complete(self._venue.fetch_open_orders())
        return {one.id: one.market_id.removeprefix("kalshi:") for one in reversed(found)}

    def positions(self) -> dict[str, str]:
        found = self._loop.run_until_complete(self._venue.fetch_positions())
        return {
            one.market_id.removeprefix("kalshi:"): str(
                one.contracts if one.side is PositionSide.LONG else -one.contracts
            )
            for one in found
        }


if __name__ == "__main__":
    trade(Synpath())
