"""The state behind an operator's page, fed by the messages of all topics.

It shares books and evidence with what counts them (``operator/statistics.py``), which must take each message before, so
that a change of a book costs a few assignments here. All is bounded. It reads no clock: times are those of messages,
and ``now_us`` of the questions. Every result of ``changes`` begins a new version; a change notes the version that it
will be in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from truebook.book.replica import BookReplica
from truebook.evidence.recorder import Recorder
from truebook.evidence.records import Funnel
from truebook.ledger.port import LedgerView
from truebook.live.account import AccountHistory
from truebook.live.decisions import Decisions, own_fill
from truebook.live.feed import Feed
from truebook.live.market import MID_EVERY_US, LiveMarket, open_order
from truebook.live.models import PROBABILITY_EVERY_US, LiveModels
from truebook.live.services import LiveServices
from truebook.live.system_views import (
    AccountPoint,
    DeadLetterRow,
    LabelledObservation,
    ModelFailureView,
    ModelView,
    ServiceRow,
    ServiceState,
    SystemView,
)
from truebook.live.views import Changes, EventKind, Lifecycle, MarketDetail
from truebook.messages.accounts import AccountReported
from truebook.messages.actions import Action
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import Message
from truebook.messages.fills import FillRecorded, MarketSettled, ReportOutcome
from truebook.messages.markets import MarketUpdated
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, BookMessage, BookSnapshot, BookStale, PublicTrade
from truebook.messages.orders import OrderEvent
from truebook.messages.refusals import DecisionsCounted
from truebook.messages.services import ServiceReported

MAX_MARKETS: Final = 2_000
MAX_DECISIONS: Final = 200
"""Per result."""
MAX_POINTS_KEPT: Final = 500
MAX_DEAD_LETTERS: Final = 200
MAX_OBSERVATIONS: Final = 40
MAX_KNOWN_FILLS: Final = 20_000
FUNNEL_EVERY_US: Final = 3_000_000
_NEW_FILLS: Final = (ReportOutcome.APPLIED, ReportOutcome.PARKED, ReportOutcome.DUPLICATE)

Names = Callable[[str], tuple[str, ...]]
"""Returns the names of a layout's features; none for an unknown layout."""


class LiveState:
    """Take every message after the owner of ``books`` and ``evidence`` has; ask from the same thread."""

    def __init__(
        self, books: Mapping[str, BookReplica], evidence: Recorder, *, epoch: str, since_us: int, names: Names
    ) -> None:
        """``epoch`` names this state in its versions: another process's versions are not known here."""
        self._books = books
        self._evidence = evidence
        self._epoch = epoch
        self.since_us = since_us
        self._names = names
        self._next = 1
        """The version that the present changes will be in."""
        self._oldest = 0
        """Versions before it are not known any more."""
        self._markets: dict[str, LiveMarket] = {}
        self._shown: set[str] = set()
        """The markets that were among the rows of a result and not removed since."""
        self._removed: dict[str, int] = {}
        self._mids_due_us = 0
        self._has_ledger = False
        self._decisions = Decisions()
        self._known_fills: dict[str, None] = {}
        self.account = AccountHistory()
        self._points: deque[tuple[int, AccountPoint]] = deque(maxlen=MAX_POINTS_KEPT)
        self._account_changed = 0
        self.services = LiveServices()
        self._service_rows: tuple[ServiceRow, ...] = ()
        self._services_changed = 0
        self._models = LiveModels()
        self._feed = Feed()
        self._letters: deque[DeadLetterRow] = deque(maxlen=MAX_DEAD_LETTERS)
        self._letter_count = 0
        self._funnel: Funnel | None = None
        self._funnel_changed = 0
        self._funnel_due_us = 0
        self._handlers: dict[type[Message], Callable[[Any], None]] = {
            BookDelta: self._take_book,
            BookSnapshot: self._take_book,
            BookStale: self._take_book,
            PublicTrade: self._take_trade,
            Observation: self._take_observation,
            Action: self._take_action,
            DecisionsCounted: self._take_counted,
            OrderEvent: self._take_order,
            FillRecorded: self._take_fill,
            MarketSettled: self._take_settlement,
            MarketUpdated: self._take_market,
            ServiceReported: self._take_service,
            AccountReported: self._take_account,
            DeadLetter: self._take_letter,
        }

    def take(self, message: Message) -> None:
        """Use one message; those of other types are ignored."""
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(message)

    def take_ledger(self, view: LedgerView) -> None:
        """Use a view of the whole ledger: positions and open orders."""
        views = {market.ticker: market for market in view.markets if market.ticker}
        is_first, self._has_ledger = not self._has_ledger, True
        for ticker, held in views.items():
            known = self._markets.get(ticker)
            if known is None and held.position_centi == 0 and not held.orders:
                continue
            market = known or self._market(ticker)
            if market.of_ledger != held:
                market.of_ledger, market.changed = held, self._next
        for ticker, market in self._markets.items():
            if is_first or (market.of_ledger is not None and ticker not in views):
                market.of_ledger, market.changed = views.get(ticker), self._next

    def changes(self, since: str | None, now_us: int) -> Changes:
        """Return what changed since a version of this state, or everything."""
        after = self._number(since)
        self._refresh(now_us)
        version = self._next
        self._next += 1
        is_complete, after = after is None, after or 0
        shown = [market for market in self._markets.values() if market.changed > after and market.is_shown]
        rows = tuple(
            market.row(
                self._books.get(market.ticker), self._evidence.market(market.ticker), has_ledger=self._has_ledger
            )
            for market in shown
        )
        self._shown.update(market.ticker for market in shown)
        points = self.account.points if is_complete else (point for number, point in self._points if number > after)
        return Changes(
            version=f"{self._epoch}:{version}", is_complete=is_complete, is_live=True, at_us=now_us, rows=rows,
            removed=() if is_complete else tuple(t for t, number in self._removed.items() if number > after),
            decisions=tuple(life.row() for life in self._decisions.changed_since(after, MAX_DECISIONS)),
            points=tuple(points), events=self._feed.since(after),
            services=self._service_rows if self._services_changed > after else None,
            account=self.account.state if self._account_changed > after else None,
            funnel=self._funnel if self._funnel_changed > after else None,
        )  # fmt: skip

    def market(self, ticker: str, now_us: int) -> MarketDetail | None:
        """Return one market in full; None if nothing is known of it."""
        market = self._markets.get(ticker)
        if market is None:
            return None
        orders = []
        for order in () if market.of_ledger is None else market.of_ledger.orders:
            life = self._decisions.of_order(order.order_id)
            orders.append(open_order(order, None if life is None else life.action.id))
        return market.detail(
            self._books.get(ticker), self._evidence.market(ticker), orders, now_us, has_ledger=self._has_ledger
        )  # fmt: skip

    def lifecycle(self, action_id: str) -> Lifecycle | None:
        """Return one decision in full; None if it is not known (any more)."""
        life = self._decisions.find(action_id)
        return None if life is None else life.lifecycle()

    def model(
        self, now_us: int, *, shadow: str | None = None, stopped: ModelFailureView | None = None,
        rolled_back: ModelFailureView | None = None,
    ) -> ModelView:  # fmt: skip
        """Return what the models did; what only the registry has is given."""
        name, sha256 = self.services.model()
        newest = self._models.newest
        if name is None and newest is not None:
            name, sha256 = newest.model, newest.model_sha256
        seen = sorted(
            (market.observation for market in self._markets.values() if market.observation is not None),
            key=lambda observation: -observation.produced_us,
        )
        return ModelView(
            at_us=now_us, active=name, active_sha256=sha256, shadow=shadow, stopped=stopped, rolled_back=rolled_back,
            minutes=self._models.minutes(), probabilities=tuple(self._models.probabilities),
            observations=tuple(self._labelled(observation) for observation in seen[:MAX_OBSERVATIONS]),
            calibration=self._models.calibration(),
        )  # fmt: skip

    @property
    def newest_decision(self) -> Action | DecisionsCounted | None:
        """The newest decision of any model, or the newest counted ones."""
        return self._models.newest

    def system(self, now_us: int) -> SystemView:
        """Return services and dead letters; the counts are its owner's, who fills them in."""
        self._refresh(now_us)
        return SystemView(
            at_us=now_us, since_us=self.since_us, services=self._service_rows,
            dead_letters=tuple(reversed(self._letters)), dead_letter_count=self._letter_count, refused={}, outcomes={},
            stale={}, counts={}, skipped_messages=0, tick_to_send_p50_us=None, tick_to_send_p99_us=None,
        )  # fmt: skip

    def _number(self, version: str | None) -> int | None:
        """Return the number of a version of this state; None if it is another's, or not known any more."""
        epoch, _, number = (version or "").rpartition(":")
        if epoch != self._epoch or not number.isdecimal() or len(number) > 18:
            return None
        return int(number) if self._oldest <= int(number) < self._next else None

    def _refresh(self, now_us: int) -> None:
        """Bring up to date what depends on time: overdue services, ended markets, the funnel."""
        for report in self.services.fallen_silent(now_us):
            self._feed.service(self._next, report, ServiceState.SILENT, now_us)
        rows = self.services.rows(now_us)
        if rows != self._service_rows:
            self._service_rows, self._services_changed = rows, self._next
        for ticker in [each for each in self._shown if not self._is_shown(each)]:
            self._remove(ticker)
        if now_us >= self._funnel_due_us:
            self._funnel_due_us = now_us + FUNNEL_EVERY_US
            self._funnel, self._funnel_changed = self._evidence.funnel(now_us), self._next

    def _is_shown(self, ticker: str) -> bool:
        market = self._markets.get(ticker)
        return market is not None and market.is_shown

    def _remove(self, ticker: str) -> None:
        """Note that a market is not among the rows any more."""
        self._shown.discard(ticker)
        self._removed.pop(ticker, None)
        self._removed[ticker] = self._next
        while len(self._removed) > MAX_MARKETS:
            oldest = next(iter(self._removed))
            self._oldest = self._removed.pop(oldest)

    def _market(self, ticker: str) -> LiveMarket:
        market = self._markets.get(ticker)
        if market is None:
            market = self._markets[ticker] = LiveMarket(ticker)
            self._removed.pop(ticker, None)
            if len(self._markets) > MAX_MARKETS:
                self._drop_oldest(ticker)
        return market

    def _drop_oldest(self, new: str) -> None:
        """Drop the oldest market that is neither selected nor held; the oldest of all where there is none."""
        markets = self._markets.values()
        others = (each for each in markets if not each.selected and not each.is_held and each.ticker != new)
        oldest = next(others, None) or next(iter(markets))
        del self._markets[oldest.ticker]
        if oldest.ticker in self._shown:
            self._remove(oldest.ticker)

    def _take_book(self, message: BookMessage) -> None:
        ticker, at_us = message.ticker, message.produced_us
        market = self._markets.get(ticker) or self._market(ticker)
        market.updates += 1
        market.updated_us = at_us
        market.changed = self._next
        replica = self._books.get(ticker)
        stale = None if replica is None else replica.stale
        if stale is not market.stale:
            if stale is None or market.stale is None or market.stale_since_us is None:
                market.stale_since_us = None if stale is None else at_us
            market.stale = stale
            market.price_due_us = 0
        if at_us >= market.price_due_us:
            market.sample_price(replica, at_us)
        if at_us >= self._mids_due_us:
            self._sample_mids(at_us)

    def _sample_mids(self, at_us: int) -> None:
        self._mids_due_us = at_us + MID_EVERY_US
        for ticker, market in self._markets.items():
            replica = self._books.get(ticker)
            if replica is not None:
                market.sample_mid(replica)
                market.changed = self._next

    def _take_trade(self, trade: PublicTrade) -> None:
        market = self._market(trade.ticker)
        market.last_cc, market.changed = trade.price_cc, self._next

    def _take_observation(self, observation: Observation) -> None:
        self._market(observation.ticker).observation = observation

    def _take_action(self, action: Action) -> None:
        market = self._market(action.ticker)
        market.decisions += 1
        market.changed = self._next
        self._models.decided(action)
        self._decisions.decided(action, market.observation, self._next)
        if action.fair_ppm is not None:
            market.fair_ppm = action.fair_ppm
            if action.produced_us - market.probability_us >= PROBABILITY_EVERY_US:
                market.probability_us = action.produced_us
                self._models.add_probability(action, action.fair_ppm)

    def _take_counted(self, counted: DecisionsCounted) -> None:
        market = self._market(counted.ticker)
        market.decisions += sum(counted.counts.values())
        market.changed = self._next
        self._models.counted(counted)

    def _take_order(self, event: OrderEvent) -> None:
        self._decisions.ordered(event, self._next)
        self._feed.order(self._next, event)
        self._market(event.ticker).changed = self._next

    def _take_fill(self, fill: FillRecorded) -> None:
        if fill.outcome not in _NEW_FILLS or fill.id in self._known_fills:
            return
        self._known_fills[fill.id] = None
        if len(self._known_fills) > MAX_KNOWN_FILLS:
            del self._known_fills[next(iter(self._known_fills))]
        life = self._decisions.of_order(fill.client_order_id)
        own = own_fill(fill, None if life is None else life.action.id)
        self._decisions.filled(own, self._next)
        market = self._market(fill.ticker)
        market.fills.append(own)
        market.changed = self._next
        if own.at_us >= self.since_us:
            self._feed.fill(self._next, own)

    def _take_settlement(self, settled: MarketSettled) -> None:
        self._decisions.settled(settled, self._next)
        self._count_outcome(settled.ticker, settled.settlement_cc)
        if settled.outcome.is_new:
            self._feed.settlement(self._next, settled)

    def _take_market(self, update: MarketUpdated) -> None:
        market, metadata = self._market(update.ticker), update.metadata
        market.metadata, market.selected, market.changed = metadata, update.selected, self._next
        if metadata.settlement_cc is not None:
            self._count_outcome(update.ticker, metadata.settlement_cc)

    def _count_outcome(self, ticker: str, settlement_cc: int) -> None:
        """Count a market's last probability once; it may be determined, then settled."""
        market = self._markets.get(ticker)
        if market is not None and market.fair_ppm is not None:
            self._models.settled(market.fair_ppm, settlement_cc)
            market.fair_ppm = None

    def _take_service(self, report: ServiceReported) -> None:
        model_before, _ = self.services.model()
        before, state = self.services.take(report)
        if before is not None and before is not state:
            self._feed.service(self._next, report, state, report.produced_us)
        model, _ = self.services.model()
        if model != model_before and model_before is not None and model is not None:
            text = f"model in use: {model} instead of {model_before}"
            self._feed.add(self._next, report.produced_us, EventKind.MODEL, text)

    def _take_account(self, report: AccountReported) -> None:
        before = self.account.state
        point = self.account.take(report)
        if point is not None and self.account.state is not None:
            self._points.append((self._next, point))
            self._account_changed = self._next
            self._feed.account(self._next, before, self.account.state)

    def _take_letter(self, letter: DeadLetter) -> None:
        self._letter_count += 1
        self._letters.append(DeadLetterRow(
            at_us=letter.produced_us, id=letter.id, origin=letter.origin, service=letter.service,
            reason=str(letter.reason), detail=letter.detail[:500],
        ))  # fmt: skip
        self._feed.dead_letter(self._next, letter)

    def _labelled(self, observation: Observation) -> LabelledObservation:
        names = self._names(observation.layout)
        return LabelledObservation(
            ticker=observation.ticker, at_us=observation.produced_us, layout=observation.layout,
            names=names if len(names) == len(observation.features) else (), values=observation.features,
        )  # fmt: skip
