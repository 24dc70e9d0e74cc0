"""One account that trades on a market's track: an engine that follows no books and computes no public feature.

Its exchange, ledger and execution are those of the engine. Recorded changes are applied in lots between two times at
which anything is due for the account; observations and the followed book are those of the track, except for the
features that depend on the account.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import msgspec

from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.market_data import FollowedMarket
from truebook.backtest.engine.observing import AccountObserver
from truebook.backtest.engine.periodic import NEVER_US, Calendar, Every
from truebook.backtest.engine.settings import EngineSettings, Outside
from truebook.backtest.engine.undisturbed import before_fill, change_book
from truebook.backtest.engine.venue import Recorded
from truebook.book.event_sums import EventSum
from truebook.book.order_book import OrderBook
from truebook.features.layout import FeatureError, FeatureInputs
from truebook.gym.tapes import Tape
from truebook.gym.track import STAGES, Part, Point, Stage, Track
from truebook.ledger.port import LedgerView
from truebook.messages.ids import observation_id
from truebook.messages.observations import Observation
from truebook.observation.builder import account_inputs
from truebook.simulation.events import SimulationEvent
from truebook.simulation.recorded.queue import QueueModel


class TrackLeft(Exception):
    """The account keeps the closed market followed for another time than both passes of the track do."""


class TrackedEngine(Engine):
    """A pass on a track, by ``ending()`` alone; it gives what ``Engine`` gives on the tape, field for field.

    Raises ``TrackLeft`` where it can't: then the pass is to be made again by ``Engine``.
    """

    def __init__(self, track: Track, tape: Tape, settings: EngineSettings, queue: QueueModel) -> None:
        self._track = track
        self._part = track.flat
        self._tape = tape
        self._market = FollowedMarket(tape.markets[0], EventSum())
        self._point = self._event = 0
        self._moment = self._state = -1
        self._next_moment = 0
        super().__init__(
            settings, Outside(track.layout, "outside"), tape.markets, queue=queue, start_us=tape.events[0][0],
            others=tape.others,
        )  # fmt: skip
        self.batch = [tape.events[-1][1]]  # ``ending`` completes the pass up to it
        self.batch_us = tape.events[-1][0]

    # Start.

    def begin(self) -> Calendar:
        calendar, now_us = super().begin(), self.now_us
        self._periodic = calendar
        self._watched.due_us = _following(self._part.watched_us, now_us)
        calendar.next_us = min(calendar.next_us, self._watched.due_us)
        self._seek(now_us * STAGES + Stage.RELEASED)
        return calendar

    def begin_books(self, now_us: int) -> tuple[Every, ...]:
        """Follow the track in place of the books."""
        self._account = self.observer = _PointObserver(self.settings, self._track, self)
        self._watched = Every(NEVER_US, self._watch_points)  # its times are those of the track
        self.first_data.due_us = _following(self._part.first_data_us, 0)
        return (self._watched,)

    # Time.

    def advance(self, before_us: int) -> Iterator[Sequence[Observation]]:
        times, points = self._track.block.at_us, self._part.points
        while True:
            due_us = self.next_due_us()
            point_us = points[self._point].at_us if self._point < len(points) else NEVER_US
            if self._event < len(times):
                self._apply_lots(min(due_us, point_us + 1, before_us, self.mark_us + 1))
            event_us = times[self._event] if self._event < len(times) else NEVER_US
            now_us = min(due_us, point_us, event_us)
            if now_us >= before_us:
                self._count(self._part.observed, self._part.refused)
                return
            if now_us < min(point_us, event_us) and self._is_only_periodic(now_us):
                self._run_periodic(now_us)
            elif now_us < point_us or now_us in (due_us, event_us):
                yield from self.instant(now_us, self._events_at(now_us))
                points = self._part.points
            else:
                self._begin_point(now_us)
                if self.due:
                    yield self.due

    def _is_only_periodic(self, now_us: int) -> bool:
        venue_us = self.venue.next_due_us()
        return venue_us is None or venue_us > now_us

    def _run_periodic(self, now_us: int) -> None:
        """Do the periodic work of an instant in which nothing else is due; what it sends arrives later."""
        if self.mark_us < now_us:
            self._seek(now_us * STAGES - 1)
            self.mark_us = self.mark(now_us) or NEVER_US
        self.now_us = now_us
        self._seek(now_us * STAGES + Stage.PUBLISHED)
        for _ in self._periodic.run(now_us):
            pass

    def _events_at(self, now_us: int) -> list[Recorded]:
        times, first = self._track.block.at_us, self._event
        self._event = bisect_right(times, now_us, first)
        return [event for _, event in self._tape.events[first : self._event]]

    def _apply_lots(self, before_us: int) -> None:
        """Apply the changes before that time, up to the first instant that is not ordinary for the account."""
        block, first = self._track.block, self._event
        before_us = min(before_us, self.venue.outcome_due_us())
        end = min(bisect_left(block.at_us, before_us, first), self._track.lot_end[first])
        recorded = self.venue.undisturbed_book(block.ticker) if end > first else None
        if recorded is None:
            return
        end = before_fill(block, first, end, recorded)
        if end <= first:
            return
        self._event += len(change_book(self, recorded, block, first, end).states)

    def _begin_point(self, now_us: int) -> None:
        """Observe in an instant in which nothing else is due for the account."""
        if self.mark_us < now_us:
            self._seek(now_us * STAGES - 1)
            self.mark_us = self.mark(now_us) or NEVER_US
        self.now_us = now_us
        self._seek(now_us * STAGES + self._part.points[self._point].stage)
        self.release()

    def instant(self, now_us: int, batch: Sequence[Recorded]) -> Iterator[Sequence[Observation]]:
        self._seek(now_us * STAGES - 1)
        if batch and (self.ledger.state.totals.open_orders):  # readers get the events after responses and fills
            self._market.replica.book = self._market.replica.book.copy()
        yield from super().instant(now_us, batch)
        while self._is_at(now_us, Stage.RELEASED):
            self._seek(now_us * STAGES + Stage.RELEASED)
            self.release()
            if self.due:
                yield self.due

    def _is_at(self, now_us: int, stage: Stage) -> bool:
        """Return whether the next point is in this instant, up to that stage."""
        points = self._part.points
        if self._point >= len(points):
            return False
        point = points[self._point]
        return point.at_us == now_us and point.stage <= stage

    # Books and observations.

    def publish(self, events: Sequence[SimulationEvent]) -> bool:
        self._seek(self.now_us * STAGES + Stage.PUBLISHED)
        return self._is_at(self.now_us, Stage.PUBLISHED)

    def send_first_data(self, now_us: int) -> int:
        self._seek(now_us * STAGES + Stage.FIRST_DATA)
        if self._is_at(now_us, Stage.FIRST_DATA):
            self.release()
        return _following(self._part.first_data_us, now_us)

    def _watch_points(self, now_us: int) -> None:
        self._check_selection(now_us)
        self._seek(now_us * STAGES + Stage.WATCHED)
        if self._is_at(now_us, Stage.WATCHED):
            self.release()
        self._watched.due_us = _following(self._part.watched_us, now_us)

    def _check_selection(self, now_us: int) -> None:
        """Follow the pass whose account has a position or an order like this one, from ``splits_us`` on."""
        if now_us < self._track.splits_us:
            return
        is_held = self._market.ticker in self.listing.pinned()
        if now_us == self._track.splits_us:
            self._part, self._next_moment = self._track.held if is_held else self._track.flat, 0
        number = bisect_left(self._part.selections, (now_us, False))
        if number < len(self._part.selections):
            selected_us, was_held = self._part.selections[number]
            if selected_us == now_us and was_held != is_held:
                raise TrackLeft

    def release(self) -> None:
        """Observe at the next point."""
        point = self._part.points[self._point]
        self._point += 1
        self._count(point.observed, point.refused)
        if not self.targets:
            self.due = [point.observation]
            return
        try:
            self.due = [self._account.observe_at(point, self._market)]
        except FeatureError as error:
            self.observations -= 1
            self.refusals[error.reason] += 1

    def _count(self, observed: int, refused: Sequence[tuple[str, int]]) -> None:
        self.observations += observed
        for reason, count in refused:
            self.refusals[reason] += count

    def _seek(self, moment: int) -> None:
        """Set the followed market as of a moment."""
        part, market = self._part, self._market
        number = self._moment
        if moment >= self._next_moment:
            number = bisect_right(part.moments, moment, max(0, number)) - 1
            self._next_moment = part.moments[number + 1] if number + 1 < len(part.moments) else NEVER_US * STAGES
        recorded = self.venue.undisturbed_book(market.ticker)
        replica = market.replica
        if number != self._moment:
            self._moment = number
            market.fresh_us = part.fresh_us[number]
            if part.state[number] != self._state:
                self._set_state(part, part.state[number])
        if market.stale is None:
            replica.book = OrderBook() if recorded is None else recorded.book
            market.bid_plus_ask_cc = _bid_plus_ask_cc(*replica.book.summary()[:2])

    def _set_state(self, part: Part, number: int) -> None:
        self._state, state, market = number, part.states[number], self._market
        if state.stale is not None and market.stale is None:
            market.replica.book = market.replica.book.copy()  # it stays as it is while it is stale
        market.stale = market.replica.stale = state.stale
        market.selected, market.metadata = state.selected, state.metadata
        if state.is_known:
            self.data.markets[market.ticker] = market
        else:
            self.data.markets.pop(market.ticker, None)


class _PointObserver(AccountObserver):
    """Observes at the points of a track."""

    def __init__(self, settings: EngineSettings, track: Track, engine: Engine) -> None:
        super().__init__(settings.identity, track.layout, engine.ledger)
        self._track = track
        self._books = engine.data.markets
        self._view: LedgerView | None = None
        """The newest view."""

    def observe_at(self, point: Point, market: FollowedMarket) -> Observation:
        """Return a point's observation with the features and cash of this account; raises ``FeatureError``."""
        known, replica = point.observation, market.replica
        view = self._view
        if view is None or view.account.ledger_seq != self.ledger.seq:
            view = self._view = self.ledger.view((known.ticker,))
        self.positions.update(view)
        replica.epoch, replica.version = known.book_epoch, known.book_version
        portfolio = self.positions.value(view.account, self._books)
        own = view.market(known.ticker)
        account = view.account
        features, metadata = known.features, market.metadata
        assert metadata is not None, "observed"
        if self._track.account_layout is not None:
            inputs = FeatureInputs(
                book=replica.book, history=point.history, market=metadata, now_us=point.at_us,
                confirmed_us=known.confirmed_us, event_yes_sum_cc=point.event_yes_sum_cc,
                **account_inputs(own, portfolio),
            )  # fmt: skip
            row = list(features)
            for place, value in zip(
                self._track.account_places, self._track.account_layout.compute(inputs), strict=True
            ):
                row[place] = value
            features = tuple(row)
        seq = account.ledger_seq
        return msgspec.structs.replace(
            known, features=features, ledger_seq=seq, position_centi=own.position_centi if own is not None else 0,
            cash_micros=account.shard(metadata.exchange_index).cash_micros,
            id=observation_id(
                known.ticker, known.book_epoch, known.book_version, known.layout, seq, known.signals_digest
            ),
        )  # fmt: skip


def _following(times: Sequence[int], now_us: int) -> int:
    """Return the first of ascending times after that one."""
    number = bisect_right(times, now_us)
    return times[number] if number < len(times) else NEVER_US


def _bid_plus_ask_cc(bid_cc: int | None, ask_cc: int | None) -> int | None:
    return None if bid_cc is None or ask_cc is None else bid_cc + ask_cc
