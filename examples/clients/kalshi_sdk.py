"""The loop with the unofficial ``pip install kalshi-sdk==22.4.0`` (Python 3.12 or later)."""

from __future__ import annotations

from kalshi import KalshiClient
from kalshi.models.orders import CreateOrderV2Request
from loop import trade


class KalshiSdk:
    """The client reads address and key from ``KALSHI_…``; ``KALSHI_ALLOW_UNKNOWN_HOST=1`` allows a local exchange."""

    def __init__(self) -> None:
        self._client = KalshiClient.from_env()

    def buy(self, ticker: str, price: str, count: str, client_order_id: str, at_once: bool) -> str:
        request = CreateOrderV2Request(
            ticker=ticker, client_order_id=client_order_id, side="bid", count=count, price=price,
            time_in_force="immediate_or_cancel" if at_once else "good_till_canceled",
            self_trade_prevention_type="taker_at_cross",
        )  # fmt: skip
        return str(self._client.orders.create_v2(request=request).order_id)

    def cancel(self, order_id: str, ticker: str) -> None:
        self._client.orders.cancel_v2(order_id, market_ticker=ticker)

    def resting(self) -> dict[str, str]:
        found = list(self._client.orders.list_all(status="resting"))
        return {one.order_id: one.ticker for one in reversed(found)}

    def positions(self) -> dict[str, str]:
        listed = self._client.portfolio.positions(limit=1000)
        return {one.ticker: str(one.position) for one in listed.market_positions}


if __name__ == "__main__":
    trade(KalshiSdk())
