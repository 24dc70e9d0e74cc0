"""``LiveSource`` over the operator's HTTP API, for a process that runs on a state folder."""

from __future__ import annotations

from typing import Any

from truebook.live.system_views import ModelView, SystemView
from truebook.live.views import Changes, Lifecycle, MarketDetail
from truebook_services.operator.access import Access
from truebook_services.operator.client import ApiClient
from truebook_services.operator.live import LiveSource


class HttpLive(LiveSource):
    """Calls ``GET /live`` and below; raises ``NotRunning`` when the process has ended."""

    def __init__(self, access: Access, **options: Any) -> None:
        """``options`` as ``ApiClient`` takes them."""
        self._client = ApiClient(access, **options)

    async def changes(self, since: str | None = None) -> Changes:
        params = {} if since is None else {"since": since}
        found: Changes = await self._client.call("GET", "/live", Changes, params=params)
        return found

    async def market(self, ticker: str) -> MarketDetail | None:
        found: MarketDetail | None = await self._client.call(
            "GET", "/live/market", MarketDetail | None, params={"ticker": ticker}
        )
        return found

    async def lifecycle(self, action_id: str) -> Lifecycle | None:
        found: Lifecycle | None = await self._client.call(
            "GET", "/live/decision", Lifecycle | None, params={"id": action_id}
        )
        return found

    async def model(self) -> ModelView:
        found: ModelView = await self._client.call("GET", "/live/model", ModelView)
        return found

    async def system(self) -> SystemView:
        found: SystemView = await self._client.call("GET", "/live/system", SystemView)
        return found

    async def aclose(self) -> None:
        await self._client.aclose()
