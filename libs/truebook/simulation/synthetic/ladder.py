"""The quotes of a fitted market's makers: groups of slots on both sides, moved after the hidden price.

Like all synthetic traders, makers know the hidden price and their own quotes, never the book or their fills: a filled
quote is replaced when its slot is next moved.
"""

from __future__ import annotations

from random import Random
from typing import Final

from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import PriceRange
from truebook.simulation.synthetic.draws import draw_size
from truebook.simulation.synthetic.presets import MakerRules, QuoteSlots
from truebook.simulation.synthetic.quoting import CancelId, maker_account
from truebook.venue.account import OrderRequest
from truebook.venue.grid import round_down, round_up

STEP_CC: Final = 100
"""Distance between the makers' levels; on a finer grid half of it."""
_NEAR_STEPS: Final = 2
"""Quotes up to here are moved when they are off by any amount; those farther, by more than half their distance."""


class Slot:
    """One quote of a maker, or the place of one that is withdrawn or was filled."""

    __slots__ = ("behind", "group", "kind", "order_id", "price_cc", "side", "size_centi", "steps")

    def __init__(self, group: int, kind: QuoteSlots, side: BookSide, behind: int) -> None:
        self.group = group
        self.kind = kind
        self.side = side
        self.behind = behind
        self.steps = behind
        """Distance from the best price that is aimed at: ``behind`` and the random addition of the last placement."""
        self.order_id = ""
        self.price_cc = 0
        self.size_centi = 0


class QuoteLadder:
    """All makers of one market. ``half_cc`` is the least distance of the best quotes from the hidden price."""

    def __init__(self, ticker: str, grid: tuple[PriceRange, ...], rules: MakerRules) -> None:
        self._ticker = ticker
        self._grid = grid
        self._rules = rules
        self._step_cc = STEP_CC if min(one.step_cc for one in grid) >= STEP_CC else STEP_CC // 2
        self._groups: list[tuple[list[Slot], list[Slot]]] = [
            (_slots(group, kinds, BookSide.ASK), _slots(group, kinds, BookSide.BID))
            for group, kinds in enumerate(rules.slots)
        ]
        """By group: asks and bids."""
        self._flickering = [
            slot for sides in self._groups for slots in sides for slot in slots for _ in range(slot.kind.flicker)
        ]
        self._anchors: list[tuple[int | None, int | None]] = [(0, 0)] * len(self._groups)
        self._sent = 0

    @property
    def groups(self) -> int:
        return len(self._groups)

    def account(self, group: int) -> str:
        return maker_account(group)

    def anchor(self, price_cc: int, half_cc: int) -> tuple[int | None, int | None]:
        """Return the best bid and ask that makers aim at; None: none on that side."""
        return round_down(price_cc - half_cc, self._grid), round_up(price_cc + half_cc, self._grid)

    def move(self, group: int, price_cc: int, half_cc: int, rng: Random) -> list[CancelId | OrderRequest]:
        """Replace the group's quotes that are off their target, one after the other; the side that retreats moves
        first."""
        before, anchor = self._anchors[group], self.anchor(price_cc, half_cc)
        if anchor == before:
            return []
        self._anchors[group] = anchor
        bids_first = (anchor[0] or 0) < (before[0] or 0)
        commands: list[CancelId | OrderRequest] = []
        for is_bid in (bids_first, not bids_first):
            for slot in self._groups[group][is_bid]:
                if slot.order_id:
                    self._move_slot(slot, anchor, commands, rng)
        return commands

    def _move_slot(
        self, slot: Slot, anchor: tuple[int | None, int | None], commands: list[CancelId | OrderRequest], rng: Random
    ) -> None:
        target_cc = self._target(slot, anchor)
        if target_cc is not None and abs(target_cc - slot.price_cc) <= self._tolerance_cc(slot):
            return
        commands.append(slot.order_id)
        slot.order_id = ""
        if target_cc is not None:
            same_size = rng.randrange(100) < self._rules.same_size_percent
            commands.append(self._place(slot, target_cc, rng, same_size=same_size))

    def open(self, group: int, price_cc: int, half_cc: int, rng: Random) -> list[CancelId | OrderRequest]:
        """Place the first quotes of a group."""
        anchor = self._anchors[group] = self.anchor(price_cc, half_cc)
        orders: list[CancelId | OrderRequest] = []
        for slots in self._groups[group]:
            for slot in slots:
                self._draw_steps(slot, rng)
                target_cc = self._target(slot, anchor)
                if target_cc is not None:
                    orders.append(self._place(slot, target_cc, rng, same_size=False))
        return orders

    def flicker(self, rng: Random) -> tuple[int, list[CancelId | OrderRequest]]:
        """Withdraw, place again or move one quote; returns its group and the commands."""
        slot = self._flickering[rng.randrange(len(self._flickering))]
        commands: list[CancelId | OrderRequest] = []
        chance = rng.randrange(100)
        if slot.order_id:
            commands.append(slot.order_id)
            slot.order_id = ""
            if chance < self._rules.withdraw_percent:
                return slot.group, commands
        self._draw_steps(slot, rng)
        target_cc = self._target(slot, self._anchors[slot.group])
        if target_cc is not None:
            same_size = rng.randrange(100) < self._rules.same_size_percent
            commands.append(self._place(slot, target_cc, rng, same_size=same_size))
        return slot.group, commands

    def _draw_steps(self, slot: Slot, rng: Random) -> None:
        slot.steps = slot.behind + (rng.randrange(slot.kind.spread_steps + 1) if slot.kind.spread_steps else 0)

    def _target(self, slot: Slot, anchor: tuple[int | None, int | None]) -> int | None:
        distance_cc = slot.steps * self._step_cc
        if slot.side is BookSide.BID:
            best_cc = anchor[0]
            return None if best_cc is None else round_down(best_cc - distance_cc, self._grid)
        best_cc = anchor[1]
        return None if best_cc is None else round_up(best_cc + distance_cc, self._grid)

    def _tolerance_cc(self, slot: Slot) -> int:
        return 0 if slot.steps <= _NEAR_STEPS else slot.steps * self._step_cc // 2

    def _place(self, slot: Slot, price_cc: int, rng: Random, *, same_size: bool) -> OrderRequest:
        self._sent += 1
        slot.order_id = f"{self._ticker}:{self._sent}"
        slot.price_cc = price_cc
        if not (same_size and slot.size_centi):
            slot.size_centi = draw_size(slot.kind.sizes, rng)
        return OrderRequest(
            ticker=self._ticker, client_order_id=slot.order_id, book_side=slot.side, price_cc=price_cc,
            size_centi=slot.size_centi,
        )  # fmt: skip


def _slots(group: int, kinds: tuple[QuoteSlots, ...], side: BookSide) -> list[Slot]:
    return [Slot(group, kind, side, behind) for kind in kinds for behind in kind.behind]
