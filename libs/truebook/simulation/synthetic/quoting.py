"""The decisions of synthetic traders: makers keep quote ladders around the fair value, takers cross the spread.

They use the hidden fair value and their own quotes only, never the exchange's book or fills. A filled quote is replaced
when the maker next moves or renews it.
"""

from __future__ import annotations

from random import Random
from typing import Final

from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.market_metadata import PriceRange
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC
from truebook.simulation.synthetic.draws import draw_side
from truebook.simulation.venue.orders import TRADER_PREFIX
from truebook.venue.account import OrderRequest
from truebook.venue.grid import round_down, round_up

TAKER_ACCOUNT: Final = f"{TRADER_PREFIX}taker"
LEVELS: Final = 3
_LEVEL_STEP_CC: Final = 100
_TOLERANCE_CC: Final = (100, 200, 300)
"""By level: a quote is moved once it is this far from its target price."""


CancelId = str
"""A cancel, by client order id."""


def maker_account(number: int) -> str:
    """Return the account of a market's maker, counted from 0."""
    return f"{TRADER_PREFIX}maker-{number + 1}"


class Maker:
    """One maker in one market: up to ``LEVELS`` quotes on each side."""

    def __init__(self, account: str, ticker: str, grid: tuple[PriceRange, ...], spread_cc: int) -> None:
        self.account = account
        self._ticker = ticker
        self._grid = grid
        self._spread_cc = spread_cc
        self._quotes: dict[tuple[BookSide, int], tuple[str, int]] = {}
        self._sent = 0

    def requote(self, fair_cc: int, rng: Random) -> list[CancelId | OrderRequest]:
        """Replace the quotes that are off target, and occasionally one that is not; cancels come first."""
        renewed = (draw_side(rng), rng.randrange(LEVELS)) if rng.randrange(3) == 0 else None
        cancels: list[CancelId | OrderRequest] = []
        orders: list[CancelId | OrderRequest] = []
        for side in (BookSide.BID, BookSide.ASK):
            for level in range(LEVELS):
                target_cc = self._price(side, level, fair_cc)
                quote = self._quotes.get((side, level))
                if quote is not None:
                    fits = target_cc is not None and abs(target_cc - quote[1]) < _TOLERANCE_CC[level]
                    if fits and renewed != (side, level):
                        continue
                    del self._quotes[side, level]
                    cancels.append(quote[0])
                if target_cc is not None:
                    orders.append(self._quote(side, level, target_cc, rng))
        return cancels + orders

    def _price(self, side: BookSide, level: int, fair_cc: int) -> int | None:
        distance_cc = self._spread_cc + level * _LEVEL_STEP_CC
        if side is BookSide.BID:
            return round_down(fair_cc - distance_cc, self._grid)
        return round_up(fair_cc + distance_cc, self._grid)

    def _quote(self, side: BookSide, level: int, price_cc: int, rng: Random) -> OrderRequest:
        self._sent += 1
        client_order_id = f"{self.account}:{self._ticker}:{self._sent}"
        self._quotes[side, level] = (client_order_id, price_cc)
        contracts = 3 + rng.randrange(28) if level == 0 else 10 + rng.randrange(40 * level)
        return OrderRequest(
            ticker=self._ticker, client_order_id=client_order_id, book_side=side, price_cc=price_cc,
            size_centi=_size(contracts, rng),
        )  # fmt: skip


class Taker:
    """The takers of one market: most trade at random, some know the newest fair value."""

    account = TAKER_ACCOUNT

    def __init__(self, ticker: str, grid: tuple[PriceRange, ...]) -> None:
        self._ticker = ticker
        self._grid = grid
        self._sent = 0

    def cross(self, fair_cc: int, rng: Random) -> OrderRequest:
        """Buy or sell at random, at up to some cents beyond the fair value."""
        side = draw_side(rng)
        reach_cc = 300 + rng.randrange(300)
        limit_cc = fair_cc + reach_cc if side is BookSide.BID else fair_cc - reach_cc
        return self._send(side, limit_cc, 1 + rng.randrange(2 + rng.randrange(38)), rng)

    def pick_off(self, before_cc: int, fair_cc: int, rng: Random) -> OrderRequest:
        """Take quotes that are still on the wrong side of the new fair value."""
        side = BookSide.BID if fair_cc > before_cc else BookSide.ASK
        return self._send(side, fair_cc, 5 + rng.randrange(40), rng)

    def _send(self, side: BookSide, limit_cc: int, contracts: int, rng: Random) -> OrderRequest:
        self._sent += 1
        within_cc = min(max(limit_cc, MIN_PRICE_CC), MAX_PRICE_CC)
        price_cc = round_down(within_cc, self._grid) or round_up(within_cc, self._grid)
        assert price_cc is not None
        return OrderRequest(
            ticker=self._ticker, client_order_id=f"{self.account}:{self._ticker}:{self._sent}", book_side=side,
            price_cc=price_cc, size_centi=_size(contracts, rng), time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        )  # fmt: skip


def _size(contracts: int, rng: Random) -> int:
    """Return a size in 1/100 contract; every third is fractional."""
    return contracts * 100 + (rng.randrange(1, 100) if rng.randrange(3) == 0 else 0)
