"""Applies the changes of a book that nothing waits for, many at a time.

Between two times at which something is due, a change of a level has no effect but on its book and on what is read from
it later, if its market waits for the throttle already and none of our orders is filled. Then the exchange's book takes
all of them, and the followed one becomes its copy: what is read afterwards is the same as after one by one.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from truebook.backtest.engine.engine import Engine
from truebook.book.order_book import Changed
from truebook.capture.delta_block import DeltaBlock
from truebook.messages.envelope import BookSide
from truebook.simulation.recorded.book import RecordedBook
from truebook.simulation.recorded.recent import Lot

MIN_CHANGES: Final = 4
"""Fewer are applied one by one: comparing and copying the book would take longer."""


def feed_block(engine: Engine, block: DeltaBlock) -> None:
    """Feed consecutive changes of one market, in lots where nothing waits for them."""
    number = 0
    while number < len(block):
        at_us = block.at_us[number]
        count = _apply(engine, block, number) if engine.complete(at_us) else 0
        if not count:
            engine.feed(at_us, block.frame(number))
            count = 1
        number += count


def _apply(engine: Engine, block: DeltaBlock, first: int) -> int:
    """Apply a lot of changes from ``first`` on; return their number, 0 if there is none.

    The last instant of a block is left: another event may follow in it. So is an instant that fills an order.
    """
    times, venue = block.at_us, engine.venue
    before_us = min(engine.undisturbed_before_us(), venue.outcome_due_us(), times[-1])
    end = bisect_left(times, before_us, first)
    if end - first < MIN_CHANGES:
        return 0
    market = engine.data.markets.get(block.ticker)
    if market is None or market.stale is not None or market.pending_frame_us is None:
        return 0
    recorded = venue.undisturbed_book(block.ticker)
    if recorded is None or recorded.book != market.replica.book:
        return 0
    end = before_fill(block, first, end, recorded)
    if end - first < MIN_CHANGES:
        return 0
    changed = change_book(engine, recorded, block, first, end)
    if changed.states:
        engine.data.deltas(market, recorded.book.copy(), changed)
    return len(changed.states)


def change_book(engine: Engine, recorded: RecordedBook, block: DeltaBlock, first: int, end: int) -> Changed:
    """Apply changes to the exchange's book, up to the first that is not ordinary; the engine's time is the last's."""
    columns = (block.at_us, block.level_cc, block.delta_centi, block.exchange_us)
    changed = recorded.change_all(Lot(block.at_us[end - 1], *(column[first:end] for column in columns)))
    if changed.states:
        engine.now_us = changed.states[-1][0]
        engine.events += len(changed.states)
        engine.venue.pass_time(engine.now_us)
    return changed


def before_fill(block: DeltaBlock, first: int, end: int, recorded: RecordedBook) -> int:
    """Return the start of the first instant in which a level grows beyond the best of our orders, at most ``end``."""
    limits = (
        (block.grown_bid_cc, recorded.own.best_price(BookSide.ASK), 1),
        (block.grown_ask_cc, recorded.own.best_price(BookSide.BID), -1),
    )
    for grown_cc, own_cc, sign in limits:
        if own_cc is None:
            continue
        lot, limit_cc = grown_cc[first:end], sign * own_cc
        if max(lot, default=limit_cc) > limit_cc:
            number = next(number for number, level_cc in enumerate(lot, first) if level_cc > limit_cc)
            end = bisect_left(block.at_us, block.at_us[number], first)
    return end
