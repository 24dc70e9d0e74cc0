"""How synthetic traders decide: makers keep ladders round the hidden value, takers cross.

They know the hidden value and their own quotes, never the exchange's book or anyone's account: what a quote became is
not told them. A quote that was filled is replaced when the maker next moves or renews it.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.facts import PriceRange
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC
from truebook.venue.account import OrderRequest
from truebook.venue.grid import round_down, round_up

LEVELS: Final = 3
_LEVEL_STEP_CC: Final = 100
_TOLERANCE_CC: Final = (100, 200, 300)
"""By level: a quote stays where it is until it is this far from where it ought to be."""


class Cancel(msgspec.Struct, frozen=True):
    """A trader takes a quote back."""

    account: str
    client_order_id: str


class Place(msgspec.Struct, frozen=True):
    """A trader sends an order."""

    account: str
    request: OrderRequest


class Maker:
    """One maker in one market: up to ``LEVELS`` quotes on each side."""

    def __init__(self, account: str, ticker: str, grid: tuple[PriceRange, ...], spread_cc: int) -> None:
        self._account = account
        self._ticker = ticker
        self._grid = grid
        self._spread_cc = spread_cc
        self._quotes: dict[tuple[BookSide, int], tuple[str, int]] = {}
        self._sent = 0

    def requote(self, fair_cc: int, rng: Random) -> list[Cancel | Place]:
        """Replace the quotes that are off, and now and then one that is not; cancels come first."""
        renewed = (_side(rng), rng.randrange(LEVELS)) if rng.randrange(3) == 0 else None
        cancels: list[Cancel | Place] = []
        places: list[Cancel | Place] = []
        for side in (BookSide.BID, BookSide.ASK):
            for level in range(LEVELS):
                wanted_cc = self._price(side, level, fair_cc)
                standing = self._quotes.get((side, level))
                if standing is not None:
                    fits = wanted_cc is not None and abs(wanted_cc - standing[1]) < _TOLERANCE_CC[level]
                    if fits and renewed != (side, level):
                        continue
                    del self._quotes[side, level]
                    cancels.append(Cancel(self._account, standing[0]))
                if wanted_cc is not None:
                    places.append(self._place(side, level, wanted_cc, rng))
        return cancels + places

    def _price(self, side: BookSide, level: int, fair_cc: int) -> int | None:
        distance_cc = self._spread_cc + level * _LEVEL_STEP_CC
        if side is BookSide.BID:
            return round_down(fair_cc - distance_cc, self._grid)
        return round_up(fair_cc + distance_cc, self._grid)

    def _place(self, side: BookSide, level: int, price_cc: int, rng: Random) -> Place:
        self._sent += 1
        client_order_id = f"{self._account}:{self._ticker}:{self._sent}"
        self._quotes[side, level] = (client_order_id, price_cc)
        contracts = 3 + rng.randrange(28) if level == 0 else 10 + rng.randrange(40 * level)
        return Place(
            self._account,
            OrderRequest(
                ticker=self._ticker,
                client_order_id=client_order_id,
                book_side=side,
                price_cc=price_cc,
                size_centi=_size(contracts, rng),
            ),
        )


class Taker:
    """The takers of one market: most trade at random, some know where the value has just gone."""

    def __init__(self, ticker: str, grid: tuple[PriceRange, ...]) -> None:
        self._ticker = ticker
        self._grid = grid
        self._sent = 0

    def cross(self, fair_cc: int, rng: Random) -> Place:
        """Buy or sell at random, ready to pay some cents for it."""
        side = _side(rng)
        reach_cc = 300 + rng.randrange(300)
        limit_cc = fair_cc + reach_cc if side is BookSide.BID else fair_cc - reach_cc
        return self._send(side, limit_cc, 1 + rng.randrange(2 + rng.randrange(38)), rng)

    def pick_off(self, before_cc: int, fair_cc: int, rng: Random) -> Place:
        """Take what is still quoted on the wrong side of the new value."""
        side = BookSide.BID if fair_cc > before_cc else BookSide.ASK
        return self._send(side, fair_cc, 5 + rng.randrange(40), rng)

    def _send(self, side: BookSide, limit_cc: int, contracts: int, rng: Random) -> Place:
        self._sent += 1
        within_cc = min(max(limit_cc, MIN_PRICE_CC), MAX_PRICE_CC)
        price_cc = round_down(within_cc, self._grid) or round_up(within_cc, self._grid)
        assert price_cc is not None
        return Place(
            "trader:taker",
            OrderRequest(
                ticker=self._ticker,
                client_order_id=f"trader:taker:{self._ticker}:{self._sent}",
                book_side=side,
                price_cc=price_cc,
                size_centi=_size(contracts, rng),
                time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
            ),
        )


def _side(rng: Random) -> BookSide:
    return BookSide.BID if rng.randrange(2) == 0 else BookSide.ASK


def _size(contracts: int, rng: Random) -> int:
    """Make a size in 1/100 contract; every third is not whole."""
    return contracts * 100 + (rng.randrange(1, 100) if rng.randrange(3) == 0 else 0)
