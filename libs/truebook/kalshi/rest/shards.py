"""Requests of exchange shards: transfers of cash between them, and the target allocation."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from truebook.kalshi.port import AlreadyExists, Refused
from truebook.kalshi.rest.calls import Calls
from truebook.kalshi.rest.errors import translated
from truebook.kalshi.rest.items import ItemReader
from truebook.kalshi.wire import shards as wire
from truebook.venue.account import Listing
from truebook.venue.shards import ShardTransfer, TargetAllocation

TRANSFER: Final = "/portfolio/intra_exchange_instance_transfer"
TRANSFERS: Final = "/portfolio/intra_exchange_instance_transfers"
ALLOCATION: Final = "/portfolio/target_balance_allocation"
PER_PAGE: Final = 500
TIMEOUT_S: Final = 5.0


class ShardCalls:
    """The account's requests that concern more than one shard."""

    def __init__(self, calls: Calls, items: ItemReader) -> None:
        self._calls = calls
        self._items = items

    async def transfer(self, transfer_id: str, from_shard: int, to_shard: int, amount_micros: int) -> str:
        """Move cash once by the caller's id; return the exchange's id of the transfer."""
        body = wire.write_transfer(transfer_id, from_shard, to_shard, amount_micros)
        try:
            accepted = await self._calls.write("POST", TRANSFER, wire.TransferAccepted, timeout_s=TIMEOUT_S, body=body)
        except Refused as refused:
            if refused.status == 409:
                raise AlreadyExists(refused.status, refused.code, refused.detail) from refused
            raise
        return accepted.transfer_id

    async def transfers(self) -> Listing[ShardTransfer]:
        """Return the transfers between shards, newest first as the exchange lists them."""
        raw = await self._calls.pages(
            TRANSFERS, wire.ShardTransfersPage, {"limit": PER_PAGE}, lambda page: page.transfers
        )
        return self._items.read(raw, wire.ShardTransferBody, wire.transfer, f"GET {TRANSFERS}")

    async def transfer_of(self, exchange_transfer_id: str) -> ShardTransfer:
        path = f"{TRANSFERS}/{quote(exchange_transfer_id, safe='')}"
        body = await self._calls.read(path, wire.ShardTransferResponse)
        return translated(wire.transfer, body.transfer, f"GET {path}")

    async def allocation(self) -> TargetAllocation:
        body = await self._calls.read(ALLOCATION, wire.AllocationBody)
        return translated(wire.allocation, body, f"GET {ALLOCATION}")

    async def set_allocation(self, target: TargetAllocation) -> None:
        body = wire.write_allocation(target)
        await self._calls.write("POST", ALLOCATION, dict[str, msgspec.Raw], timeout_s=TIMEOUT_S, body=body)
