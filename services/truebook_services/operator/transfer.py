"""Deposits, withdrawals, interest, and the exchange that an account is bound to: what only an operator can decide.

Money moves at the exchange first, since it refuses what is not there; the ledger then records a fact. Kalshi moves
money only by its own pages: there the operator recognizes what has arrived or left, once it is the only difference.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from truebook.kalshi.port import ExchangeError, NotFound, RestClient
from truebook.ledger.outcomes import AdjustKind, AdjustOutcome, BindOutcome
from truebook.ledger.port import LedgerStore
from truebook.ledger.reconcile import BALANCE_PRECISION_MICROS, Kind
from truebook.ledger.verbs import Adjust, BindExchange
from truebook.money import MICROS_PER_CENT
from truebook.venue.shards import DEFAULT_SHARD
from truebook_services.operator.differences import lasting_differences
from truebook_services.operator.port import RequestRefused
from truebook_services.operator.requests import Rebind, RebindReport, Transfer, TransferReport
from truebook_services.reconciler.transfers import explaining, unrecorded_transfers
from truebook_services.serving.binding import has_our_order

MOVED_FOR_S: Final = 2.0


class _Moved(NamedTuple):
    transfer_id: str
    exchange_index: int
    """The exchange shard of the cash; the simulated exchange moves that of shard 0."""


async def transfer(request: Transfer, ledger: LedgerStore, rest: RestClient) -> TransferReport:
    """Move the money and record it, or record what was moved; a repeated id changes nothing.

    A failure between the two leaves a difference; repeating the request with the same id ends it.
    """
    kind = AdjustKind.INTEREST if request.interest else AdjustKind.DEPOSIT
    if not request.transfer_id or request.amount_micros == 0 or request.amount_micros % MICROS_PER_CENT:
        raise RequestRefused("the amount is not in whole cents, is 0, or has no id", "request an amount such as 100.00")
    if request.interest and not request.recognize:
        raise RequestRefused("interest is paid by the exchange, not by a request", "record it with `--recognize`")
    known = await ledger.adjustment(request.transfer_id)
    if known is not None and (known.kind, known.amount_micros) != (kind, request.amount_micros):
        raise RequestRefused(f"the id {request.transfer_id} has another amount or kind in the ledger", "use a new id")
    moved = _Moved(request.transfer_id, known.exchange_index) if known else await _move(request, ledger, rest)
    recorded_id = moved.transfer_id
    result = await ledger.apply(
        Adjust(
            adjust_id=recorded_id, amount_micros=request.amount_micros, kind=kind, reason="operator",
            exchange_index=moved.exchange_index,
        )
    )  # fmt: skip
    if result not in (AdjustOutcome.ADJUSTED, AdjustOutcome.DUPLICATE):
        raise RequestRefused(f"the exchange moved the money, but the ledger did not record it: {result}", "see its log")
    return TransferReport(
        result=result, transfer_id=recorded_id, amount_micros=request.amount_micros,
        cash_micros=(await ledger.view(())).account.cash_micros,
    )  # fmt: skip


async def _move(request: Transfer, ledger: LedgerStore, rest: RestClient) -> _Moved:
    """Move the money, or check that it was moved."""
    if request.recognize:
        exchange_index = await _check_moved(rest, ledger, request.amount_micros)
        return _Moved(await _listed_id(request, ledger, rest) or request.transfer_id, exchange_index)
    try:
        await rest.transfer(request.transfer_id, request.amount_micros)
    except NotFound as error:
        raise RequestRefused(
            "this exchange moves money only by its own pages; nothing was changed",
            "move it there; if the exchange does not list it, record it with `--recognize`",
        ) from error
    except ExchangeError as error:
        hint = f"if its outcome is unknown, repeat it with `--id {request.transfer_id}`: it is done once"
        raise RequestRefused(f"the exchange did not move the money: {error}", hint) from error
    return _Moved(request.transfer_id, DEFAULT_SHARD)


async def _listed_id(request: Transfer, ledger: LedgerStore, rest: RestClient) -> str | None:
    """Return the exchange's id of the transfer, if its lists have it: under another id it would be recorded twice."""
    try:
        unrecorded = await unrecorded_transfers(rest, ledger)
    except ExchangeError:  # a key without that scope, for example
        return None
    found = next((one for each in reversed(unrecorded) for one in explaining(request.amount_micros, (each,))), None)
    if found is not None and request.interest:
        raise RequestRefused(
            f"the exchange lists this amount as the transfer {found.transfer_id}; nothing was changed",
            "interest is in no list: repeat it without `--interest`",
        )
    return None if found is None else found.transfer_id


async def _check_moved(rest: RestClient, ledger: LedgerStore, amount_micros: int) -> int:
    """Check that the amount is all that differs between ledger and exchange; return the shard on which it differs."""
    found = await lasting_differences(rest, ledger, MOVED_FOR_S)
    is_cash = [each.kind for each in found] == [Kind.CASH]
    if not is_cash or abs(found[0].amount - amount_micros) >= BALANCE_PRECISION_MICROS:
        differences = "; ".join(map(str, found)) or "they agree"
        raise RequestRefused(
            f"this amount is not the only difference between ledger and exchange: {differences}",
            "wait until the trading hold `difference` has cancelled all orders, then repeat it with what differs",
        )
    return found[0].exchange_index


async def rebind(request: Rebind, ledger: LedgerStore, rest: RestClient) -> RebindReport:
    """Bind the ledger to this exchange and key; without an order that proves it, only as the operator confirms."""
    account = (await ledger.view(())).account
    found = await rest.identity()
    identity = str(found)
    if not found.may_be(account.exchange):
        raise RequestRefused(
            f"the ledger is bound to {account.exchange}, and {identity} is another exchange; nothing was changed",
            "connect to the ledger's own exchange, or use another state folder or account",
        )
    is_proven = await has_our_order(ledger, rest)
    if account.exchange != identity and not is_proven and not request.confirm:
        raise RequestRefused(
            f"the ledger is bound to {account.exchange or 'no exchange'}, this one is {identity}, and it shows no "
            "order that this ledger has sent; nothing was changed",
            "only if it is the same account: repeat it with `--confirm`",
        )
    result = await ledger.apply(BindExchange(exchange=identity, former=account.exchange))
    if result not in (BindOutcome.BOUND, BindOutcome.UNCHANGED):
        raise RequestRefused(f"the ledger was not bound: {result}", "repeat it")
    return RebindReport(result=result, exchange=identity, former=account.exchange, is_proven=is_proven)
