"""Sends transfers between shards, and records in the ledger what the exchange proves about them.

The cash of a transfer is on no shard of the ledger from before its request until a proof. Proofs are: the response of
the only request (accepted or refused), and the exchange's list. The list has the exchange's ids only: a transfer
without a known one is recognized by shards, amount and time. A transfer in the list that is none of ours was made by
others (the exchange's web page, its automatic allocation) and is recorded too. If others make the same transfer at the
same time, it does not matter which of the two counts as ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from truebook.clock import MICROS
from truebook.kalshi.port import AlreadyExists, ExchangeError, Refused, RestClient, Unreachable
from truebook.ledger.exchange_reports import ADDED_UP, OPENED, persist
from truebook.ledger.outcomes import TransferOutcome, TransferState
from truebook.ledger.port import LedgerStore, ShardTransferView
from truebook.ledger.trading_holds import CONFLICTING_REPORT
from truebook.ledger.verbs import ReportTransfer, RequestTransfer
from truebook.runtime.context import Context
from truebook.venue.shards import ShardTransfer, TransferStatus

BY_OTHERS: Final = "exchange:"
"""Prefix of the ledger's ids of transfers that others made, before the exchange's id."""
CLOCK_SLACK_US: Final = 2 * MICROS
"""The exchange states whole seconds, and its clock may differ from this machine's by up to a second."""
RESEND_US: Final = 5 * MICROS
RESEND_FOR_US: Final = 30 * 60 * MICROS
"""An older request is not sent again: the pruner relies on a transfer being made within an hour of its request."""
MAX_REQUESTS: Final = 4
PROVEN_ABSENT_US: Final = 60 * MICROS
"""A request is not executed later than this: its signature has expired by far, and the list has caught up."""


class _Requests(msgspec.Struct, kw_only=True):
    """The requests of one transfer that this process has sent."""

    sent_us: int
    """When it was last requested, or first seen after a restart; by the exchange's clock."""
    count: int = 0
    began_here: bool = False
    """Whether the ledger took its cash by this process."""


class ShardTransfers:
    """All requests and proofs pass through one instance, one at a time."""

    def __init__(self, context: Context, rest: RestClient, ledger: LedgerStore) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger
        self._lock = asyncio.Lock()
        self._requests: dict[str, _Requests] = {}
        """By our id: of the transfers that nothing is proved about."""

    async def request(self, transfer: RequestTransfer) -> TransferOutcome:
        """Take the cash in the ledger and send the request once; an unknown outcome is resolved later."""
        async with self._lock:
            outcome = await self._ledger.apply(transfer)
            if outcome is not TransferOutcome.REQUESTED:
                return outcome
            self._requests[transfer.transfer_id] = _Requests(sent_us=transfer.now_us, began_here=True)
            self._context.crash("transfer_requested")
            await self._send(_view(transfer))
            return outcome

    async def run(self) -> None:
        """Resolve the open transfers, if there are any."""
        account = (await self._ledger.view(())).account
        if account.transfers:
            async with self._lock:
                await self._resolve()

    async def record_others(self) -> int:
        """Record what the exchange's list has and the ledger does not; return how many reports changed something."""
        async with self._lock:
            return await self._resolve()

    async def _resolve(self) -> int:
        data_us = await self._rest.data_time_us()
        listed = await self._rest.shard_transfers()
        known = await self._ledger.transfers()
        tied = {one.exchange_transfer_id for one in known}
        untied = sorted((one for one in listed if one.exchange_transfer_id not in tied), key=_age)
        rows = {one.exchange_transfer_id: one for one in listed}
        recorded = 0
        for own in [one for one in known if one.state.is_open]:
            row = rows.get(own.exchange_transfer_id) or self._matching(own, untied)
            if row is not None:
                untied = [one for one in untied if one is not row]
                recorded += await self._report_row(own, row)
            elif own.state is TransferState.REQUESTED:
                await self._continue(own, is_absent=not listed.unreadable, data_us=data_us)
        since_us = max(await self._ledger.watermark(OPENED) - MICROS, await self._ledger.watermark(ADDED_UP))
        for row in untied:
            if row.created_us >= since_us:
                recorded += await self._report_row(_by_others(row), row)
        return recorded

    def _matching(self, own: ShardTransferView, untied: Sequence[ShardTransfer]) -> ShardTransfer | None:
        """Return the oldest transfer in the list that the request can have made."""
        if own.exchange_transfer_id:
            return None
        route = (own.from_shard, own.to_shard, own.amount_micros)
        same = (one for one in untied if (one.from_shard, one.to_shard, one.amount_micros) == route)
        return next((one for one in same if one.created_us + CLOCK_SLACK_US >= own.requested_us), None)

    async def _report_row(self, own: ShardTransferView, row: ShardTransfer) -> bool:
        arrived = row.status is TransferStatus.COMPLETE
        reported = TransferState.ARRIVED if arrived else TransferState.ACCEPTED
        if own.state is reported:
            return False
        return await self._report(own, reported, row.exchange_transfer_id)

    async def _continue(self, own: ShardTransferView, *, is_absent: bool, data_us: int) -> None:
        """Send a request without a known outcome again; once none can be executed any more, its absence is proof."""
        now_us = self._context.clock.now_us()
        requests = self._requests.setdefault(own.transfer_id, _Requests(sent_us=now_us))
        is_recent = now_us - own.requested_us < RESEND_FOR_US
        if is_recent and requests.count < MAX_REQUESTS and now_us - requests.sent_us >= RESEND_US:
            await self._send(own)
        elif is_absent and min(now_us, data_us) - requests.sent_us > PROVEN_ABSENT_US:
            await self._report(own, TransferState.REFUSED)

    async def _send(self, own: ShardTransferView) -> None:
        """Send the request. Only a prompt refusal of the first one proves that nothing was done.

        Later, another instance of this service may have sent it too.
        """
        requests = self._requests[own.transfer_id]
        is_first = requests.began_here and requests.count == 0
        requests.count += 1
        requests.sent_us = self._context.clock.now_us()
        try:
            exchange_transfer_id = await self._rest.transfer_between_shards(
                own.transfer_id, own.from_shard, own.to_shard, own.amount_micros
            )
        except ExchangeError as error:
            self._context.log.warning("transfer between shards failed", transfer=own.transfer_id, error=str(error))
            is_proof = isinstance(error, Refused | Unreachable) and not isinstance(error, AlreadyExists)
            is_prompt = self._context.clock.now_us() - own.requested_us < RESEND_US
            if is_first and is_prompt and is_proof:
                await self._report(own, TransferState.REFUSED)
            return
        await self._report(own, TransferState.ACCEPTED, exchange_transfer_id)

    async def _report(self, own: ShardTransferView, state: TransferState, exchange_transfer_id: str = "") -> bool:
        report = ReportTransfer(
            transfer_id=own.transfer_id, exchange_transfer_id=exchange_transfer_id, from_shard=own.from_shard,
            to_shard=own.to_shard, amount_micros=own.amount_micros, status=state, now_us=self._context.clock.now_us(),
        )  # fmt: skip
        outcome = await persist(self._context.clock, lambda: self._ledger.apply(report))
        self._context.metrics.count("ledger_transfers", outcome=outcome)
        self._context.log.info(
            "transfer between shards", transfer=own.transfer_id, from_shard=own.from_shard, to_shard=own.to_shard,
            amount_micros=own.amount_micros, outcome=outcome,
        )  # fmt: skip
        if outcome is TransferOutcome.CONFLICT:
            await persist(self._context.clock, lambda: self._ledger.apply(CONFLICTING_REPORT.place()))
        else:
            self._requests.pop(own.transfer_id, None)
        return outcome is TransferOutcome(state)


def _age(transfer: ShardTransfer) -> tuple[int, str]:
    return transfer.created_us, transfer.exchange_transfer_id


def _view(transfer: RequestTransfer) -> ShardTransferView:
    return ShardTransferView(
        transfer_id=transfer.transfer_id, exchange_transfer_id="", from_shard=transfer.from_shard,
        to_shard=transfer.to_shard, amount_micros=transfer.amount_micros, state=TransferState.REQUESTED,
        requested_us=transfer.now_us,
    )  # fmt: skip


def _by_others(row: ShardTransfer) -> ShardTransferView:
    return ShardTransferView(
        transfer_id=f"{BY_OTHERS}{row.exchange_transfer_id}", exchange_transfer_id="", from_shard=row.from_shard,
        to_shard=row.to_shard, amount_micros=row.amount_micros, state=TransferState.REQUESTED,
        requested_us=row.created_us,
    )  # fmt: skip
