"""What a page reads, beside the operator's port: what changed since its last request, a market, a decision, a model.

``LiveSource`` has three implementations: ``live_memory`` in the process that receives the messages (the embedded run;
the dashboard's own process over Kafka), ``live_client`` over the HTTP API of an embedded run, and ``live_stopped`` on
the files of the last run. Halt, resume, limits, flatten and the model's switch are requests of ``Operator``.
"""

from __future__ import annotations

from typing import Protocol

from truebook.live.system_views import ModelView, SystemView
from truebook.live.views import Changes, Lifecycle, MarketDetail


class LiveSource(Protocol):
    """All methods raise ``OperatorError`` where the source can't be reached; unknown names give None."""

    async def changes(self, since: str | None = None) -> Changes:
        """Return what changed since a version; everything, if it is None or not known any more.

        Returns at once: a page repeats it after its interval. Markets that have ended are not among the rows, unless
        the account has a position or an order there.
        """
        ...

    async def market(self, ticker: str) -> MarketDetail | None:
        """Return one market in full; None if nothing is known of it."""
        ...

    async def lifecycle(self, action_id: str) -> Lifecycle | None:
        """Return one decision with its orders and fills; None if it is not known (any more)."""
        ...

    async def model(self) -> ModelView: ...

    async def system(self) -> SystemView: ...

    async def aclose(self) -> None: ...
