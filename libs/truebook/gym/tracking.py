"""Records the track of a market, see ``track``: passes of the engine that send no order."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np

from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.listing import Listing
from truebook.backtest.engine.market_data import FollowedMarket
from truebook.backtest.engine.periodic import NEVER_US, Calendar
from truebook.backtest.engine.settings import EngineSettings, Outside
from truebook.decision.decide import Decision
from truebook.features.layout import Layout
from truebook.gym.account_features import AccountFeatures, PublicInputs
from truebook.gym.tapes import RecordedTapes, Tape, TapeSource
from truebook.gym.track import STAGES, FollowedState, Part, Point, Stage, Track, columns
from truebook.messages.observations import Observation
from truebook.models.batch import stack
from truebook.simulation.events import SimulationEvent
from truebook.simulation.latency import Latency
from truebook.simulation.recorded.queue import QueueModel


class _Drawn(msgspec.Struct):
    """How often a tape was drawn, and its track once it is recorded."""

    times: int = 0
    is_tried: bool = False
    track: Track | None = None


class Tracks:
    """The tracks of a source's whole tapes, each recorded at that draw: for one episode it would cost more than it
    saves. Environments with the same data and rules share them.
    """

    def __init__(self, source: TapeSource, settings: EngineSettings, layout: Layout, *, recorded_at: int) -> None:
        self._source = source if isinstance(source, RecordedTapes) else None
        self._settings = msgspec.structs.replace(settings, latency=Latency(seed=0))  # no order is sent
        self._layout = layout
        self._recorded_at = recorded_at

    def of(self, tape: Tape) -> Track | None:
        """Return the track of a drawn tape; None before it is recorded, or where it has no track."""
        source = self._source
        if source is None or len(tape.markets) != 1 or not source.is_whole(tape):
            return None
        drawn = source.kept.setdefault((tape.markets[0].ticker, self._settings, self._layout), _Drawn())
        drawn.times += 1
        if drawn.track is None and drawn.times >= self._recorded_at and not drawn.is_tried:
            drawn.is_tried = True
            drawn.track = record_track(tape, self._settings, self._layout)
        track: Track | None = drawn.track
        return track


def record_track(tape: Tape, settings: EngineSettings, layout: Layout) -> Track | None:
    """Return the track of a tape; None if it has several markets, an assumed price grid, or no observation."""
    if len(tape.markets) != 1 or "price_ranges" in tape.markets[0].assumed:
        return None
    features = AccountFeatures(layout)
    recorder = _Recorder(tape, settings, layout, features, is_held=False)
    flat = held = recorder.part()
    if recorder.depends_on_account:
        held = _Recorder(tape, settings, layout, features, is_held=True).part()
    if not flat.points:
        return None
    block, lot_end = columns(tape.markets[0].ticker, tape.events)
    places = features.places()
    return Track(
        layout=layout, account_places=places,
        account_layout=Layout(layout.name, (layout.features[place] for place in places)) if places else None,
        flat=flat, held=held, splits_us=_splits_us(flat, held), block=block, lot_end=lot_end,
    )  # fmt: skip


def _splits_us(flat: Part, held: Part) -> int:
    """Return the first selection after which the passes differ."""
    if flat is held:
        return NEVER_US
    for (at_us, _), (other_us, _) in zip(flat.selections, held.selections, strict=False):
        if at_us != other_us or _state_after(flat, at_us) != _state_after(held, at_us):
            return min(at_us, other_us)
    return NEVER_US


def _state_after(part: Part, at_us: int) -> FollowedState:
    return part.states[part.state[bisect_right(part.moments, at_us * STAGES + Stage.WATCHED) - 1]]


class _NotedListing(Listing):
    """Notes when markets are selected; ``held``: those that are treated as if the account had a position in them."""

    def __init__(self, engine: Engine, tickers: Iterable[str], held: frozenset[str]) -> None:
        super().__init__(
            engine.settings.data, tickers, engine.exchange.queries, engine.ledger, publish=engine.update_market,
            set_members=engine.data.set_members,
        )  # fmt: skip
        self._listed = engine.exchange.queries
        self._named = frozenset(tickers)
        self._held = held
        self.depends_on_account = False
        """Whether a market was left that an account with a position would follow."""
        self.selections: list[tuple[int, bool]] = []

    def refresh(self, now_us: int) -> bool:
        is_held = bool(self.pinned())
        is_done = super().refresh(now_us)
        if is_done:
            self.selections.append((now_us, is_held))
            self.depends_on_account |= any(ticker not in self.selected for ticker in self._unsettled())
        return is_done

    def pinned(self) -> frozenset[str]:
        """Until they are settled, as a position is."""
        return self._held & self._unsettled()

    def _unsettled(self) -> frozenset[str]:
        return frozenset(one.ticker for one in self._listed.markets() if one.settlement_cc is None) & self._named


class _Recorder(Engine):
    """A pass of an account that never trades; ``is_held``: as if it had a position until the market is settled."""

    def __init__(
        self, tape: Tape, settings: EngineSettings, layout: Layout, features: AccountFeatures, *, is_held: bool
    ) -> None:  # fmt: skip
        self._tape = tape
        self._ticker = tape.markets[0].ticker
        self._features = features
        self._is_held = is_held
        self._stage = Stage.WATCHED
        self._is_publishing = self._is_periodic = False
        self._points: list[Point] = []
        self._moments: list[int] = []
        self._fresh_us: list[int | None] = []
        self._state: list[int] = []
        self._states: list[FollowedState] = []
        self._stage_us: dict[Stage, list[int]] = {stage: [] for stage in Stage}
        self._before: tuple[int, Counter[str]] = (0, Counter())
        super().__init__(
            settings, Outside(layout, "outside"), tape.markets, queue=QueueModel.PESSIMISTIC,
            start_us=tape.events[0][0], others=tape.others,
        )  # fmt: skip
        self._note_state()

    def begin(self) -> Calendar:
        held = frozenset({self._ticker} if self._is_held else ())
        self.listing = self._noted = _NotedListing(self, (self._ticker,), held)
        return super().begin()

    @property
    def depends_on_account(self) -> bool:
        """Whether the pass would be another one for an account with a position."""
        return self._noted.depends_on_account

    def part(self) -> Part:
        """Make the whole pass."""
        for at_us, event in self._tape.events:
            self._hold_all(self.undecided(at_us, event))
        self._hold_all(self.ending())
        observed, refused = self._since_last()
        points, noted = self._points, self._stage_us
        selections = self._noted.selections
        rows = stack([point.observation.features for point in points]) if points else np.zeros((0, 0), np.float32)
        listed = {one.ticker: one for one in self.exchange.queries.markets()}
        return Part(
            points=points, at_us=np.array([point.at_us for point in points], np.int64), rows=rows,
            moments=self._moments, fresh_us=self._fresh_us, state=self._state, states=self._states,
            selections=selections, first_data_us=noted[Stage.FIRST_DATA],
            watched_us=sorted({*noted[Stage.WATCHED], *(at_us for at_us, _ in selections)}), end_us=self.now_us,
            observed=observed, refused=refused,
            is_settled=self._ticker in listed and listed[self._ticker].settlement_cc is not None,
        )  # fmt: skip

    def _hold_all(self, batches: Iterator[Sequence[Observation]]) -> None:
        for batch in batches:
            for observation in batch:
                self._add(observation)
            self.act(batch, [Decision()] * len(batch))

    def _add(self, observation: Observation) -> None:
        market = self.data.markets[self._ticker]
        self._note_features(market)
        observed, refused = self._since_last()
        self._points.append(
            Point(
                at_us=self.now_us, stage=self._stage, observation=observation, history=market.history.copy(),
                event_yes_sum_cc=market.replica.event_yes_sum_cc, observed=observed, refused=refused,
            )
        )  # fmt: skip
        if self._stage in (Stage.FIRST_DATA, Stage.WATCHED):
            self._note_stage()

    def _note_features(self, market: FollowedMarket) -> None:
        assert market.metadata is not None
        self._features.note(
            PublicInputs(
                book=market.replica.book, history=market.history, market=market.metadata, now_us=self.now_us,
                confirmed_us=market.replica.confirmed_us, cash_micros=0, reserved_micros=0, equity_micros=0,
                position_centi=0, position_cost_micros=0, event_yes_sum_cc=market.replica.event_yes_sum_cc,
            )
        )  # fmt: skip

    def _since_last(self) -> tuple[int, tuple[tuple[str, int], ...]]:
        """Return the observations and the refusals since the last call."""
        observed, refusals = self._before
        self._before = self.observations, self.refusals.copy()
        found = ((reason, count - refusals[reason]) for reason, count in self.refusals.items())
        return self.observations - observed, tuple((reason, n) for reason, n in found if n or reason not in refusals)

    # Stages of an instant.

    def publish(self, events: Sequence[SimulationEvent]) -> bool:
        self._is_publishing = super().publish(events)
        self._stage = Stage.PUBLISHED
        self._note_state()
        return self._is_publishing

    def release(self) -> None:
        if not self._is_publishing and not self._is_periodic:
            self._stage = Stage.RELEASED
        self._is_publishing = False
        super().release()

    def send_first_data(self, now_us: int) -> int:
        self._is_periodic, self._stage = True, Stage.FIRST_DATA
        next_us = super().send_first_data(now_us)
        self._end_periodic()
        return next_us

    def select(self, now_us: int) -> None:
        self._is_periodic, self._stage = True, Stage.WATCHED
        super().select(now_us)
        self._end_periodic()

    def watch_data(self, now_us: int) -> None:
        self._is_periodic, self._stage = True, Stage.WATCHED
        super().watch_data(now_us)
        self._end_periodic()

    def _end_periodic(self) -> None:
        self._is_periodic = False
        if self._note_state():
            self._note_stage()

    def _note_stage(self) -> None:
        times = self._stage_us[self._stage]
        if not times or times[-1] != self.now_us:
            times.append(self.now_us)

    def _note_state(self) -> bool:
        """Note the followed market; return whether it changed."""
        market = self.data.markets.get(self._ticker)
        state = FollowedState(market is not None, None, False, None)
        if market is not None:
            state = FollowedState(True, market.stale, market.selected, market.metadata)
        fresh_us = None if market is None else market.fresh_us
        is_new = not self._states or self._states[-1] != state
        if not is_new and self._fresh_us[-1] == fresh_us:
            return False
        if is_new:
            self._states.append(state)
        self._moments.append(self.now_us * STAGES + self._stage)
        self._fresh_us.append(fresh_us)
        self._state.append(len(self._states) - 1)
        return True
