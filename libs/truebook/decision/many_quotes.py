"""Many observations and their probabilities → decisions: equal to ``decide`` for each, at a fraction of its time.

A market's grid is a table here, fees are looked up, equal quotes are one object, and caps are computed only where they
may change a size. A strategy that takes beyond its rule, which is rare, goes through ``quote``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from truebook.decision.decide import Decision
from truebook.decision.prices import Grid, Top, is_post_only
from truebook.decision.quoting import PPM_PER_CC, Quote, fair_ppm, fee_ppm, kelly_centi, quote
from truebook.decision.sizing import size_order
from truebook.decision.strategy import PriceRule, Strategy
from truebook.decision.uncapped import MAX_RATE_PPM, TICK, enough_micros, lowest_held_centi, ticks, whole_centi
from truebook.messages.actions import OmittedSides, Target
from truebook.messages.envelope import BookSide
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC, ceil_div

_ONE_SIDED: Final = Decision(reason=Reason.ONE_SIDED_BOOK)
_NO_QUOTE: Final = Quote(None, 0, False)
_ZERO_SIZE: Final = Quote(None, 0, True)
_fee_ppm: Final = lru_cache(maxsize=1 << 14)(fee_ppm)


class _Side(msgspec.Struct, kw_only=True):
    """What one side of every quote has in common."""

    side: BookSide
    is_bid: bool
    at_ask: bool
    """Whether the price is the best ask or the best bid, where the rule does not compute it."""
    is_mid: bool
    improves: bool
    takes: bool
    post_only: bool
    needed_ppm: int
    taken_ppm: int | None
    """The gain from which the strategy takes; None never."""
    is_kelly: bool
    largest_centi: int
    lowest_held_centi: float
    enough_micros: float
    by_price: dict[int, Target]
    """The quotes of the largest size; a price is on the grid, so there are at most 9,999."""

    def quoted(
        self, fair: int, observation: Observation, top_cc: tuple[int, int], is_tick: bytes, strategy: Strategy
    ) -> Quote:
        """Return the quote of this side."""
        bid_cc, ask_cc = top_cc
        if self.taken_ppm is not None:
            other_cc = ask_cc if self.is_bid else bid_cc
            if self._gain(other_cc, fair, observation.taker_rate_ppm) >= self.taken_ppm:
                return quote(self.side, fair, observation, Top(bid_cc, ask_cc), strategy)
        price_cc = self._rule_cc(bid_cc, ask_cc, is_tick)
        if price_cc <= 0:
            return _NO_QUOTE
        rate_ppm = observation.maker_rate_ppm if self.post_only else observation.taker_rate_ppm
        gain = self._gain(price_cc, fair, rate_ppm)
        if gain < self.needed_ppm:
            if self.takes:
                return _NO_QUOTE
            price_cc = self._passive_cc(price_cc, fair, rate_ppm, is_tick)
            if price_cc <= 0:
                return _NO_QUOTE
            gain = self._gain(price_cc, fair, rate_ppm)
        requested_centi = self.largest_centi
        if self.is_kelly:
            requested_centi = kelly_centi(self.side, price_cc, gain, observation, strategy)
        held_centi = -observation.position_centi if self.is_bid else observation.position_centi
        closing_centi = 0 if held_centi <= 0 else min(held_centi, requested_centi)
        if (
            self.lowest_held_centi <= min(0, held_centi)
            and observation.cash_micros >= self.enough_micros
            and 0 <= observation.taker_rate_ppm <= MAX_RATE_PPM
        ):
            size_centi = closing_centi + whole_centi(requested_centi - closing_centi)
        else:
            size_centi = size_order(
                self.side, price_cc, requested_centi, position_centi=observation.position_centi,
                cash_micros=observation.cash_micros, cash_share_ppm=strategy.cash_share_ppm,
                fee_rate_ppm=observation.taker_rate_ppm, max_position_centi=strategy.max_position_centi,
            )  # fmt: skip
        if size_centi == 0:
            return _ZERO_SIZE
        target = self.by_price.get(price_cc) if size_centi == self.largest_centi else None
        if target is None:
            target = Target(
                book_side=self.side, price_cc=price_cc, size_centi=size_centi, post_only=self.post_only
            )  # fmt: skip
            if size_centi == self.largest_centi:
                self.by_price[price_cc] = target
        return Quote(target, gain // PPM_PER_CC, True)

    def _gain(self, price_cc: int, fair: int, rate_ppm: int) -> int:
        """As ``gain_ppm``; the fees of prices are looked up."""
        paid = fair - price_cc * PPM_PER_CC
        return (paid if self.is_bid else -paid) - _fee_ppm(price_cc, rate_ppm)

    def _rule_cc(self, bid_cc: int, ask_cc: int, is_tick: bytes) -> int:
        """As ``price_for``; 0 or less where the rule has no price."""
        if self.is_mid:
            total_cc = bid_cc + ask_cc
            if self.is_bid:
                price_cc = is_tick.rfind(TICK, 0, total_cc // 2 + 1)
                return price_cc if price_cc < ask_cc else 0
            price_cc = is_tick.find(TICK, total_cc - total_cc // 2)
            return price_cc if price_cc > bid_cc else 0
        if self.improves:
            if self.is_bid:
                price_cc = is_tick.find(TICK, bid_cc + 1)
                if 0 < price_cc < ask_cc:
                    return price_cc
            else:
                price_cc = is_tick.rfind(TICK, 0, ask_cc)
                if price_cc > bid_cc:
                    return price_cc
        price_cc = ask_cc if self.at_ask else bid_cc
        return price_cc if is_tick[price_cc] else 0

    def _passive_cc(self, rule_cc: int, fair: int, rate_ppm: int, is_tick: bytes) -> int:
        """Return the nearest price beyond the rule's that gains enough, as ``quote`` does; 0 or less without one."""
        needed = self.needed_ppm
        if self.is_bid:
            price_cc = is_tick.rfind(TICK, 0, max(0, min((fair - needed) // PPM_PER_CC, rule_cc) + 1))
            while price_cc > 0 and self._gain(price_cc, fair, rate_ppm) < needed:
                price_cc = is_tick.rfind(TICK, 0, price_cc)
            return price_cc
        price_cc = is_tick.find(TICK, max(ceil_div(fair + needed, PPM_PER_CC), rule_cc))
        while price_cc > 0 and self._gain(price_cc, fair, rate_ppm) < needed:
            price_cc = is_tick.find(TICK, price_cc + 1)
        return price_cc


def decide_probabilities(
    observations: Sequence[Observation], probabilities: Sequence[float], strategy: Strategy
) -> list[Decision]:
    """Decide each observation by its probability, as ``decide`` does; raise ``ValueError`` for one outside 0..1."""
    bids, asks = _sides(
        strategy.price_rule, (strategy.min_edge_cc, strategy.take_edge_cc), strategy.sizes_centi[-1],
        (strategy.cash_share_ppm, strategy.max_position_centi), strategy.kelly_fraction_ppm != 0,
    )  # fmt: skip
    grid: Grid | None = None
    decisions: list[Decision] = []
    add = decisions.append
    for observation, probability in zip(observations, probabilities, strict=True):
        top_cc = bid_cc, ask_cc = observation.best_bid_cc, observation.best_ask_cc
        is_sized = observation.best_bid_centi > 0 and observation.best_ask_centi > 0
        if not (is_sized and MIN_PRICE_CC <= bid_cc < ask_cc <= MAX_PRICE_CC):
            add(_ONE_SIDED)
            continue
        if observation.price_ranges != grid:  # mostly that of the row before
            grid = observation.price_ranges
            is_tick = ticks(grid)
        fair = fair_ppm(probability)
        bid = bids.quoted(fair, observation, top_cc, is_tick, strategy)
        ask = asks.quoted(fair, observation, top_cc, is_tick, strategy)
        add(_decision(bid, ask, probability))
    return decisions


def _decision(bid: Quote, ask: Quote, probability: float) -> Decision:
    if bid.target is not None:
        if ask.target is not None:
            targets, edge_cc = (bid.target, ask.target), max(bid.edge_cc, ask.edge_cc)
            return Decision(
                targets=targets, omitted_sides=OmittedSides.CANCEL, edge_cc=edge_cc, probability=probability
            )  # fmt: skip
        one = bid
    else:
        one = ask
    if one.target is not None:
        return Decision(
            targets=(one.target,), omitted_sides=OmittedSides.CANCEL, edge_cc=one.edge_cc, probability=probability
        )  # fmt: skip
    reason = Reason.ZERO_SIZE if bid.has_edge or ask.has_edge else Reason.NO_EDGE
    return Decision(omitted_sides=OmittedSides.CANCEL, reason=reason, probability=probability)


@lru_cache(maxsize=16)
def _sides(
    rule: PriceRule, edges_cc: tuple[int, int | None], largest_centi: int, caps: tuple[int, int | None],
    is_kelly: bool,
) -> tuple[_Side, _Side]:  # fmt: skip
    min_edge_cc, take_edge_cc = edges_cc
    share_ppm, max_centi = caps
    bid, ask = (
        _Side(
            side=side, is_bid=side is BookSide.BID, at_ask=(side is BookSide.BID) is (rule is PriceRule.CROSS),
            is_mid=rule is PriceRule.MID, improves=rule is PriceRule.IMPROVE, takes=rule is PriceRule.CROSS,
            post_only=is_post_only(rule), needed_ppm=max(1, min_edge_cc * PPM_PER_CC),
            taken_ppm=None if take_edge_cc is None else max(take_edge_cc, min_edge_cc) * PPM_PER_CC,
            is_kelly=is_kelly, largest_centi=largest_centi,
            lowest_held_centi=lowest_held_centi(largest_centi, max_centi),
            enough_micros=enough_micros(largest_centi, share_ppm), by_price={},
        )
        for side in (BookSide.BID, BookSide.ASK)
    )  # fmt: skip
    return bid, ask
