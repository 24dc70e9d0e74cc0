"""One event whose traders are fitted to recorded markets.

The hidden prices move at random times. Some takers know a move before it happens, others right after it; makers adapt
last, group by group. So an order that rests at the best price is filled rather when the price is about to go through
it, as in recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.market_metadata import MarketMetadata
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC
from truebook.simulation.synthetic.belief import Belief
from truebook.simulation.synthetic.calendar import Calendar, Task, TaskKind
from truebook.simulation.synthetic.draws import draw_side, draw_size, drawn
from truebook.simulation.synthetic.ladder import QuoteLadder
from truebook.simulation.synthetic.market_plan import EventPlan
from truebook.simulation.synthetic.presets import SECOND_US, SizeBand, TraderParameters
from truebook.simulation.synthetic.quoting import TAKER_ACCOUNT, CancelId
from truebook.venue.account import OrderRequest
from truebook.venue.grid import round_down, round_up

_OPENS_WITHIN_US: Final = 200_000
_REACH_CC: Final = (100, 400)
"""An ordinary taker's limit is so much beyond the hidden price."""
_NOTICED_CC: Final = 10
"""Smaller moves change no quote."""
_AT_ONCE_US: Final = 20
_QUIET_PERCENT: Final = {TaskKind.TAKER: 60, TaskKind.FLICKER: 8}
"""Activity of a market whose outcome is nearly known, as a share of one at 50 cents."""


class FittedEvent:
    """The traders of one event while it is traded; its decisions are scheduled on the given calendar."""

    def __init__(
        self, seed: int, plan: EventPlan, generation: int, open_us: int, *, parameters: TraderParameters
    ) -> None:
        self._rng = Random(f"{seed}:event:{plan.index}:{generation}")
        self._plan = plan.index
        self._parameters = parameters
        self.generation = generation
        self._activity = _activity(plan, parameters)
        value = parameters.value
        if plan.short_lived:
            life_us = plan.duration_us(self._rng)
        else:
            life_us = value.life_us * 100 // self._activity * (80 + self._rng.randrange(41)) // 100
        self._end_us = value.short_end_us if plan.short_lived else value.end_us
        self.close_us = open_us + life_us
        self.metadata = plan.metadata(generation, open_us, self.close_us)
        self._belief = Belief(self._rng, plan.size, value)
        self._ladders = [QuoteLadder(one.ticker, one.price_ranges, parameters.makers) for one in self.metadata]
        self._busy_us = [[open_us] * ladder.groups for ladder in self._ladders]
        """By market and group: when the last scheduled command is due."""
        self._sent = 0

    def begin(self, calendar: Calendar, now_us: int) -> None:
        """Schedule the first quotes and decisions."""
        for market, ladder in enumerate(self._ladders):
            half_cc = self._half_cc(market, now_us)
            for group in range(ladder.groups):
                first_us = now_us + 1_000 + self._rng.randrange(_OPENS_WITHIN_US)
                orders = ladder.open(group, self._belief.price_cc(market), half_cc, self._rng)
                self._quote(calendar, market, group, orders, first_us)
            for kind in (TaskKind.TAKER, TaskKind.FLICKER):
                task = Task(kind, self._plan, self.generation, market)
                self._reschedule(calendar, task, now_us + _OPENS_WITHIN_US)
        self._schedule_move(calendar, now_us + _OPENS_WITHIN_US)

    def decide(self, calendar: Calendar, task: Task, now_us: int) -> None:
        """Make one decision, and schedule it again if it recurs."""
        if task.kind is TaskKind.VALUE:
            self._move_prices(calendar, now_us)
            return
        if task.kind is TaskKind.MAKER:
            ladder = self._ladders[task.market]
            commands = ladder.move(
                task.maker, self._belief.price_cc(task.market), self._half_cc(task.market, now_us), self._rng
            )
            self._quote(calendar, task.market, task.maker, commands, now_us)
            return
        if task.kind is TaskKind.FLICKER:
            self._flicker(calendar, task, now_us)
        else:
            self._take(calendar, task.market, now_us)
        if task.recurs:
            self._reschedule(calendar, task, now_us)

    def hidden_price_cc(self, market: int) -> int:
        return self._belief.price_cc(market)

    def draw_settlement(self) -> list[int]:
        return self._belief.draw_settlement()

    # Times

    def _dilated(self, period_us: int) -> int:
        return period_us * 100 // self._activity

    def _left_us(self, now_us: int) -> int:
        """Return the time left to learn the outcome, at an activity of 100 %."""
        return max(0, self.close_us - now_us) * self._activity // 100 + self._end_us

    def _reschedule(self, calendar: Calendar, task: Task, now_us: int) -> None:
        """Schedule a recurring task: up to twice its period from now; a nearly decided market is quieter."""
        price_cc, makers = self._belief.price_cc(task.market), self._parameters.makers
        unknown = price_cc * (10_000 - price_cc) // 250_000  # 100 at 50 cents
        percent = max(_QUIET_PERCENT[task.kind], min(100, unknown * 2))
        period_us = self._parameters.takers.period_us
        if task.kind is TaskKind.FLICKER:
            period_us = makers.flicker_period_us
            is_late = self._left_us(now_us) - self._end_us < makers.late_us
            percent = percent * makers.late_percent // 100 if is_late else percent
        period_us = self._dilated(period_us) * 100 // max(1, percent)
        calendar.push(now_us + 1 + self._rng.randrange(2 * period_us), task)

    def _schedule_move(self, calendar: Calendar, now_us: int) -> None:
        """Draw the next move and its time."""
        value = self._parameters.value
        wait_us = self._rng.randrange(2 * value.period_us)
        self._belief.draw_move(wait_us, self._left_us(now_us))
        calendar.push(now_us + 1 + self._dilated(wait_us), Task(TaskKind.VALUE, self._plan, self.generation))

    def _half_cc(self, market: int, now_us: int) -> int:
        """Return the distance of the best quotes from the hidden price: larger where moves are."""
        makers, value = self._parameters.makers, self._parameters.value
        usual_cc = self._belief.usual_cc(market, value.period_us, self._left_us(now_us))
        return makers.half_cc + max(0, usual_cc - makers.calm_move_cc) * makers.half_per_move_permille // 1_000

    def _flicker(self, calendar: Calendar, task: Task, now_us: int) -> None:
        """Move or withdraw a quote without a reason; some others follow at short intervals."""
        group, commands = self._ladders[task.market].flicker(self._rng)
        self._quote(calendar, task.market, group, commands, now_us)
        if not task.recurs:
            return
        makers, at_us = self._parameters.makers, now_us
        for _ in range(drawn(makers.flicker_counts, self._rng) - 1):
            at_us += 1 + self._rng.randrange(makers.flicker_gap_us)
            calendar.push(at_us, Task(TaskKind.FLICKER, self._plan, self.generation, task.market, recurs=False))

    # Moves and takers

    def _move_prices(self, calendar: Calendar, now_us: int) -> None:
        before_cc = [self._belief.price_cc(market) for market in range(len(self.metadata))]
        self._belief.apply_move()
        for market, old_cc in enumerate(before_cc):
            price_cc = self._belief.price_cc(market)
            if abs(price_cc - old_cc) < _NOTICED_CC:
                continue
            self._take_stale(calendar, market, old_cc, now_us)
            for group, (soonest_us, latest_us) in enumerate(self._parameters.makers.reacts_us):
                reacts_us = now_us + soonest_us + self._rng.randrange(latest_us - soonest_us + 1)
                task = Task(TaskKind.MAKER, self._plan, self.generation, market, group, recurs=False)
                calendar.push(reacts_us, task)
        self._schedule_move(calendar, now_us)

    def _take_stale(self, calendar: Calendar, market: int, old_cc: int, now_us: int) -> None:
        """Informed takers: they take quotes that are on the wrong side of the new price, before makers adapt."""
        takers = self._parameters.takers
        if self._rng.randrange(100) >= takers.informed_percent:
            return
        price_cc = self._belief.price_cc(market)
        side = BookSide.BID if price_cc > old_cc else BookSide.ASK
        soonest_us, latest_us = takers.informed_after_us
        after_us = soonest_us + self._rng.randrange(latest_us - soonest_us + 1)
        order = self._order(self.metadata[market], side, price_cc, takers.informed_sizes)
        if order is not None:
            calendar.push_commands(TAKER_ACCOUNT, [order], [now_us + after_us], self.close_us)

    def _take(self, calendar: Calendar, market: int, now_us: int) -> None:
        """Ordinary takers: some know the direction of the next move, the others buy or sell at random."""
        rng, takers = self._rng, self._parameters.takers
        next_cc = self._belief.next_move_cc(market)
        side = draw_side(rng)
        if next_cc and rng.randrange(100) < takers.ahead_percent:
            side = BookSide.BID if next_cc > 0 else BookSide.ASK
        price_cc = self._belief.price_cc(market)
        at_us, orders, times = now_us, [], []
        while True:
            reach_cc = _REACH_CC[0] + rng.randrange(_REACH_CC[1])
            limit_cc = price_cc + reach_cc if side is BookSide.BID else price_cc - reach_cc
            order = self._order(self.metadata[market], side, limit_cc, takers.sizes)
            if order is not None:
                orders.append(order)
                times.append(at_us)
            if rng.randrange(100) >= takers.repeats_percent:
                break
            at_us += 1_000 + rng.randrange(SECOND_US // 2)
        calendar.push_commands(TAKER_ACCOUNT, orders, times, self.close_us)

    def _order(
        self, metadata: MarketMetadata, side: BookSide, limit_cc: int, sizes: tuple[SizeBand, ...]
    ) -> OrderRequest | None:
        """Return an order up to a limit; None where no price of the grid is within it."""
        within_cc = min(max(limit_cc, MIN_PRICE_CC), MAX_PRICE_CC)
        rounded = round_down if side is BookSide.BID else round_up
        price_cc = rounded(within_cc, metadata.price_ranges)
        if price_cc is None:
            return None
        self._sent += 1
        return OrderRequest(
            ticker=metadata.ticker, client_order_id=f"{metadata.ticker}:t{self._sent}", book_side=side,
            price_cc=price_cc, size_centi=draw_size(sizes, self._rng),
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        )  # fmt: skip

    def _quote(
        self, calendar: Calendar, market: int, group: int, commands: Sequence[CancelId | OrderRequest], now_us: int
    ) -> None:
        """Schedule a maker's commands with short gaps, after those it has scheduled before."""
        shortest_us, longest_us = self._parameters.makers.gap_us
        times, at_us = [], max(now_us, self._busy_us[market][group])
        for command in commands:
            times.append(at_us)
            # A quote that is moved is cancelled and placed again at once.
            is_cancel = not isinstance(command, OrderRequest)
            at_us += _AT_ONCE_US if is_cancel else shortest_us + self._rng.randrange(longest_us - shortest_us + 1)
        self._busy_us[market][group] = at_us
        calendar.push_commands(self._ladders[market].account(group), commands, times, self.close_us)


def _activity(plan: EventPlan, parameters: TraderParameters) -> int:
    if plan.tickers:
        return parameters.named_activity_percent
    if plan.short_lived:
        return parameters.short_activity_percent
    return parameters.activity_percent[plan.index % len(parameters.activity_percent)]
