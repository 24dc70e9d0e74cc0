"""Moves cash between shards of the exchange ahead of need, within the operator's limits; one transfer at a time."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from truebook.clock import MICROS
from truebook.kalshi.port import RestClient
from truebook.ledger.outcomes import TransferOutcome, TransferState
from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import Mode, NextNumber, RequestTransfer
from truebook.messages.ids import digest
from truebook.messages.markets import MarketUpdated
from truebook.runtime.consumer import Incoming
from truebook.runtime.context import Context
from truebook_services.reconciler.settings import TreasurerSettings
from truebook_services.reconciler.shard_transfers import BY_OTHERS, ShardTransfers
from truebook_services.reconciler.treasury_plan import Move, plan

DAY_US: Final = 86_400 * MICROS
COUNTER: Final = "shard_transfers"


class FollowedMarkets:
    """Counts the followed markets of each shard, as ingest publishes them."""

    def __init__(self) -> None:
        self._shard_of: dict[str, int] = {}

    async def handle(self, records: Sequence[Incoming]) -> None:
        """Take messages of the topic ``markets``."""
        for incoming in records:
            match incoming.message:
                case MarketUpdated(selected=True) as updated:
                    self._shard_of[updated.metadata.ticker] = updated.metadata.exchange_index
                case MarketUpdated() as updated:
                    self._shard_of.pop(updated.metadata.ticker, None)
                case _:
                    pass
            incoming.done()

    def weights(self) -> Mapping[int, int]:
        """Return the number of followed markets by shard."""
        return Counter(self._shard_of.values())


class Treasurer:
    """Runs periodically."""

    def __init__(
        self, context: Context, settings: TreasurerSettings, rest: RestClient, ledger: LedgerStore, *,
        transfers: ShardTransfers, followed: FollowedMarkets,
    ) -> None:  # fmt: skip
        self._context = context
        self._settings = settings
        self._rest = rest
        self._ledger = ledger
        self._transfers = transfers
        self._followed = followed

    async def run(self) -> None:
        """Request the next transfer, if one is needed and nothing is under way. A halted account moves nothing."""
        account = (await self._ledger.view(())).account
        if not account.opened or account.mode is Mode.HALTED or account.transfers:
            return
        weights = self._settings.weights() or self._followed.weights()
        free = {shard.exchange_index: shard.net_micros for shard in account.shards}
        if not {*weights, *free} - {0}:
            return
        now_us = self._context.clock.now_us()
        move = plan(free, weights, self._settings.rules(), await self._moved_micros(now_us))
        if move is not None and await self._may_move(move):
            await self._request(move, now_us)

    async def _moved_micros(self, now_us: int) -> int:
        """Return what was moved by this treasurer within the last day."""
        return sum(
            one.amount_micros
            for one in await self._ledger.transfers()
            if one.requested_us > now_us - DAY_US
            and one.state is not TransferState.REFUSED
            and not one.transfer_id.startswith(BY_OTHERS)
        )

    async def _may_move(self, move: Move) -> bool:
        """Return whether both shards permit transfers; what the status has beside its list is shard 0's alone."""
        status = await self._rest.status()
        active = {shard.exchange_index for shard in status.shards if shard.transfers_active}
        return {move.from_shard, move.to_shard} <= active

    async def _request(self, move: Move, now_us: int) -> None:
        number = await self._ledger.apply(NextNumber(name=COUNTER))
        transfer_id = str(uuid.UUID(hex=digest("shard_transfer", self._ledger.ledger_id, number)))
        outcome = await self._transfers.request(
            RequestTransfer(
                transfer_id=transfer_id, from_shard=move.from_shard, to_shard=move.to_shard,
                amount_micros=move.amount_micros, now_us=now_us,
            )
        )  # fmt: skip
        if outcome is not TransferOutcome.REQUESTED:
            self._context.log.warning("transfer not requested", transfer=transfer_id, outcome=outcome)
