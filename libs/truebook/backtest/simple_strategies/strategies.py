"""The strategies: each sees the public book and trades of one market once a second, and returns what it wants.

They have no memory but what ``View`` gives, no latency, and no limit but that of the position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NamedTuple

from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import PriceRange
from truebook.venue.grid import tick_above, tick_below

SIZE_CENTI: Final = 100
"""One contract: so small that strategies in one market hardly disturb each other."""
MAX_POSITION_CENTI: Final = 2_000
_CHEAP_CC: Final = 2_000
_DEAR_CC: Final = 8_000
_THIN_CENTI: Final = 2_000
_FLOW_CENTI: Final = 1_000
_MOVED_HALF_CC: Final = 100
"""A move of the mid price by half a cent, in 1/200 cent."""


class View(NamedTuple):
    """What a strategy sees: the book without its own orders."""

    second: int
    grid: tuple[PriceRange, ...]
    bid_cc: int
    bid_centi: int
    ask_cc: int
    ask_centi: int
    mids_half_cc: Sequence[int]
    """Bid and ask price added up, of the last seconds, this one last."""
    flow_centi: Sequence[int]
    """Size that takers bought, less what they sold, in the last seconds, the newest last."""
    position_centi: int
    rng: Random

    def moved_half_cc(self, seconds: int) -> int:
        """Return the move of the mid price over the last seconds, in 1/200 cent; 0 where it is not known."""
        return self.mids_half_cc[-1] - self.mids_half_cc[-1 - seconds] if len(self.mids_half_cc) > seconds else 0


class Decision(NamedTuple):
    """An order that a strategy wants: one that takes at once, or one that rests (and is kept while it is wanted)."""

    side: BookSide
    price_cc: int
    takes: bool


Strategy = Callable[[View], list[Decision]]
"""Returns all orders that should rest, and those that should be sent to take."""


def _bid(price_cc: int) -> Decision:
    return Decision(BookSide.BID, price_cc, takes=False)


def _ask(price_cc: int) -> Decision:
    return Decision(BookSide.ASK, price_cc, takes=False)


def _take(view: View, side: BookSide) -> list[Decision]:
    return [Decision(side, view.ask_cc if side is BookSide.BID else view.bid_cc, takes=True)]


def buy(view: View) -> list[Decision]:
    """Buy YES at any price every ten seconds, and hold."""
    return _take(view, BookSide.BID) if view.second % 10 == 0 else []


def sell(view: View) -> list[Decision]:
    """Buy NO (sell YES) at any price every ten seconds, and hold."""
    return _take(view, BookSide.ASK) if view.second % 10 == 0 else []


def buy_cheap(view: View) -> list[Decision]:
    """Buy the leg that costs less than 20 cents, every five seconds, and hold."""
    if view.second % 5:
        return []
    if view.ask_cc < _CHEAP_CC:
        return _take(view, BookSide.BID)
    return _take(view, BookSide.ASK) if view.bid_cc > _DEAR_CC else []


def buy_dear(view: View) -> list[Decision]:
    """Buy the leg that costs more than 80 cents, every five seconds, and hold."""
    if view.second % 5:
        return []
    if view.ask_cc > _DEAR_CC:
        return _take(view, BookSide.BID)
    return _take(view, BookSide.ASK) if view.bid_cc < _CHEAP_CC else []


def join(view: View) -> list[Decision]:
    """Rest at both best prices."""
    return [_bid(view.bid_cc), _ask(view.ask_cc)]


def join_thin(view: View) -> list[Decision]:
    """Rest at a best price only where less than twenty contracts do."""
    decisions = [_bid(view.bid_cc)] if view.bid_centi < _THIN_CENTI else []
    return decisions + ([_ask(view.ask_cc)] if view.ask_centi < _THIN_CENTI else [])


def improve(view: View) -> list[Decision]:
    """Rest one tick better than both best prices, or at them where there is no room."""
    bid_cc, ask_cc = tick_above(view.bid_cc, view.grid), tick_below(view.ask_cc, view.grid)
    if bid_cc is None or ask_cc is None or bid_cc >= ask_cc:
        if bid_cc is not None and bid_cc == ask_cc:
            # Room for one: on the side that reduces the position.
            return [_ask(bid_cc), _bid(view.bid_cc)] if view.position_centi > 0 else [_bid(bid_cc), _ask(view.ask_cc)]
        return join(view)
    return [_bid(bid_cc), _ask(ask_cc)]


def join_move(view: View) -> list[Decision]:
    """Rest at the best price on the side of the last move: buy after a rise."""
    moved = view.moved_half_cc(2)
    if abs(moved) < _MOVED_HALF_CC:
        return []
    return [_bid(view.bid_cc)] if moved > 0 else [_ask(view.ask_cc)]


def join_heavy(view: View) -> list[Decision]:
    """Rest at the best price of the side with at least three times the size of the other."""
    if view.bid_centi >= 3 * view.ask_centi:
        return [_bid(view.bid_cc)]
    return [_ask(view.ask_cc)] if view.ask_centi >= 3 * view.bid_centi else []


def follow(view: View) -> list[Decision]:
    """Take in the direction of the last second's move."""
    moved = view.moved_half_cc(1)
    if abs(moved) < 2 * _MOVED_HALF_CC:
        return []
    return _take(view, BookSide.BID if moved > 0 else BookSide.ASK)


def follow_trend(view: View) -> list[Decision]:
    """Take in the direction of the last ten seconds' move, every five seconds."""
    moved = view.moved_half_cc(10)
    if view.second % 5 or abs(moved) < 4 * _MOVED_HALF_CC:
        return []
    return _take(view, BookSide.BID if moved > 0 else BookSide.ASK)


def follow_flow(view: View) -> list[Decision]:
    """Take on the side of the last second's takers."""
    flow = view.flow_centi[-1]
    return _take(view, BookSide.BID if flow > 0 else BookSide.ASK) if abs(flow) >= _FLOW_CENTI else []


def fade(view: View) -> list[Decision]:
    """Take against the last second's move."""
    return [Decision(one.side.other, _other(view, one.side), takes=True) for one in follow(view)]


def fade_flow(view: View) -> list[Decision]:
    """Take against the last second's takers."""
    return [Decision(one.side.other, _other(view, one.side), takes=True) for one in follow_flow(view)]


def at_random(view: View) -> list[Decision]:
    """Take on a random side every five seconds."""
    if view.second % 5:
        return []
    return _take(view, BookSide.BID if view.rng.randrange(2) else BookSide.ASK)


def _other(view: View, side: BookSide) -> int:
    """Return the price at which the other side is taken."""
    return view.bid_cc if side is BookSide.BID else view.ask_cc


TAKING: Final[dict[str, Strategy]] = {
    "buy YES and hold": buy,
    "buy NO and hold": sell,
    "buy what is cheap": buy_cheap,
    "buy what is dear": buy_dear,
    "follow a move": follow,
    "follow a trend": follow_trend,
    "follow takers": follow_flow,
    "fade a move": fade,
    "fade takers": fade_flow,
    "random": at_random,
}
"""They never rest, so they don't trade with each other."""
RESTING: Final[dict[str, Strategy]] = {
    "join": join,
    "join where it is thin": join_thin,
    "join after a move": join_move,
    "join the heavy side": join_heavy,
    "improve": improve,
}
"""They never take, so they don't trade with each other."""
