"""The parameters of synthetic traders, by preset: one place. docs/synthetic.md documents the fit to recordings.

Times are microseconds of a market with an activity of 100 %. A market with less has all its rates scaled down and lasts
longer by the same factor; only the makers' reaction times stay.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

MILLI_US: Final = 1_000
SECOND_US: Final = 1_000_000


class Preset(StrEnum):
    """A kind of synthetic market."""

    GOLD15M = "gold15m"
    """Fitted to recorded fifteen-minute markets on the price of gold; no simple strategy earns."""
    EASY = "easy"
    """For demonstrations: few changes and uninformed takers, so that joining the best price earns. No measure of a
    bot."""


class SizeBand(msgspec.Struct, frozen=True):
    """Sizes from ``low_centi`` to ``high_centi``, drawn with this weight; some are whole contracts."""

    weight: int
    low_centi: int
    high_centi: int
    whole_percent: int = 40


class QuoteSlots(msgspec.Struct, frozen=True, kw_only=True):
    """Quotes of one kind on each side, one for each entry of ``behind``: steps behind the best price that makers aim
    at."""

    behind: tuple[int, ...]
    sizes: tuple[SizeBand, ...]
    spread_steps: int = 0
    """Largest random addition to the distance, drawn again at each placement."""
    flicker: int = 1
    """Weight with which a quote of this kind is chosen to be moved or withdrawn."""


class ValueSteps(msgspec.Struct, frozen=True, kw_only=True):
    """Moves of the hidden price. Their variance is what is left to learn until the close: see ``belief``."""

    period_us: int
    scale_permille: int
    """Factor of each move."""
    shape: tuple[tuple[int, int], ...]
    """(weight, factor in 1/1,000): most moves are small, few are large."""
    life_us: int
    """Life of a market: the time in which its outcome becomes known."""
    end_us: int
    """Added to the time left, so that moves stay finite; what is unknown at the close is drawn."""
    short_end_us: int
    """The same for short-lived markets: their outcome is not known before it is drawn."""
    open_ppm: tuple[int, int]
    """Range of a single market's first price, in 1/1,000,000 dollar."""


class TakerRates(msgspec.Struct, frozen=True, kw_only=True):
    """Takers: ordinary ones come at random, of which some know the direction of the next move; informed ones after a
    move."""

    period_us: int
    sizes: tuple[SizeBand, ...]
    ahead_percent: int
    repeats_percent: int
    """Chance that an ordinary taker sends another order of the same side soon after."""
    informed_percent: int
    """Chance that a move beyond a quote is followed by informed takers before makers adapt."""
    informed_sizes: tuple[SizeBand, ...]
    informed_after_us: tuple[int, int]


class MakerRules(msgspec.Struct, frozen=True, kw_only=True):
    """Makers: groups that react with different delays; each keeps the quotes of its slots around the hidden price."""

    reacts_us: tuple[tuple[int, int], ...]
    """By group: shortest and longest delay after a move."""
    slots: tuple[tuple[QuoteSlots, ...], ...]
    """By group."""
    half_cc: int
    """Least distance of the best quotes from the hidden price, before rounding to the grid."""
    half_per_move_permille: int
    """Added distance, as a share of the usual size of the next move beyond ``calm_move_cc``."""
    calm_move_cc: int
    gap_us: tuple[int, int]
    """Time between two commands of one maker."""
    flicker_period_us: int
    flicker_gap_us: int
    """Longest time between two quotes that are moved together."""
    flicker_counts: tuple[tuple[int, int], ...]
    """(weight, number of quotes that are moved together)."""
    late_us: int
    late_percent: int
    """Share of flickers that remains in the last ``late_us`` before a close."""
    withdraw_percent: int
    """Share of flickers that withdraw a quote, until it is chosen again."""
    same_size_percent: int
    """Share of moved quotes that keep their size."""


class TraderParameters(msgspec.Struct, frozen=True, kw_only=True):
    """All traders of a preset's markets."""

    value: ValueSteps
    takers: TakerRates
    makers: MakerRules
    activity_percent: tuple[int, ...]
    """Activity of long-lived events, in turn: few markets are busy."""
    short_activity_percent: int
    named_activity_percent: int
    """Activity of markets that the user named."""


_FIRST: Final = (SizeBand(1, 10, 10, 0), SizeBand(4, 10, 2_500), SizeBand(3, 2_500, 8_000))
_WIDE: Final = (SizeBand(1, 10, 600), SizeBand(3, 600, 6_000), SizeBand(2, 20_000, 70_000))
_TINY: Final = (SizeBand(3, 10, 10, 0), SizeBand(2, 100, 1_000))
_SMALL: Final = (SizeBand(4, 500, 2_500), SizeBand(3, 2_500, 5_000), SizeBand(2, 5_000, 10_000))
_DEEP: Final = (SizeBand(6, 400, 5_000), SizeBand(2, 5_000, 30_000))

GOLD15M: Final = TraderParameters(
    value=ValueSteps(
        period_us=600 * MILLI_US,
        scale_permille=900,
        shape=((80, 80), (13, 1_250), (5, 2_700), (2, 4_600)),
        life_us=900 * SECOND_US,
        end_us=5 * SECOND_US,
        short_end_us=450 * SECOND_US,
        open_ppm=(350_000, 650_000),
    ),
    takers=TakerRates(
        period_us=2_000 * MILLI_US,
        sizes=(
            SizeBand(6, 10, 10, 0),
            SizeBand(22, 11, 270, 20),
            SizeBand(28, 270, 1_000, 40),
            SizeBand(26, 1_000, 2_500, 50),
            SizeBand(14, 2_500, 5_000, 50),
            SizeBand(6, 5_000, 25_000, 40),
        ),
        ahead_percent=25,
        repeats_percent=25,
        informed_percent=50,
        informed_sizes=(SizeBand(8, 200, 4_000), SizeBand(3, 4_000, 15_000), SizeBand(1, 15_000, 60_000)),
        informed_after_us=(3 * MILLI_US, 14 * MILLI_US),
    ),
    makers=MakerRules(
        reacts_us=((15 * MILLI_US, 60 * MILLI_US), (60 * MILLI_US, 300 * MILLI_US), (300 * MILLI_US, 1_500 * MILLI_US)),
        slots=(
            (
                QuoteSlots(behind=(0,), sizes=_FIRST, flicker=7),
                QuoteSlots(behind=(0,), sizes=_WIDE, flicker=3),
                QuoteSlots(behind=(0, 0), sizes=_SMALL, spread_steps=1, flicker=8),
                QuoteSlots(behind=(1, 2, 3), sizes=_SMALL, spread_steps=2, flicker=5),
            ),
            (
                QuoteSlots(behind=(0,), sizes=(SizeBand(1, 200_000, 200_000, 100),), spread_steps=7, flicker=5),
                QuoteSlots(behind=(0, 1, 2), sizes=_TINY, spread_steps=2, flicker=4),
                QuoteSlots(behind=(3, 4, 5, 6), sizes=_SMALL, spread_steps=2, flicker=4),
            ),
            (
                QuoteSlots(behind=(1, 3, 5), sizes=_SMALL, spread_steps=3, flicker=3),
                QuoteSlots(behind=tuple(range(7, 50)), sizes=_DEEP, spread_steps=1),
            ),
        ),
        half_cc=4,
        half_per_move_permille=500,
        calm_move_cc=90,
        gap_us=(20, 2_000),
        flicker_period_us=230 * MILLI_US,
        flicker_gap_us=16 * MILLI_US,
        flicker_counts=((60, 1), (25, 4), (9, 15), (6, 70)),
        late_us=150 * SECOND_US,
        late_percent=30,
        withdraw_percent=18,
        same_size_percent=45,
    ),
    activity_percent=(100, 2, 5, 5, 10, 5, 5, 20, 2, 5, 5, 10),
    short_activity_percent=15,
    named_activity_percent=5,
)  # fmt: skip
"""The default: see docs/synthetic.md for the table of the fit."""

PARAMETERS: Final[dict[Preset, TraderParameters]] = {Preset.GOLD15M: GOLD15M}
"""By preset; ``easy`` has traders of its own kind."""
