"""The engine of a backtest: one account, one model and one queue model on recorded events, without a loop or a clock.

It does what the services do on virtual time (docs/decisions/0005), instant by instant, in the same order:

1. the exchange applies the recorded events of the instant, then arriving orders and cancels;
2. its reports of the account are recorded in the ledger, then responses are handled;
3. the books are updated, due markets observed, decided and traded;
4. periodic work that is due, that with the longest interval first.

``feed`` takes events in the order of their times; an instant is complete when a later event or ``finish`` comes.
Where the decisions come from outside (``Outside``), ``undecided`` and ``ending`` take the place of both: they are
suspended within the instant, at each batch of observations, until the caller has handed its decisions to ``act``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from truebook.backtest.engine.account_reports import AccountReports
from truebook.backtest.engine.deciding import Deciding
from truebook.backtest.engine.idle import IdleTime, Parts
from truebook.backtest.engine.ledger_upkeep import Pruning, open_ledger
from truebook.backtest.engine.listing import Listing, Published
from truebook.backtest.engine.loss_watch import loss_marks
from truebook.backtest.engine.market_data import FollowedMarket, MarketData
from truebook.backtest.engine.observing import AccountObserver
from truebook.backtest.engine.pass_ledger import PassLedger
from truebook.backtest.engine.periodic import NEVER_US, Calendar, Every, Next, WhileIdle
from truebook.backtest.engine.settings import EngineSettings, Outside
from truebook.backtest.engine.trading import Sent, Trader
from truebook.backtest.engine.venue import Recorded, Venue
from truebook.decision.decide import Decision
from truebook.decision.publication import is_nothing
from truebook.ledger.exchange_reports import RECONCILED, SWEPT
from truebook.ledger.trading_holds import WIND_DOWN
from truebook.ledger.verbs import AdvanceWatermark
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.models.batch import action_of
from truebook.models.recorded_use import RecordedUses
from truebook.models.session import Model
from truebook.observation.builder import refusal
from truebook.pacing.due_queue import DueQueue
from truebook.pacing.throttle import Throttle
from truebook.simulation.events import MarketChanged, SimulationEvent
from truebook.simulation.recorded.queue import QueueModel

SAMPLE_US: Final = 10_000_000
"""Interval of the points of the equity, beside those at fills and settlements."""
Watcher = Callable[[int, Sequence[SimulationEvent]], None]
"""Called with each instant's time and events, after they are recorded."""


class Engine:
    """One pass. ``markets`` are traded, ``others`` are only listed; ``start_us`` is the time of the first event.
    ``passes_idle_time`` may be set, see ``idle``, where nothing is to be seen of each round of periodic work.

    ``watch``, ``sampled``, ``decided`` and ``pruned`` observe it: they are called with each instant's events, once in
    ten seconds, with each batch that the model decides, and before settled markets are added up in one record.
    """

    def __init__(
        self, settings: EngineSettings, model: Model | Outside, markets: Iterable[MarketMetadata], *,
        queue: QueueModel, start_us: int, others: Iterable[MarketMetadata] = (), uses: RecordedUses | None = None,
    ) -> None:  # fmt: skip
        self.settings, markets = settings, tuple(markets)
        self.ledger = PassLedger(settings.ledger_id)
        self.venue = Venue(settings.exchange_account, settings.latency, (*markets, *others), queue)
        self.exchange = self.venue.exchange
        self.model = model
        self.observations = self.decisions = self.targets = self.events = 0
        self.refusals: Counter[str] = Counter()
        self.now_us = start_us - settings.lead_us
        self.deciding = None if isinstance(model, Outside) else Deciding(model, uses, settings.guard, self.now_us)
        self.data = MarketData(
            settings.data, self.exchange.queries.book, self._schedule, idle_us=settings.observation.idle_us
        )
        self.trader = Trader(settings, self.ledger, self.data, self._send)
        self.reports = AccountReports(self.ledger, self.exchange.queries)
        self.listing = Listing(
            settings.data, (one.ticker for one in markets), self.exchange.queries, self.ledger,
            publish=self.update_market, set_members=self.data.set_members,
        )  # fmt: skip
        self.watch: Watcher = lambda now_us, events: None
        self.sampled: Callable[[int], None] = lambda now_us: None
        self.decided: Callable[[Sequence[Observation], Sequence[Decision]], None] = lambda observations, decisions: None
        self.pruned: Callable[[], None] = lambda: None
        self.mark_us = NEVER_US
        self.mark: Callable[[int], int | None] = lambda before_us: None
        self._start_us = start_us
        self.observer = AccountObserver(settings.identity, model.layout, self.ledger)
        self._throttle = Throttle(settings.observation.throttle_us)
        self._pending = DueQueue()
        self.batch: list[Recorded] = []
        self.batch_us = self.now_us
        self.due: list[Observation] = []  # observed, and not decided yet
        self._jitter = random.Random("fill_listener.sweep")
        self.pruning = Pruning(self.ledger, settings.retention_us, lambda: self.pruned())
        self._calendar = self.begin()
        self._next_us = self.next_due_us()
        self.passes_idle_time = False
        own = (self._calendar, self.data, self.listing, self.ledger, self.observer)
        parts = Parts(*own, self._pending, self._throttle, self.trader, self.venue)
        self._idle = IdleTime(settings, self.now_us, parts)

    # Start.

    def begin(self) -> Calendar:
        """Open the account as the services do at their start; return the calendar of periodic work."""
        settings, now_us = self.settings, self.now_us
        self.venue.begin(settings.balance_micros, now_us)
        open_ledger(self.ledger, settings, now_us)
        self.trader.start(now_us)
        self.first_data = Next(NEVER_US, self.send_first_data)
        books = self.begin_books(now_us)
        return Calendar(
            now_us,
            (
                Every(settings.prune_us, self.pruning.run),
                *loss_marks(settings, self.ledger, self.exchange.queries),
                Every(settings.reconciled_us, self.state_completion),
                Every(settings.observation.refresh_us, lambda _: self.observer.read_positions(), WhileIdle.REPEATS),
                Every(settings.execution.sweep_us, self.sweep, WhileIdle.REPEATS),
                *books,
                Every(SAMPLE_US, lambda at_us: self.sampled(at_us), WhileIdle.ENDS),
            ),
            (
                Next(now_us + settings.data.first_data_us, self.sweep_first),
                self.first_data,
                Next(self.sweep_us(now_us), self.sweep_reports),
            ),
        )

    def begin_books(self, now_us: int) -> tuple[Every, ...]:
        """Begin to follow books; return the periodic work on them."""
        self.select(now_us)
        self.data.connect(now_us)
        return tuple(Every(self.settings.data.watch_us, do, WhileIdle.REPEATS) for do in (self.select, self.watch_data))

    def select(self, now_us: int) -> None:
        """Select the followed markets again, if that is due."""
        if self.listing.refresh(now_us):
            self.data.follow_only(self.listing.selected, self.listing.metadata, now_us)
            first_us = self.data.first_data_us()
            self.first_data.due_us = NEVER_US if first_us is None else first_us
            self._release_published()

    def update_market(self, published: Published) -> None:
        """Read a market's metadata and whether it is followed, as observation and execution do."""
        data, ticker = self.data, published.metadata.ticker
        data.is_published = True
        market = data.markets.get(ticker)
        if market is None:
            return
        market.metadata, market.selected = published.metadata, published.selected
        if not published.selected:
            self._pending.discard(ticker)
            market.pending_frame_us = None
            if published.metadata.status is MarketStatus.FINALIZED:
                del data.markets[ticker]
                self._throttle.drop(ticker)

    # Time.

    def feed(self, at_us: int, event: Recorded) -> None:
        """Take the next recorded event."""
        if self.complete(at_us):
            self.batch_us = at_us
        self.batch.append(event)

    def complete(self, before_us: int) -> bool:
        """Complete every instant before that time; return False where an event of that very time was fed already."""
        if before_us == self.batch_us:
            return False
        for observations in self.advance(before_us):
            self._decide(observations)
        return True

    def undisturbed_before_us(self) -> int:
        """Return the time of the next instant, after the complete ones, in which more is due than recorded events."""
        pending_us = self._pending.next_us()
        return min(self._next_us, self.mark_us + 1, NEVER_US if pending_us is None else pending_us)

    def finish(self) -> None:
        """Complete the last instant, and the time after it; then cancel what rests."""
        for observations in self.ending():
            self._decide(observations)

    def undecided(self, at_us: int, event: Recorded) -> Iterator[Sequence[Observation]]:
        """Take the next recorded event, as ``feed``; yield what is to be decided before it."""
        if at_us != self.batch_us:
            yield from self.advance(at_us)
            self.batch_us = at_us
        self.batch.append(event)

    def ending(self) -> Iterator[Sequence[Observation]]:
        """Complete the pass, as ``finish``; yield what is still to be decided."""
        if not self.batch:
            return
        end_us = self.batch_us + self.settings.after_us
        yield from self.advance(end_us + 1)
        self.ledger.apply(WIND_DOWN.place())  # nothing more is sent while the last responses arrive
        while (arrive_us := self.venue.arrives_us()) is not None:  # sent before the end
            yield from self.instant(max(arrive_us, self.now_us), ())
        self.now_us = max(self.now_us, end_us)
        self._record(self.exchange.cancel_all(self.settings.exchange_account, self.now_us))

    def advance(self, before_us: int) -> Iterator[Sequence[Observation]]:
        """Complete every instant before that time."""
        if self.batch:
            batch, self.batch = self.batch, []
            yield from self.instant(self.batch_us, batch)
        while self._next_us < before_us:
            yield from self.instant(self._next_us, ())
            if self.passes_idle_time and self._idle.is_quiet(self.now_us):
                until_us = min(before_us - 1, self.mark_us)
                self.now_us = self._idle.pass_over(self.now_us, until_us, self.observations, self.refusals)
                self._next_us = self.next_due_us()

    def next_due_us(self) -> int:
        """Return the time of the next instant without recorded events."""
        due_us = self._calendar.next_us
        exchange_us = self.venue.next_due_us()
        if exchange_us is not None and exchange_us < due_us:
            due_us = exchange_us
        pending_us = self._pending.next_us()
        if pending_us is not None:
            due_us = min(due_us, max(self._release_us(pending_us), self.now_us + 1))
        return due_us

    def _release_us(self, ready_us: int) -> int:
        """Return the first check for throttled changes at or after that time."""
        every_us, origin_us = self.settings.observation.release_us, self._start_us - self.settings.lead_us
        return origin_us + -(-(ready_us - origin_us) // every_us) * every_us

    def mark_at(self, at_us: int, mark: Callable[[int], int | None]) -> None:
        """Call ``mark`` before the first instant after that time, while the books still are as of it."""
        self.mark_us, self.mark = at_us, mark

    def instant(self, now_us: int, batch: Sequence[Recorded]) -> Iterator[Sequence[Observation]]:
        """Do all that is due in an instant, suspended wherever something is to be decided first."""
        if self.mark_us < now_us:
            self.mark_us = self.mark(now_us) or NEVER_US
        self.now_us = now_us
        self.events += len(batch)
        while True:
            events, responses = self.venue.step(batch, now_us)
            if batch or events or responses:
                self._idle.start(now_us)
            self._record(events)
            for sent, response in responses:
                self.trader.receive(sent, response, now_us)
            if self.publish(events):
                self.release()
                if self.due:
                    yield self.due
            batch = ()
            arrive_us = self.venue.arrives_us()
            if arrive_us is None or arrive_us > now_us:
                break
        if now_us >= self._calendar.next_us:
            for _ in self._calendar.run(now_us):
                if self.due:
                    yield self.due
        if self._pending and self._release_us(now_us) == now_us:
            self.release()
            if self.due:
                yield self.due
        self._next_us = self.next_due_us()

    # The exchange.

    def _send(self, sent: Sent) -> None:
        self.venue.send(sent, self.now_us)

    def _record(self, events: Sequence[SimulationEvent]) -> None:
        """Record what the exchange reports about the account."""
        if events:
            self.reports.record(events)
            self.watch(self.now_us, events)

    # Books and observations.

    def publish(self, events: Sequence[SimulationEvent]) -> bool:
        """Update the books by what the exchange sends; return whether readers were sent anything."""
        data, now_us = self.data, self.now_us
        for event in self.venue.public:
            data.receive(event, now_us)
        for changed in events:
            if isinstance(changed, MarketChanged):
                self.listing.apply(changed, now_us)
        data.send_requested(now_us)
        is_published, data.is_published = data.is_published, False
        return is_published

    def _schedule(self, market: FollowedMarket, now_us: int) -> None:
        market.pending_frame_us = 1
        self._pending.add(market.ticker, self._throttle.ready_at(market.ticker, now_us))

    def _release_published(self) -> None:
        """Observe after a message, as its readers do."""
        if self.data.is_published:
            self.data.is_published = False
            self.release()

    def release(self) -> None:
        """Observe every changed market whose throttle is open."""
        if not self._pending:
            return
        now_us = self.now_us
        due: list[FollowedMarket] = []
        for ticker in self._pending.take(now_us):
            market = self.data.markets[ticker]
            self._throttle.attempt(ticker, now_us)
            market.observed_us, market.pending_frame_us = now_us, None
            reason = refusal(market, self.settings.observation.limits, now_us)
            if reason is None:
                due.append(market)
            else:
                self.refusals[reason] += 1
        if due:
            self._observe(due)

    def _observe(self, due: Sequence[FollowedMarket]) -> None:
        made, refused = self.observer.observe(due, self.data.markets, self.now_us)
        self.refusals.update(refused)
        self.observations += len(made)
        oldest_us = self.now_us - self.settings.max_age_us
        current = [each for each in made if each.confirmed_us > oldest_us]
        self.refusals[Reason.DEADLINE] += len(made) - len(current)
        self.due = current

    def _decide(self, current: Sequence[Observation]) -> None:
        deciding = self.deciding
        assert deciding is not None, "decisions from outside are handed to act()"
        for part, decisions in deciding.decide(current, self.now_us):
            self.model = deciding.model
            self.act(part, decisions)

    def act(self, current: Sequence[Observation], decisions: Sequence[Decision]) -> None:
        """Trade by the decisions on a batch of observations, in their order."""
        settings, model = self.settings, self.model
        name, sha256 = (model.name, "") if isinstance(model, Outside) else model.identity
        self.due = []
        self.decisions += len(decisions)
        self.decided(current, decisions)
        make = partial(
            action_of, settings.identity, model=name, model_sha256=sha256, now_us=self.now_us,
            max_age_us=settings.max_age_us,
        )  # fmt: skip
        for observation, decision in zip(current, decisions, strict=True):
            self.targets += len(decision.targets)
            if decision.reason is not None:
                self.refusals[decision.reason] += 1
            if is_nothing(decision):  # no message is made of it
                self.trader.pass_by(observation.ticker, self.now_us)
            else:
                self.trader.offer(make(observation, decision), self.now_us)

    # Periodic work.

    def send_first_data(self, now_us: int) -> int:
        """Apply the first snapshots of followed markets."""
        next_us = self.data.send_first_data(now_us)
        self._release_published()
        return NEVER_US if next_us is None else next_us

    def sweep_first(self, now_us: int) -> int:
        """Read the account's reports for the first time."""
        self.ledger.apply(AdvanceWatermark(name=SWEPT, to_us=now_us))
        return NEVER_US

    def sweep_us(self, now_us: int) -> int:
        """Return the time of the next sweep of the account's reports."""
        seconds = self.settings.swept_s * (1 + 0.2 * self._jitter.random())
        return now_us + round(seconds * 1_000_000)

    def sweep_reports(self, now_us: int) -> int:
        self.ledger.apply(AdvanceWatermark(name=SWEPT, to_us=now_us))
        return self.sweep_us(now_us)

    def state_completion(self, now_us: int) -> None:
        self.ledger.apply(AdvanceWatermark(name=RECONCILED, to_us=now_us))

    def sweep(self, now_us: int) -> None:
        """Cancel what must not rest; open the group of our orders first."""
        limit_centi = self.settings.execution.order_group_limit_centi
        if self.trader.group_id is None and limit_centi:
            self.trader.group_id = self.venue.open_group(limit_centi, now_us)
        self.trader.sweep(now_us)

    def watch_data(self, now_us: int) -> None:
        """Request and publish the books that are due."""
        self.data.watch(now_us)
        self._release_published()
