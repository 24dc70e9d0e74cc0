"""Halt and resume on the ledger: the one implementation that all backends share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from truebook.kalshi.port import ExchangeError
from truebook.ledger.outcomes import HoldOutcome, ReleaseOutcome, hold_without_scope
from truebook.ledger.port import HoldView, LedgerStore
from truebook.ledger.trading_holds import (
    FLATTEN,
    LEDGER_OWNER,
    OPERATOR,
    OPERATOR_KEEP_ORDERS,
    TRADING_HOLDS,
    WIND_DOWN,
)
from truebook.ledger.verbs import Release
from truebook_services.operator.port import (
    AfterHalt,
    CancelFailed,
    HaltResult,
    HoldRefused,
    RemainingHold,
    RequestRefused,
    ResumeResult,
)

CANCEL_WITHIN_S: Final = 10.0
AFTER_HALT: Final = {
    AfterHalt.CANCELLED: "all orders are cancelled",
    AfterHalt.KEPT: "resting orders are kept",
    AfterHalt.LEFT_TO_EXECUTION: "its execution cancels the resting orders: this command can't",
    AfterHalt.NOT_CANCELLED: "nothing is running, so no order was cancelled; resting ones expire",
}
"""What became of the orders, for a person."""

CancelAll = Callable[[], Awaitable[object]]


async def halt_trading(
    ledger: LedgerStore,
    cancel_all: CancelAll | None,
    *,
    keep_orders: bool,
    within_s: float = CANCEL_WITHIN_S,
    otherwise: AfterHalt = AfterHalt.LEFT_TO_EXECUTION,
) -> HaltResult:
    """Place the trading hold first, so that nothing new is sent even if cancelling fails; then cancel all orders.

    ``cancel_all`` is null where this process can't cancel; the result then is ``otherwise``. Raises ``HoldRefused``
    and ``CancelFailed``.
    """
    result = await ledger.apply((OPERATOR_KEEP_ORDERS if keep_orders else OPERATOR).place())
    if result is not HoldOutcome.HELD:
        raise HoldRefused(f"the trading hold was not placed: {result}", "`truebook status` lists the holds")
    if keep_orders:
        return HaltResult(result=result, orders=AfterHalt.KEPT)
    if cancel_all is None:
        return HaltResult(result=result, orders=otherwise)
    try:
        async with asyncio.timeout(within_s):
            await cancel_all()
    except (ExchangeError, TimeoutError) as error:
        cause = str(error) or f"timed out after {within_s} s"
        raise CancelFailed(
            f"trading is halted, but not all orders are cancelled: {cause}",
            "orders may still rest: repeat the halt, or cancel at the exchange",
        ) from error
    return HaltResult(result=result, orders=AfterHalt.CANCELLED)


async def resume_trading(ledger: LedgerStore, name: str | None = None) -> ResumeResult:
    """Release the operator's holds, or the named one if the operator or the ledger placed it.

    Raises ``HoldRefused`` where another owner placed it, ``RequestRefused`` where no such hold exists.
    """
    if name is None:
        results = [await ledger.apply(hold.release()) for hold in (OPERATOR, OPERATOR_KEEP_ORDERS, FLATTEN)]
        result = next((each for each in results if each is not ReleaseOutcome.NO_HOLD), ReleaseOutcome.NO_HOLD)
    else:
        owners = {hold.name: hold.owner for hold in (await ledger.view(())).account.holds}
        if name not in owners and hold_without_scope(name) not in {hold.name for hold in TRADING_HOLDS}:
            in_force = ", ".join(owners) or "none"
            raise RequestRefused(f"there is no trading hold {name}", f"in force: {in_force}")
        owner = LEDGER_OWNER if owners.get(name) == LEDGER_OWNER else OPERATOR.owner
        result = await ledger.apply(Release(name=name, owner=owner))
    if result is ReleaseOutcome.NOT_OWNER:
        raise HoldRefused("the trading hold has another owner", "`truebook status` names the owner who releases it")
    account = (await ledger.view(())).account
    remaining = tuple(_remaining(hold) for hold in account.holds)
    restricting = [hold for hold in remaining if hold.name != WIND_DOWN.name]
    is_overdrawn = account.overdrawn_micros > 0
    return ResumeResult(
        result=result, mode=account.mode, remaining=remaining, may_trade=not restricting and not is_overdrawn
    )


def _remaining(hold: HoldView) -> RemainingHold:
    reasons = {known.name: known.description for known in TRADING_HOLDS}
    reason = reasons.get(hold_without_scope(hold.name), "a reason that this version does not have")
    return RemainingHold(name=hold.name, mode=hold.mode, owner=hold.owner, reason=reason)
