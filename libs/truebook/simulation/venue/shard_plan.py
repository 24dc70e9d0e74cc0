"""The exchange shards of a simulated exchange: where each market is, and whether a shard takes orders.

Reads are not sharded. The assignment of a series decides where its new events go; an event stays where it was listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from truebook.messages.market_metadata import MarketMetadata
from truebook.simulation.venue.orders import Rejected
from truebook.venue.shards import AUTOMATIC, DEFAULT_SHARD, MAX_SHARD, ShardStatus

DESCRIPTIONS: Final = {
    0: "Default", 1: "Combos", 2: "Crypto & Commodities", 3: "Tennis, Baseball, Basketball",
}  # fmt: skip
"""Kalshi's names (exchange status of autumn 2026)."""
EXCHANGE_PAUSED: Final = Rejected(409, "exchange_is_paused", "exchange is paused")
TRADING_PAUSED: Final = Rejected(409, "trading_is_paused", "trading is paused")

_SHARD: Final = re.compile(r"(\d{1,3})(?::(\w[\w-]*(?:\+\w[\w-]*)*))?", re.ASCII)


class ShardPlanError(ValueError):
    """A list of shards that cannot be used; the message states how to write it."""


class ShardPlan(msgspec.Struct, frozen=True):
    """The shards by index, and the shard of each assigned series; all others are on the default shard."""

    indices: tuple[int, ...] = (DEFAULT_SHARD,)
    by_series: dict[str, int] = {}

    @classmethod
    def parse(cls, texts: Iterable[str]) -> ShardPlan:
        """Read shards written as ``2`` or ``2:SERIES+SERIES``; the default shard exists always.

        Raises ``ShardPlanError`` for another form, an index above 100, and a shard or series that is given twice.
        """
        by_index: dict[int, list[str]] = {}
        for text in texts:
            match = _SHARD.fullmatch(text.strip())
            index = MAX_SHARD + 1 if match is None else int(match[1])
            if match is None or index > MAX_SHARD or index in by_index:
                raise ShardPlanError(
                    f"invalid shard {text!r}: write INDEX or INDEX:SERIES+SERIES, each index from 0 to {MAX_SHARD} once"
                )
            by_index[index] = match[2].split("+") if match[2] else []
        by_series = {name: index for index, names in by_index.items() for name in names}
        if len(by_series) != sum(map(len, by_index.values())):
            raise ShardPlanError(f"a series is assigned to two shards: {by_index}")
        return cls(tuple(sorted({DEFAULT_SHARD, *by_index})), by_series)

    def shard_of(self, metadata: MarketMetadata) -> int:
        """Return where a new market goes: the shard of its series, or the one that it states, if that exists."""
        stated = metadata.exchange_index if metadata.exchange_index in self.indices else DEFAULT_SHARD
        return self.by_series.get(metadata.series, stated)


class Route(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a request names the shard of an order: by index, or by a market of it (None and -1: automatic)."""

    exchange_index: int | None = None
    ticker: str | None = None

    @property
    def pinned(self) -> int | None:
        """The shard that the request names; None if the exchange is to find it."""
        return None if self.exchange_index in (None, AUTOMATIC) else self.exchange_index


class ShardSwitches(msgspec.Struct):
    """What a shard does at the moment."""

    exchange_active: bool = True
    trading_active: bool = True
    transfers_active: bool = True


class ShardChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An operator's change of one shard; None leaves a switch as it is."""

    exchange_index: int
    exchange_active: bool | None = None
    trading_active: bool | None = None
    transfers_active: bool | None = None


class Shards:
    """The plan and the switches of each shard."""

    def __init__(self, plan: ShardPlan) -> None:
        self.plan = plan
        self._switches = {index: ShardSwitches() for index in plan.indices}

    def __contains__(self, index: int) -> bool:
        return index in self._switches

    def switches(self, index: int) -> ShardSwitches:
        """Return the switches of a shard of the plan."""
        return self._switches[index]

    def apply(self, change: ShardChange) -> None:
        """Change the switches of a shard of the plan."""
        switches = self._switches[change.exchange_index]
        for name in switches.__struct_fields__:
            value = getattr(change, name)
            if value is not None:
                setattr(switches, name, value)

    def entry_rejection(self, index: int) -> Rejected | None:
        """Return why a shard takes no new or amended order."""
        switches = self._switches[index]
        if not switches.exchange_active:
            return EXCHANGE_PAUSED
        return None if switches.trading_active else TRADING_PAUSED

    def cancel_rejection(self, index: int) -> Rejected | None:
        """Return why a shard takes no cancel: a pause of trading alone lets them pass."""
        return None if self._switches[index].exchange_active else EXCHANGE_PAUSED

    def statuses(self) -> tuple[ShardStatus, ...]:
        """List the shards by index; a single one has no other to send cash to."""
        return tuple(
            ShardStatus(
                exchange_index=index, description=DESCRIPTIONS.get(index, f"Shard {index}"),
                exchange_active=switches.exchange_active, trading_active=switches.trading_active,
                transfers_active=switches.transfers_active and len(self._switches) > 1,
            )
            for index, switches in self._switches.items()
        )  # fmt: skip
