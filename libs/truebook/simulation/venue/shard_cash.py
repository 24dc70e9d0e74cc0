"""Cash between the shards of the simulated exchange: transfers that arrive later, and the target allocation.

A transfer leaves its shard when it is accepted and is in neither wallet until it arrives. The target allocation acts
every ten seconds: free cash of a shard is its cash without what the reservation rule keeps there; what is above the
target moves to shards below it, by transfers of the same kind. It never moves cash that resting orders hold, and counts
transfers under way as arrived. What Kalshi does not document is decided in ``docs/decisions``, number 13.
"""

from __future__ import annotations

from typing import Final

from truebook.messages.envelope import BookSide
from truebook.simulation.events import CashMoved, SimulationEvent
from truebook.simulation.venue.account_book import INSUFFICIENT_BALANCE, AccountBook, invalid_parameters
from truebook.simulation.venue.accounts import Account, CashMove
from truebook.simulation.venue.lifecycle import Due, MarketLifecycle
from truebook.simulation.venue.order_groups import NO_SHARD
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.subaccount_names import PRIMARY
from truebook.simulation.venue.subaccounts import TRANSFER_EXISTS
from truebook.venue.shards import (
    TRANSFER_UNIT_MICROS,
    MarginReservation,
    ShardTransfer,
    TargetAllocation,
    TransferStatus,
)

ALLOCATION_PERIOD_US: Final = 10_000_000
MIN_DRIFT_MICROS: Final = 10_000
"""The automatic allocation leaves a drift below one cent."""
MAX_KEPT: Final = 10_000
"""Transfers that an account keeps; the oldest complete ones are dropped."""
TRANSFERS_INACTIVE: Final = Rejected(403, "intra_exchange_transfers_inactive", "transfers are switched off")
ID_OF_ANOTHER: Final = invalid_parameters("client_transfer_id: used by another request on this route")
SAME_SHARD: Final = invalid_parameters("source_exchange_shard and destination_exchange_shard are the same")


class ShardTransfers:
    """Transfers and target allocations of all accounts."""

    def __init__(self, accounts: AccountBook, lifecycle: MarketLifecycle) -> None:
        self._accounts = accounts
        self._lifecycle = lifecycle
        self._allocations: dict[str, int] = {}
        """Number of the allocation that is in force, by account: entries of earlier ones are ignored."""
        self._delays: dict[str, int] = {}
        """How long an account's automatic transfers take."""
        lifecycle.on_due(Due.ARRIVE, self._arrive)
        lifecycle.on_due(Due.ALLOCATE, self._allocate)

    # Transfers

    def move(self, account: str, move: CashMove, at_us: int) -> tuple[ShardTransfer | Rejected, list[SimulationEvent]]:
        """Accept a transfer, once by the caller's id, or reject it; it arrives ``move.delay_us`` later."""
        events = self._lifecycle.advance(at_us)
        owner = self._accounts.account(account)
        rejection = self._rejection(owner, move)
        if rejection is not None:
            return rejection, events
        transfer, moved = self._start(owner, move)
        if move.to_subaccount != PRIMARY:
            owner.onward[transfer.exchange_transfer_id] = move.to_subaccount
        return transfer, [*events, moved]

    def _rejection(self, owner: Account, move: CashMove) -> Rejected | None:
        if move.from_shard == move.to_shard:
            return SAME_SHARD
        shards = self._accounts.shards
        if move.from_shard not in shards or move.to_shard not in shards:
            return NO_SHARD
        if move.amount_micros <= 0 or move.amount_micros % TRANSFER_UNIT_MICROS:
            return invalid_parameters("amount: a number of centicents above 0 is required")
        if not all(shards.switches(index).transfers_active for index in (move.from_shard, move.to_shard)):
            return TRANSFERS_INACTIVE
        known = owner.moves.get(move.route)
        if known is not None:
            return TRANSFER_EXISTS if known.amount_micros == move.amount_micros else ID_OF_ANOTHER
        wallet = owner.wallets.get(move.from_shard)
        if wallet is None or wallet.available_micros < move.amount_micros:
            return INSUFFICIENT_BALANCE
        return None

    def _start(self, owner: Account, move: CashMove) -> tuple[ShardTransfer, CashMoved]:
        now_us = self._lifecycle.now_us
        transfer = ShardTransfer(
            exchange_transfer_id=self._accounts.next_id("transfer", owner.name), from_shard=move.from_shard,
            to_shard=move.to_shard, amount_micros=move.amount_micros, status=TransferStatus.PENDING,
            created_us=now_us // 1_000_000 * 1_000_000,
        )  # fmt: skip
        owner.wallets[move.from_shard].cash_micros -= move.amount_micros
        owner.updated_us = now_us
        owner.shard_transfers[transfer.exchange_transfer_id] = transfer
        if move.client_transfer_id is not None:
            owner.moves[move.route] = move
        self._drop_old(owner)
        self._lifecycle.schedule(now_us + move.delay_us, Due.ARRIVE, owner.name, transfer.exchange_transfer_id)
        return transfer, CashMoved(at_us=now_us, account=owner.name, transfer=transfer)

    def _arrive(self, account: str, transfer_id: str, at_us: int) -> list[SimulationEvent]:
        owner = self._accounts.account(account)
        transfer = owner.shard_transfers[transfer_id].completed()
        owner.shard_transfers[transfer_id] = transfer
        number = owner.onward.pop(transfer_id, PRIMARY)
        # The last step of a transfer to a numbered subaccount. The cash stays in the primary one if there is no other.
        target = self._accounts.family(account).get(number)
        if target is None or (number != PRIMARY and transfer.to_shard not in target.wallets):
            target = owner
        target.wallet(transfer.to_shard).cash_micros += transfer.amount_micros
        target.updated_us = owner.updated_us = at_us
        return [CashMoved(at_us=at_us, account=account, transfer=transfer)]

    def _drop_old(self, owner: Account) -> None:
        while len(owner.shard_transfers) > MAX_KEPT:
            oldest = next(iter(owner.shard_transfers))
            if owner.shard_transfers[oldest].status is TransferStatus.PENDING:
                break
            del owner.shard_transfers[oldest]
        while len(owner.moves) > MAX_KEPT:
            del owner.moves[next(iter(owner.moves))]

    # The target allocation

    def set_allocation(
        self, account: str, target: TargetAllocation, delay_us: int, at_us: int
    ) -> tuple[TargetAllocation | Rejected, list[SimulationEvent]]:
        """Set how free cash is to be distributed; without shares nothing moves any more."""
        events = self._lifecycle.advance(at_us)
        indices = [share.exchange_index for share in target.shares]
        percents = [share.percent for share in target.shares]
        if any(index not in self._accounts.shards for index in indices) or len(set(indices)) != len(indices):
            return invalid_parameters("allocations: each shard of the exchange at most once"), events
        if percents and (sum(percents) != 100 or min(percents) < 0):
            return invalid_parameters("allocations: whole percents that add up to 100 are required"), events
        owner = self._accounts.account(account)
        owner.allocation = target
        self._delays[account] = delay_us
        self._allocations[account] = self._allocations.get(account, 0) + 1
        if target.shares:
            self._schedule(account)
        return target, events

    def _schedule(self, account: str) -> None:
        due_us = self._lifecycle.now_us + ALLOCATION_PERIOD_US
        self._lifecycle.schedule(due_us, Due.ALLOCATE, account, str(self._allocations[account]))

    def _allocate(self, account: str, number: str, at_us: int) -> list[SimulationEvent]:
        if number != str(self._allocations[account]):
            return []
        due_us = at_us + ALLOCATION_PERIOD_US
        self._lifecycle.schedule(due_us, Due.ALLOCATE, account, number)
        owner = self._accounts.account(account)
        drifts = self._drifts(owner)
        events: list[SimulationEvent] = []
        for to_shard in sorted(index for index, drift in drifts.items() if drift < 0):
            for from_shard in sorted(index for index, drift in drifts.items() if drift > 0):
                wallet = owner.wallets.get(from_shard)
                if wallet is None:
                    continue  # what is above the target is still under way
                amount = min(-drifts[to_shard], drifts[from_shard], wallet.available_micros) // TRANSFER_UNIT_MICROS
                move = CashMove(
                    from_shard=from_shard, to_shard=to_shard, amount_micros=amount * TRANSFER_UNIT_MICROS,
                    delay_us=self._delays[account],
                )  # fmt: skip
                if move.amount_micros < MIN_DRIFT_MICROS or self._rejection(owner, move) is not None:
                    continue
                drifts[to_shard] += move.amount_micros
                drifts[from_shard] -= move.amount_micros
                events.append(self._start(owner, move)[1])
        return events

    def _drifts(self, owner: Account) -> dict[int, int]:
        """Return how much free cash each shard of the plan has above (below: negative) its target, in micro-dollars."""
        free = dict.fromkeys(self._accounts.shards.plan.indices, 0)
        for index, wallet in owner.wallets.items():
            free[index] += max(0, wallet.cash_micros - self._reserved(owner, index))
        for transfer in owner.shard_transfers.values():
            if transfer.status is TransferStatus.PENDING:
                free[transfer.to_shard] += transfer.amount_micros
        total = sum(free.values())
        percents = {share.exchange_index: share.percent for share in owner.allocation.shares}
        return {index: cash - total * percents.get(index, 0) // 100 for index, cash in free.items()}

    def _reserved(self, owner: Account, shard: int) -> int:
        """Return what the reservation rule keeps on a shard for resting orders."""
        match owner.allocation.reservation:
            case MarginReservation.NONE:
                return 0
            case MarginReservation.SUM:
                return owner.wallets[shard].held_micros
            case MarginReservation.MAX:
                return max(self._commitments(owner, shard), default=0)

    def _commitments(self, owner: Account, shard: int) -> list[int]:
        """Return the cash that the orders of each side of each market hold on a shard."""
        found = []
        for ticker in owner.open_orders:
            record = self._accounts.markets[ticker]
            if record.shard == shard:
                found += [owner.side_held_micros(record, side) for side in BookSide]
        return found
