"""Execution: the only service that sends orders. Composition root."""

from __future__ import annotations

from collections.abc import Sequence

from truebook.clock import ExchangeClock
from truebook.kalshi.port import RestClient
from truebook.ledger.port import LedgerStore
from truebook.messages.topics import ACTIONS, MARKETS, ORDERBOOK
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.tokens import TokenBucket
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Frame, Periodic, Service
from truebook_services.execution.books import Books
from truebook_services.execution.canceller import Canceller
from truebook_services.execution.carrier import Carrier
from truebook_services.execution.clock_watch import ClockWatch
from truebook_services.execution.dispatcher import Dispatcher
from truebook_services.execution.fences import Fences
from truebook_services.execution.figures import Figures
from truebook_services.execution.intake import Intake
from truebook_services.execution.pauses import Pauses
from truebook_services.execution.reports import Reports
from truebook_services.execution.resolver import Resolver
from truebook_services.execution.sender import Sender
from truebook_services.execution.settings import WRITE_TOKENS, ExecutionSettings
from truebook_services.execution.sweep import Sweep

GROUP = "truebook.execution"
FIGURES_EVERY_S = 1.0


def build(context: Context, settings: ExecutionSettings, *, rest: RestClient, ledger: LedgerStore) -> Service:
    """Wire the service: one consumer, the tasks that send, and the periodic watchers."""
    refill_per_s, capacity = WRITE_TOKENS[settings.tier]
    tokens = TokenBucket(capacity, refill_per_s)
    breaker = Breaker(
        settings.breaker_errors, int(settings.breaker_window_s * 1e6), int(settings.breaker_rest_s * 1e6)
    )  # fmt: skip
    books = Books(context.clock)
    reports = Reports(context)
    pauses = Pauses(context, rest, ledger)
    resolver = Resolver(context, settings, rest, ledger, reports)
    fences = Fences(context, ledger, resolver)
    canceller = Canceller(context, settings, rest, ledger, reports=reports, tokens=tokens)
    sender = Sender(
        context, settings, rest, ledger, reports=reports, resolver=resolver, breaker=breaker, pauses=pauses,
        tokens=tokens,
    )  # fmt: skip
    throttle = Throttle(settings.throttle_ms * 1000)
    carrier = Carrier(
        context, settings, ledger, books=books, fences=fences, resolver=resolver, canceller=canceller, sender=sender,
        reports=reports, breaker=breaker, throttle=throttle, tokens=tokens,
    )  # fmt: skip
    dispatcher = Dispatcher(context, carrier.carry_out, settings.most_markets_at_once)
    intake = Intake(books, dispatcher, reports)
    figures = Figures(context, settings, books=books, breaker=breaker, throttle=throttle, tokens=tokens)
    frames: Sequence[Frame] = (
        Consumer(context, GROUP, (MARKETS, ORDERBOOK, ACTIONS), intake.take, manual=True, rebalance=fences),
        dispatcher,
        Periodic(context, "execution.resolve", settings.resolve_s, resolver.resolve),
        Periodic(context, "execution.sweep", settings.sweep_s, Sweep(settings, ledger, books, canceller).run),
        Periodic(context, "execution.pauses", settings.pause_check_s, pauses.check),
        Periodic(context, "execution.figures", FIGURES_EVERY_S, figures.show),
        *_clock_watch(context, settings, rest, ledger),
    )
    return Service(context, frames)


def _clock_watch(
    context: Context, settings: ExecutionSettings, rest: RestClient, ledger: LedgerStore
) -> Sequence[Frame]:
    if not isinstance(context.clock, ExchangeClock):
        return ()
    watch = ClockWatch(context, context.clock, rest, ledger, settings.clock_stable_checks)
    return (Periodic(context, "execution.clock", settings.clock_check_s, watch.check),)
