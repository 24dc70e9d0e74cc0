"""The operator's interface to faults: which are scheduled, more of them from now on, or none.

| request | does |
|---|---|
| ``GET /simulated/faults`` | lists the scheduled faults, and all kinds |
| ``POST /simulated/faults`` ``{"faults": ["rate_limited@t=0..30"]}`` | adds faults; times count from now |
| ``DELETE /simulated/faults`` | removes all; one that has begun in a market ends at its time |

Who may send them: ``operator_access``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from truebook.simulation.faults import FaultError, FaultKind, FaultSchedule, parse_fault
from truebook_services.paper_exchange.rest.operator_access import BodyError, guarded, read_body, refusal

PATH: Final = "/simulated/faults"


class _Added(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    faults: list[str]


def fault_routes(
    schedule: FaultSchedule,
    now_us: Callable[[], int],
    token: str | None,
    is_listed: Callable[[str], bool],
) -> list[Route]:
    """Return the routes; none without a token. A fault of a market that ``is_listed`` does not know is refused."""
    if token is None:
        return []

    async def listed(_: Request) -> Response:
        return JSONResponse({"faults": schedule.listed(), "kinds": [kind.value for kind in FaultKind]})

    async def add(request: Request) -> Response:
        try:
            faults = [parse_fault(text) for text in (await read_body(request, _Added)).faults]
        except (BodyError, FaultError) as error:
            return refusal(400, str(error))
        unknown = sorted({fault.ticker for fault in faults if fault.ticker and not is_listed(fault.ticker)})
        if unknown:
            return refusal(400, f"no market is {', '.join(unknown)}: GET /markets lists them; no fault was added")
        for fault in faults:
            schedule.add(fault, from_us=now_us())
        return await listed(request)

    async def clear(request: Request) -> Response:
        schedule.clear()
        return await listed(request)

    return [
        Route(PATH, guarded(handle, token), methods=[method])
        for method, handle in (("GET", listed), ("POST", add), ("DELETE", clear))
    ]
