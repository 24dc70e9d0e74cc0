"""Many observations and their action ids → decisions: equal to ``decide_action`` for each, at a fraction of its time.

What depends on the strategy alone is made once: the reading of each action id, its refusals, and its decision at a
price where the requested size needs no cap. Caps of any kind are left to ``size_order``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from truebook.decision.decide import Decision
from truebook.decision.prices import Grid, Top, is_post_only, price_for
from truebook.decision.sizing import size_order
from truebook.decision.strategy import Intent, Output, PriceRule, Strategy, intent_of
from truebook.decision.uncapped import MAX_RATE_PPM, enough_micros, lowest_held_centi, ticks, whole_centi
from truebook.messages.actions import Target
from truebook.messages.envelope import BookSide
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC


class _Trade(msgspec.Struct, kw_only=True):
    """What one action id requests, and the decisions that need nothing else."""

    action: int
    side: BookSide
    is_bid: bool
    is_hold: bool
    reduce_only: bool
    post_only: bool
    at_ask: bool
    """Whether the price is the best ask or the best bid, where the rule does not compute it."""
    requested_centi: int
    lowest_held_centi: float
    """The position on the order's own leg, negated, down to which the largest position does not cap the size."""
    enough_micros: float
    """The cash from which it does not cap the size."""
    no_action: Decision
    one_sided: Decision
    off_grid: Decision
    zero_size: Decision
    by_price: dict[int, Decision]
    """The decisions at the requested size; a price is on the grid, so there are at most 9,999."""

    def at(self, price_cc: int, size_centi: int) -> Decision:
        """Return the decision at a price and a size."""
        if size_centi == 0:
            return self.zero_size
        target = Target(
            book_side=self.side, price_cc=price_cc, size_centi=size_centi, post_only=self.post_only,
            reduce_only=self.reduce_only,
        )  # fmt: skip
        return Decision(targets=(target,), action=self.action)


def decide_actions(observations: Sequence[Observation], actions: Sequence[int], strategy: Strategy) -> list[Decision]:
    """Decide each observation by its action id, as ``decide_action`` does; every id must be one of the map."""
    rule, share_ppm, max_centi = strategy.price_rule, strategy.cash_share_ppm, strategy.max_position_centi
    trades = _trades(strategy.sizes_centi, rule, share_ppm, max_centi)
    grid: Grid | None = None
    decisions: list[Decision] = []
    add = decisions.append
    is_computed = rule not in (PriceRule.CROSS, PriceRule.JOIN)
    for observation, trade in zip(observations, map(trades.__getitem__, actions), strict=True):
        if trade.is_hold:
            add(trade.no_action)
            continue
        bid_cc, ask_cc = observation.best_bid_cc, observation.best_ask_cc
        is_sized = observation.best_bid_centi > 0 and observation.best_ask_centi > 0
        if not (is_sized and MIN_PRICE_CC <= bid_cc < ask_cc <= MAX_PRICE_CC):
            add(trade.one_sided)
            continue
        if observation.price_ranges != grid:  # mostly that of the row before
            grid = observation.price_ranges
            is_tick = ticks(grid)
        if is_computed:
            found_cc = price_for(trade.side, rule, Top(bid_cc, ask_cc), grid)
            price_cc = found_cc or 0  # no tick
        else:
            price_cc = ask_cc if trade.at_ask else bid_cc
        if not is_tick[price_cc]:
            add(trade.off_grid)
            continue
        held_centi = -observation.position_centi if trade.is_bid else observation.position_centi
        if trade.reduce_only and held_centi <= 0:
            add(trade.zero_size)
        elif (
            trade.lowest_held_centi <= held_centi <= 0
            and observation.cash_micros >= trade.enough_micros
            and 0 <= observation.taker_rate_ppm <= MAX_RATE_PPM
        ):
            decision = trade.by_price.get(price_cc)
            if decision is None:
                decision = trade.at(price_cc, whole_centi(trade.requested_centi))
                trade.by_price[price_cc] = decision
            add(decision)
        else:
            size_centi = size_order(
                trade.side, price_cc, trade.requested_centi, position_centi=observation.position_centi,
                cash_micros=observation.cash_micros, cash_share_ppm=share_ppm,
                fee_rate_ppm=observation.taker_rate_ppm, reduce_only=trade.reduce_only, max_position_centi=max_centi,
            )  # fmt: skip
            add(trade.at(price_cc, size_centi))
    return decisions


@lru_cache(maxsize=16)
def _trades(
    sizes_centi: tuple[int, ...], rule: PriceRule, share_ppm: int, max_position_centi: int | None
) -> tuple[_Trade, ...]:
    terms = Strategy(
        output=Output.ACTION_LOGITS, sizes_centi=sizes_centi, price_rule=rule, cash_share_ppm=share_ppm,
        max_position_centi=max_position_centi,
    )  # fmt: skip
    return tuple(_trade(action, terms) for action in range(terms.outputs))


def _trade(action: int, terms: Strategy) -> _Trade:
    intent, requested_centi = intent_of(action, terms.sizes_centi)
    rule, share_ppm, max_centi = terms.price_rule, terms.cash_share_ppm, terms.max_position_centi
    is_bid = intent in (Intent.BUY_YES, Intent.SELL_NO)
    return _Trade(
        action=action, side=BookSide.BID if is_bid else BookSide.ASK, is_bid=is_bid, is_hold=intent is Intent.HOLD,
        reduce_only=intent in (Intent.SELL_YES, Intent.SELL_NO), post_only=is_post_only(rule),
        at_ask=is_bid is (rule is PriceRule.CROSS), requested_centi=requested_centi,
        lowest_held_centi=lowest_held_centi(requested_centi, max_centi),
        enough_micros=enough_micros(requested_centi, share_ppm),
        no_action=Decision(reason=Reason.NO_ACTION, action=action),
        one_sided=Decision(reason=Reason.ONE_SIDED_BOOK, action=action),
        off_grid=Decision(reason=Reason.OFF_GRID, action=action),
        zero_size=Decision(reason=Reason.ZERO_SIZE, action=action), by_price={},
    )  # fmt: skip
