"""Actions to orders in a backtest: the rules of execution, with the exchange's responses as calls.

What the service awaits is split here into what is decided now and what happens at the response (``Response``). The
newest action of each market waits while an older one is under way.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from functools import partial

import msgspec

from truebook.backtest.engine.traded import TradedBooks, TradingRules
from truebook.decision.publication import is_nothing
from truebook.execution.guards import (
    GUARDS,
    SIZING,
    Candidate,
    Limiters,
    fee_rate_to_reserve_ppm,
    first_refusal,
    order_size,
)
from truebook.execution.placement import Placement, order_request, rank, reservation, shard_of
from truebook.execution.plan import Cancel, Keep, Place, Wait, plan_side, repeated_sides, working_on
from truebook.execution.resting import to_cancel
from truebook.execution.send_errors import NO_GROUP
from truebook.ledger.port import LedgerView, OrderView
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.verbs import Acknowledge, Close, OrderState, ReserveOutcome
from truebook.messages.actions import Action, Target
from truebook.messages.envelope import BookSide
from truebook.messages.ids import client_order_id
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.tokens import TokenBucket
from truebook.simulation.venue.orders import Rejected
from truebook.venue.account import CancelResponse, CreateResponse, OrderRequest
from truebook.venue.rate_tiers import CANCEL_COST, TIER_LIMITS

EPOCH = 1
"""The epoch of the one partition of actions."""
ENDED = (OrderState.TERMINAL, OrderState.CLOSING)
SIDES = tuple(BookSide)


class PlaceSent(msgspec.Struct, frozen=True):
    """An order on its way to the exchange."""

    action: Action
    target: Target
    request: OrderRequest


class CancelSent(msgspec.Struct, frozen=True):
    """A cancel on its way; its target, if any, is refused for the reason when the response is received."""

    order: OrderView
    exchange_order_id: str
    action: Action | None
    target: Target | None
    reason: Reason | None


Sent = PlaceSent | CancelSent
Send = Callable[[Sent], None]
Response = CreateResponse | CancelResponse | Rejected


class Trader:
    """Execution's state; ``send`` hands a command to the exchange, with its latency."""

    def __init__(self, settings: TradingRules, ledger: Ledger, data: TradedBooks, send: Send) -> None:
        rules = settings.execution
        write = TIER_LIMITS[rules.tier].write
        self.outcomes: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.group_id: str | None = None
        self.decided_us: dict[str, int] = {}
        self.now_us = 0
        self._started_us = 0
        self._settings = settings
        self._rules = rules
        self._ledger = ledger
        self._data = data
        self._send = send
        self._attempts = itertools.count(1)
        self._cancelling: dict[str, int] = {}
        self._busy: dict[str, int] = {}
        """Requests without a response, by market whose action is under way."""
        self._waiting: dict[str, tuple[tuple[int, int, int], Action]] = {}
        self._arrivals = itertools.count()
        self.limiters = Limiters(
            breaker=Breaker(rules.breaker_errors, rules.breaker_window_us, rules.breaker_cooldown_us),
            throttle=Throttle(rules.throttle_us),
            tokens=TokenBucket(write.capacity, write.refill_per_s),
            rate_reserve=int(write.capacity * rules.rate_reserve_share),
        )

    def start(self, now_us: int) -> None:
        self._started_us = now_us

    @property
    def is_idle(self) -> bool:
        """Whether no action is under way or waits."""
        return not self._busy and not self._waiting

    def __contains__(self, order_id: object) -> bool:
        """Return whether a cancel of that order was sent recently and has no response."""
        sent_us = self._cancelling.get(str(order_id))
        return sent_us is not None and self.now_us - sent_us < self._rules.durations.cancel_retry_us

    def offer(self, action: Action, now_us: int) -> None:
        """Handle an action now, or once the market's older one is done."""
        self.pass_by(action.ticker, now_us)
        if is_nothing(action):
            return
        self._waiting[action.ticker] = (rank(action, next(self._arrivals)), action)
        self._start_waiting()

    def pass_by(self, ticker: str, now_us: int) -> None:
        """Take a decision that changes nothing: it still supersedes the market's action that waits."""
        self.now_us = now_us
        superseded = self._waiting.pop(ticker, None)
        if superseded is not None:
            self._refuse(superseded[1].targets, Reason.SUPERSEDED)

    def _start_waiting(self) -> None:
        while self._waiting and len(self._busy) < self._rules.max_concurrent_markets:
            ready = [(rank, ticker) for ticker, (rank, _) in self._waiting.items() if ticker not in self._busy]
            if not ready:
                return
            ticker = min(ready)[1]
            _, action = self._waiting.pop(ticker)
            self._busy[ticker] = 0
            self._handle(action)
            if self._busy[ticker] == 0:
                del self._busy[ticker]

    def _handle(self, action: Action) -> None:
        view = self._ledger.view((action.ticker,))
        if self.now_us >= action.deadline_us:
            self._refuse(action.targets, Reason.DEADLINE)
            return
        targets, repeated = {target.book_side: target for target in action.targets}, repeated_sides(action.targets)
        if repeated:
            self._refuse(tuple(target for target in action.targets if target.book_side in repeated), Reason.INVALID)
        market = view.market(action.ticker)
        orders = market.orders if market is not None else ()
        cancels: list[Cancel] = []
        places: list[Target] = []
        for side in SIDES:
            if side in repeated:
                continue
            target, working = targets.get(side), working_on(side, orders)
            sized = self._sized(action, target, view) if target is not None and working is not None else 0
            match plan_side(target, sized, working, self, action.omitted_sides, tolerance=self._rules.tolerance):
                case Keep():
                    self.outcomes[OrderOutcome.KEPT] += 1
                case Wait(refused, reason):
                    self._refuse((refused,), reason)
                case Cancel() as step:
                    cancels.append(step)
                case Place(placed):
                    places.append(placed)
                case None:
                    pass
        for step in cancels:
            if not self._cancel(step.order, step.reason, action, step.target) and step.target and step.reason:
                self._refuse((step.target,), step.reason)
        for placed in places:
            self._place(action, placed, view)

    def _candidate(self, action: Action, target: Target, view: LedgerView) -> Candidate:
        market = self._data.markets.get(action.ticker)
        metadata = None if market is None else market.metadata
        size_centi, is_reducing = order_size(target, view.market(action.ticker))
        durations = self._rules.durations
        return Candidate(
            action=action, target=target, source=self._settings.identity.source, now_us=self.now_us,
            mode=view.mode_in(action.ticker, shard_of(metadata)), has_unresolved_orders=False,
            is_report_queue_full=False,
            metadata=metadata,
            is_book_fresh=self._data.is_fresh(action.ticker, durations.max_book_age_us, self.now_us),
            epoch=EPOCH, size_centi=size_centi, is_reducing=is_reducing,
            fee_rate_ppm=fee_rate_to_reserve_ppm(action, metadata), durations=durations, limiters=self.limiters,
        )  # fmt: skip

    def _sized(self, action: Action, target: Target, view: LedgerView) -> int | Reason:
        candidate = self._candidate(action, target, view)
        refusal = first_refusal(SIZING, candidate)
        return candidate.size_centi if refusal is None else refusal.reason

    def _place(self, action: Action, target: Target, view: LedgerView) -> None:
        candidate = self._candidate(action, target, view)
        refusal = first_refusal(GUARDS, candidate)
        if refusal is not None:
            self._refuse((target,), refusal.reason)
            return
        assert candidate.fee_rate_ppm is not None, "guarded"
        placement = Placement(
            order_id=client_order_id(self._ledger.ledger_id, action.id, target.book_side), action=action,
            target=target, size_centi=candidate.size_centi, fee_rate_ppm=candidate.fee_rate_ppm, partition=0,
            epoch=EPOCH, exchange_index=shard_of(candidate.metadata),
        )  # fmt: skip
        order = reservation(placement, next(self._attempts), self.now_us, self._rules.durations.order_lifetime_us)
        result = self._ledger.apply(order)
        if result.outcome is not ReserveOutcome.RESERVED:
            self._refuse((target,), result.reason or Reason.DUPLICATE_ACTION)
            return
        self.outcomes[OrderOutcome.SENT] += 1
        self.decided_us[order.order_id] = self.now_us
        self._busy[action.ticker] += 1
        self._send(PlaceSent(action, target, order_request(order, target, self.group_id)))

    def _cancel(
        self, order: OrderView, reason: Reason | None, action: Action | None, target: Target | None = None
    ) -> bool:
        """Send a cancel; return whether it was sent."""
        if order.exchange_order_id is None:
            return False
        if not self.limiters.tokens.take(CANCEL_COST, self.now_us):
            self.refusals[Reason.RATE_BUDGET] += 1
            return False
        oldest_us = self.now_us - self._rules.durations.cancel_retry_us
        self._cancelling = {order_id: at_us for order_id, at_us in self._cancelling.items() if at_us > oldest_us}
        self._cancelling[order.order_id] = self.now_us
        self.outcomes[OrderOutcome.CANCEL_SENT] += 1
        if action is not None:
            self._busy[action.ticker] += 1
        self._send(CancelSent(order, order.exchange_order_id, action, target, reason))
        return True

    # Responses.

    def receive(self, sent: Sent, response: Response, now_us: int) -> None:
        """Record a response; the market's waiting action follows."""
        self.now_us = now_us
        match sent:
            case PlaceSent():
                self._placed(sent, response)
                self._done(sent.action.ticker)
            case CancelSent():
                self._cancelled(sent, response)
                if sent.action is not None:
                    self._done(sent.action.ticker)

    def _placed(self, sent: PlaceSent, response: Response) -> None:
        order_id, ticker = sent.request.client_order_id, sent.request.ticker
        if isinstance(response, CreateResponse):
            self._ledger.apply(
                Acknowledge(
                    order_id=order_id, exchange_order_id=response.exchange_order_id, ticker=ticker,
                    filled_centi=response.filled_centi, remaining_centi=response.remaining_centi,
                )
            )  # fmt: skip
            self.limiters.breaker.succeeded(ticker)
            self.outcomes[OrderOutcome.ACKNOWLEDGED] += 1
            return
        assert isinstance(response, Rejected)
        self._ledger.apply(Close(order_id=order_id, exchange_order_id=None, filled_centi=0))
        if response.code not in NO_GROUP:
            self.limiters.breaker.failed(ticker, self.now_us)
        self.outcomes[OrderOutcome.REJECTED] += 1
        self.refusals[Reason.REJECTED] += 1

    def _cancelled(self, sent: CancelSent, response: Response) -> None:
        order = sent.order
        if isinstance(response, CancelResponse):
            filled_centi = order.size_centi - response.reduced_centi
            if filled_centi == order.applied_centi:
                self._ledger.apply(
                    Close(
                        order_id=order.order_id, exchange_order_id=sent.exchange_order_id, filled_centi=filled_centi
                    )
                )  # fmt: skip
        known = self._ledger.state.orders.get(order.order_id)
        if known is None or known.state in ENDED:
            self.outcomes[OrderOutcome.CANCELLED] += 1
            self._cancelling.pop(order.order_id, None)
        if sent.target is not None and sent.reason is not None:
            self._refuse((sent.target,), sent.reason)

    def _done(self, ticker: str) -> None:
        self._busy[ticker] -= 1
        if self._busy[ticker] == 0:
            del self._busy[ticker]
            self._start_waiting()

    # Periodic work.

    def sweep(self, now_us: int) -> None:
        """Cancel what must not rest: under a halt, on a stale book, reduce-only with an opening part."""
        self.now_us = now_us
        if not self._ledger.state.totals.open_orders:
            return
        age_us = partial(self._data.age_us, now_us=now_us, started_us=self._started_us)
        quoted = [ticker for ticker, market in self._ledger.state.markets.items() if market.open]
        view = self._ledger.view(quoted)
        for order, reason in list(to_cancel(view, age_us, self._rules.durations.cancel_stale_after_us)):
            if order.order_id not in self:
                self._cancel(order, reason, None)

    def _refuse(self, targets: tuple[Target, ...], reason: Reason) -> None:
        self.refusals[reason] += len(targets)
        self.outcomes[OrderOutcome.REFUSED] += len(targets)
