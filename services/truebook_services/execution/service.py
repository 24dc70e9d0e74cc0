"""Execution: the only service that sends orders. Composition root."""

from __future__ import annotations

from collections.abc import Sequence

from truebook.clock import ExchangeClock
from truebook.execution.book_states import BookStates
from truebook.execution.guards import Limiters
from truebook.execution.plan import Tolerance
from truebook.kalshi.port import RestClient
from truebook.ledger.port import LedgerStore
from truebook.messages.topics import ACTIONS, BOOK_STATES, MARKETS
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.tokens import TokenBucket
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Frame, Periodic, Service
from truebook.venue.rate_tiers import TIER_LIMITS
from truebook_services.execution import account_limits
from truebook_services.execution.account_age import AccountAge
from truebook_services.execution.action_consumer import ActionConsumer
from truebook_services.execution.action_handler import ActionHandler, Candidates
from truebook_services.execution.canceller import Canceller
from truebook_services.execution.clock_watch import ClockWatch
from truebook_services.execution.dispatcher import Dispatcher
from truebook_services.execution.exchange_pause import ExchangePauseHold
from truebook_services.execution.gauges import Gauges
from truebook_services.execution.order_gateway import OrderGateway
from truebook_services.execution.order_group import OrderGroup
from truebook_services.execution.partition_epochs import PartitionEpochs
from truebook_services.execution.records import OrderRecords
from truebook_services.execution.report_queue import ReportQueue
from truebook_services.execution.reports import Reports
from truebook_services.execution.resolver import Resolver
from truebook_services.execution.sender import Sender
from truebook_services.execution.settings import ExecutionSettings, to_us
from truebook_services.execution.sweep import Sweep

GROUP = "truebook.execution"
EXPORT_S = 1.0


def build(context: Context, settings: ExecutionSettings, *, rest: RestClient, ledger: LedgerStore) -> Service:
    """Wire the service: one consumer, the tasks that send, and the periodic checks."""
    durations, limiters = settings.durations(), _limiters(settings)
    states, queue, records = BookStates(context.clock), ReportQueue(context), OrderRecords(context, ledger)
    reports = Reports(context, ledger, queue)
    pause_hold = ExchangePauseHold(context, rest, ledger)
    account_age = AccountAge(context, ledger, to_us(settings.max_account_age_s))
    resolver = Resolver(
        context, rest, ledger, records=records, reports=reports, signature_lifetime_us=durations.signature_lifetime_us
    )
    epochs = PartitionEpochs(context, ledger, resolver)
    canceller = Canceller(
        context, rest, records, reports=reports, limiters=limiters, retry_us=durations.cancel_retry_us
    )
    group = OrderGroup(context, rest, ledger, tokens=limiters.tokens, limit_centi=settings.order_group_limit_centi)
    sender = Sender(
        context, durations, rest, records, limiters=limiters, pause_hold=pause_hold, group=group,
        send_timeout_s=settings.send_timeout_s,
    )  # fmt: skip
    candidates = Candidates(context, durations, states, epochs, limiters=limiters, queue=queue)
    orders = OrderGateway(reports, canceller, sender, resolver)
    tolerance = Tolerance(settings.price_tolerance_cc, settings.min_remaining_share)
    handler = ActionHandler(context, ledger, candidates, orders, tolerance)
    dispatcher = Dispatcher(context, handler.handle, settings.max_concurrent_markets)
    consumer = ActionConsumer(states, dispatcher, reports, queue)
    sweep = Sweep(ledger, states, canceller, group, stale_after_us=durations.cancel_stale_after_us)
    limits = account_limits.AccountLimits(context, rest, settings, limiters)
    gauges = Gauges(context, states, limiters, queue, max_book_age_us=durations.max_book_age_us)
    frames: Sequence[Frame] = (
        Consumer(context, GROUP, (MARKETS, BOOK_STATES, ACTIONS), consumer.handle, manual=True, rebalance=epochs),
        dispatcher,
        Periodic(context, "execution.resolve", settings.resolve_s, resolver.resolve),
        Periodic(context, "execution.sweep", settings.sweep_s, sweep.run),
        Periodic(context, "execution.exchange_pause", settings.pause_check_s, pause_hold.check),
        Periodic(context, "execution.account_age", EXPORT_S, account_age.check),
        Periodic(context, "execution.account_limits", account_limits.EVERY_S, limits.read),
        Periodic(context, "execution.gauges", EXPORT_S, gauges.export),
        *_clock_watch(context, settings, rest, ledger),
    )
    return Service(context, frames, last=(queue,))


def _limiters(settings: ExecutionSettings) -> Limiters:
    write = TIER_LIMITS[settings.tier].write
    window_us, cooldown_us = to_us(settings.breaker_window_s), to_us(settings.breaker_cooldown_s)
    return Limiters(
        breaker=Breaker(settings.breaker_errors, window_us, cooldown_us),
        throttle=Throttle(settings.throttle_ms * 1000),
        tokens=TokenBucket(write.capacity, write.refill_per_s),
        rate_reserve=int(write.capacity * settings.rate_reserve_share),
    )


def _clock_watch(
    context: Context, settings: ExecutionSettings, rest: RestClient, ledger: LedgerStore
) -> Sequence[Frame]:
    if not isinstance(context.clock, ExchangeClock):
        return ()
    watch = ClockWatch(context, context.clock, rest, ledger, settings.clock_stable_checks)
    return (Periodic(context, "execution.clock", settings.clock_check_s, watch.check),)
