"""How a model's output is read: the part of its metadata that decisions need."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Output(StrEnum):
    """The meaning of one row of a model's output."""

    ACTION_LOGITS = "action_logits"
    """One score per action id, 1 + 4k of them; the highest wins, the lower id among equals."""
    YES_PROBABILITY = "yes_probability"
    """One number: the probability, 0..1, that the market settles at YES; used as its fair price in dollars."""


class PriceRule(StrEnum):
    """The price of an order, relative to its own side."""

    JOIN = "join"
    """At our side's best price; never crosses (post-only)."""
    IMPROVE = "improve"
    """One tick better than our side's best, or at it where that tick is the other side's; never crosses."""
    CROSS = "cross"
    """At the other side's best price: takes liquidity at once."""
    MID = "mid"
    """At the mid price, rounded to the grid away from the other side."""


class Intent(StrEnum):
    """What an action id requests. The order of the members is that of the action map."""

    HOLD = "hold"
    BUY_YES = "buy_yes"
    SELL_YES = "sell_yes"
    BUY_NO = "buy_no"
    SELL_NO = "sell_no"


TRADES: Final = tuple(Intent)[1:]
ACTION_MAP: Final = ",".join(Intent)
MILLION: Final = 1_000_000


class Strategy(msgspec.Struct, frozen=True, kw_only=True):
    """How a model trades, by its metadata. ``models.metadata.ModelMetadata`` adds the file's identity."""

    output: Output
    sizes_centi: tuple[int, ...]
    """``action_logits``: the k sizes. ``yes_probability``: the last one is the largest quote."""
    price_rule: PriceRule = PriceRule.CROSS
    min_edge_cc: int = 0
    """``yes_probability``: the minimum gain of a contract beyond its fee, by the model's probability."""
    take_edge_cc: int | None = None
    """``yes_probability`` with a resting rule: take at the other side's best price if a contract gains at least this
    beyond the taker's fee; None never takes."""
    kelly_fraction_ppm: int = 0
    """``yes_probability``: the staked part of the Kelly bet; 0 always quotes the largest size."""
    cash_share_ppm: int = 200_000
    """The share of available cash that one order may use for opening."""
    max_position_centi: int | None = None
    """Largest position on either leg that orders open; None: only the ledger's limits apply."""

    @property
    def outputs(self) -> int:
        """The width of one row of the output."""
        return 1 if self.output is Output.YES_PROBABILITY else 1 + 4 * len(self.sizes_centi)


def intent_of(action: int, sizes_centi: tuple[int, ...]) -> tuple[Intent, int]:
    """Read an action id: HOLD is 0; then k ids for each of BUY_YES, SELL_YES, BUY_NO, SELL_NO, smallest size first.

    Raises ``ValueError`` for an id beyond 4k: an id of another map must not be read by this one.
    """
    if action == 0:
        return Intent.HOLD, 0
    kind, size = divmod(action - 1, len(sizes_centi))
    if action < 0 or kind >= len(TRADES):
        raise ValueError(f"action id {action} is outside 0..{4 * len(sizes_centi)}")
    return TRADES[kind], sizes_centi[size]
