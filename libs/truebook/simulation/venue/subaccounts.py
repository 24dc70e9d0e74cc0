"""The subaccounts of an owner: made one by one on each shard, with transfers of cash between them.

Subaccounts are numbered from 1 on each shard; the same number on two shards is the same subaccount, with cash on both.
A transfer takes effect at once, once by the caller's id; the sum of all subaccounts stays the same.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.money import MICROS_PER_CENT
from truebook.simulation.events import SimulationEvent
from truebook.simulation.venue.account_book import INSUFFICIENT_BALANCE, AccountBook, invalid_parameters
from truebook.simulation.venue.accounts import Account, SubaccountTransfer
from truebook.simulation.venue.lifecycle import MarketLifecycle
from truebook.simulation.venue.order_groups import NO_SHARD
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.subaccount_names import MAX_SUBACCOUNT, PRIMARY

MAX_KEPT: Final = 10_000
"""Transfers that an owner's record keeps; the oldest are dropped."""
TOO_MANY: Final = invalid_parameters(f"an account has at most {MAX_SUBACCOUNT} subaccounts on a shard")
NO_SUBACCOUNT: Final = invalid_parameters("this account has no such subaccount on this shard: make it first")
SAME_SUBACCOUNT: Final = invalid_parameters("from_subaccount and to_subaccount are the same")
TRANSFER_EXISTS: Final = Rejected(409, "transfer_already_exists", "the client transfer id was accepted before")


class SubaccountMove(msgspec.Struct, frozen=True, kw_only=True):
    """A request to move cash between two subaccounts of one owner on one shard."""

    transfer_id: str
    from_number: int
    to_number: int
    amount_micros: int
    shard: int


class Subaccounts:
    """The numbered subaccounts of all owners."""

    def __init__(self, accounts: AccountBook, lifecycle: MarketLifecycle) -> None:
        self._accounts = accounts
        self._lifecycle = lifecycle

    def create(self, owner: str, shard: int, at_us: int) -> tuple[int | Rejected, list[SimulationEvent]]:
        """Make the owner's next subaccount of a shard; returns its number."""
        events = self._lifecycle.advance(at_us)
        if shard not in self._accounts.shards:
            return NO_SHARD, events
        family = self._accounts.family(owner)
        number = 1 + sum(number != PRIMARY and shard in one.wallets for number, one in family.items())
        if number > MAX_SUBACCOUNT:
            return TOO_MANY, events
        self._accounts.open_subaccount(owner, number, shard)
        return number, events

    def move(
        self, owner: str, wanted: SubaccountMove, at_us: int
    ) -> tuple[SubaccountTransfer | Rejected, list[SimulationEvent]]:
        """Move cash that no order holds, once by the caller's id."""
        events = self._lifecycle.advance(at_us)
        family = self._accounts.family(owner)
        rejection = self._rejection(family, wanted)
        if rejection is not None:
            return rejection, events
        now_us = self._lifecycle.now_us
        transfer = SubaccountTransfer(
            transfer_id=wanted.transfer_id, from_number=wanted.from_number, to_number=wanted.to_number,
            amount_micros=wanted.amount_micros, shard=wanted.shard, created_us=now_us,
        )  # fmt: skip
        for number, amount_micros in (
            (wanted.from_number, -wanted.amount_micros),
            (wanted.to_number, wanted.amount_micros),
        ):
            family[number].wallet(wanted.shard).cash_micros += amount_micros
            family[number].updated_us = now_us
        kept = family[PRIMARY].subaccount_transfers
        kept[transfer.transfer_id] = transfer
        if len(kept) > MAX_KEPT:
            del kept[next(iter(kept))]
        return transfer, events

    def _rejection(self, family: dict[int, Account], wanted: SubaccountMove) -> Rejected | None:
        if wanted.from_number == wanted.to_number:
            return SAME_SUBACCOUNT
        if wanted.shard not in self._accounts.shards:
            return NO_SHARD
        source, target = family.get(wanted.from_number), family.get(wanted.to_number)
        # The primary one exists on all shards, a numbered one where it was made.
        if any(
            one is None or (number != PRIMARY and wanted.shard not in one.wallets)
            for number, one in ((wanted.from_number, source), (wanted.to_number, target))
        ):
            return NO_SUBACCOUNT
        if wanted.amount_micros <= 0 or wanted.amount_micros % MICROS_PER_CENT:
            return invalid_parameters("amount_cents: a number of cents above 0 is required")
        if wanted.transfer_id in family[PRIMARY].subaccount_transfers:
            return TRANSFER_EXISTS
        wallet = family[wanted.from_number].wallets.get(wanted.shard)
        if wallet is None or wallet.available_micros < wanted.amount_micros:
            return INSUFFICIENT_BALANCE
        return None

    def set_netting(
        self, owner: str, number: int, is_on: bool, at_us: int
    ) -> tuple[Rejected | None, list[SimulationEvent]]:
        """Switch collateral return over the markets of an event, for positions made from now on."""
        events = self._lifecycle.advance(at_us)
        found = self._accounts.family(owner).get(number)
        if found is None:
            return NO_SUBACCOUNT, events
        found.is_netting = is_on
        return None, events
