"""Plans which cash to move between shards of the exchange. Pure: amounts and weights in, at most one transfer out.

Free cash is to be distributed by weights: the operator's shares, or how many followed markets each shard has. A
transfer is planned once a shard has less than half of its part, from the shard that has the most beyond its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from truebook.venue.shards import TRANSFER_UNIT_MICROS

REFILL_BELOW: Final = 2
"""A shard is refilled when it has less than one part in so many of what it is to have."""


class TreasuryRules(msgspec.Struct, frozen=True, kw_only=True):
    """The limits that an operator has set; the settings of the treasurer describe them."""

    max_transfer_micros: int
    max_day_micros: int
    min_transfer_micros: int
    min_kept_micros: int


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer to request."""

    from_shard: int
    to_shard: int
    amount_micros: int


def plan(
    free_micros: Mapping[int, int], weights: Mapping[int, int], rules: TreasuryRules, moved_micros: int
) -> Move | None:
    """Return the next transfer, or None.

    ``free_micros`` is the available cash by shard (negative: overdrawn), ``moved_micros`` what was moved within the
    last day. Every amount is within the limits; the source keeps its own part and ``min_kept_micros``.
    """
    total_weight = sum(weights.values())
    if total_weight == 0:
        return None
    total = sum(max(0, micros) for micros in free_micros.values())
    shards = sorted({*free_micros, *weights})
    free = {shard: free_micros.get(shard, 0) for shard in shards}
    part = {shard: total * weights.get(shard, 0) // total_weight for shard in shards}
    lacking = [shard for shard in shards if free[shard] * REFILL_BELOW < part[shard]]
    if not lacking:
        return None
    to_shard = max(lacking, key=lambda shard: (part[shard] - free[shard], -shard))
    spare = {shard: free[shard] - max(part[shard], rules.min_kept_micros) for shard in shards if shard != to_shard}
    from_shard = max(spare, key=lambda shard: (spare[shard], -shard), default=to_shard)
    amount = min(
        part[to_shard] - free[to_shard], spare.get(from_shard, 0), rules.max_transfer_micros,
        rules.max_day_micros - moved_micros,
    )  # fmt: skip
    amount = amount // TRANSFER_UNIT_MICROS * TRANSFER_UNIT_MICROS
    if amount < max(rules.min_transfer_micros, TRANSFER_UNIT_MICROS):
        return None
    return Move(from_shard=from_shard, to_shard=to_shard, amount_micros=amount)
