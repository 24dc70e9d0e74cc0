"""Commands on their way to the engine: each takes as long as the exchange's latency says."""

from __future__ import annotations

from collections.abc import Sequence

from truebook_services.paper_exchange.calls import Call
from truebook_services.paper_exchange.commands import (
    Amend,
    Answer,
    Cancel,
    CancelAll,
    ChangeGroup,
    Command,
    CreateGroup,
    Decrease,
    Place,
)


async def carry_out(call: Call, commands: Sequence[Command]) -> list[Answer]:
    """Send commands, of one kind, on their way to the engine, and wait for the answers."""
    latency_us = max((_latency_of(call, command) for command in commands), default=0)
    arrive_us = call.floor.now_us() + latency_us if latency_us else None
    return await call.floor.core.carry_out(commands, arrive_us)


def _latency_of(call: Call, command: Command) -> int:
    latency = call.floor.latency
    match command:
        case Place(request=request):
            return latency.of_order(request.client_order_id)
        case Amend(order_id=order_id) | Decrease(order_id=order_id):
            return latency.of_order(order_id)
        case Cancel(order_id=order_id):
            return latency.of_cancel(order_id)
        case CancelAll(account=account) | CreateGroup(account=account) | ChangeGroup(account=account):
            return latency.of_cancel(account)
