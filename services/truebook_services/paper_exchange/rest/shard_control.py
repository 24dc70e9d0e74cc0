"""The operator's interface to shards: ``POST /simulated/shards`` pauses or resumes one, or its transfers.

The body is ``{"exchange_index": 2, "trading_active": false}``, with ``exchange_active`` and
``intra_exchange_transfers_active`` beside it; what is not given stays as it is. Who may send it: ``operator_access``.
"""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.shard_plan import ShardChange
from truebook.venue.shards import DEFAULT_SHARD
from truebook_services.paper_exchange.engine.commands import SwitchShard
from truebook_services.paper_exchange.engine.core import ExchangeCore
from truebook_services.paper_exchange.rest.operator_access import BodyError, guarded, read_body, refusal

PATH: Final = "/simulated/shards"


class _Switched(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    exchange_index: int = DEFAULT_SHARD
    exchange_active: bool | None = None
    trading_active: bool | None = None
    intra_exchange_transfers_active: bool | None = None


def shard_routes(core: ExchangeCore, token: str | None) -> list[Route]:
    """Return the routes; none without a token."""
    if token is None:
        return []

    async def switch(request: Request) -> Response:
        try:
            wanted = await read_body(request, _Switched)
        except BodyError as error:
            return refusal(400, str(error))
        change = ShardChange(
            exchange_index=wanted.exchange_index, exchange_active=wanted.exchange_active,
            trading_active=wanted.trading_active, transfers_active=wanted.intra_exchange_transfers_active,
        )  # fmt: skip
        [result] = await core.execute([SwitchShard(change)])
        if isinstance(result, Rejected):
            return refusal(result.status, result.detail)
        return Response(status_code=204)

    return [Route(PATH, guarded(switch, token), methods=["POST"])]
