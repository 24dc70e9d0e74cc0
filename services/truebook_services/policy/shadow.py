"""The shadow run: the shadow's decisions beside the active model's, and paper accounts of both on the live books.

It never publishes. An error ends the shadow run, not the policy; its work is bounded to a share of each second, and
what does not fit is skipped and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from truebook.backtest.paper.report import Decided, ModelResult, ShadowReport, write_report
from truebook.clock import MICROS
from truebook.decision.decide import Decision
from truebook.ledger.port import LedgerError, LedgerStore
from truebook.messages.envelope import Message
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.messages.topics import MARKETS, ORDERBOOK
from truebook.models.batch import decide_all
from truebook.models.errors import RegistryReadOnly
from truebook.models.guard import percentile_us
from truebook.models.history import ModelVersion
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model
from truebook.observation.markets import FEEDS_WITH_OWN_ORDERS
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Incoming, pause
from truebook_services.policy.active_model import ActiveModel
from truebook_services.policy.paper_rules import paper_rules
from truebook_services.policy.settings import PolicySettings

if TYPE_CHECKING:
    from truebook.backtest.paper.session import PaperSession

GROUP: Final = "truebook.shadow"
MAX_RECORDS: Final = 200
SLICE: Final = 20
"""Messages that are applied without a pause for the active model."""
MESSAGES_PART: Final = 0.7
"""The part of the share that messages may use; the rest is left for the orders and decisions of the paper accounts."""
ADVANCE_S: Final = 0.1
MAX_BATCHES: Final = 10_000
"""The newest batches whose latency is reported."""
MAX_WAITING: Final = 200
"""Batches of observations that wait for the shadow."""
FAILED: Final = Reason.INFERENCE_FAILED
OpenLedger = Callable[[], Awaitable[LedgerStore]]


class Budget:
    """A share of each second of monotonic time; what was used beyond it is missing in the next seconds."""

    def __init__(self, share: float) -> None:
        self._limit_us = int(share * MICROS)
        self._second = -1
        self._spent_us = 0

    def allows(self, now_us: int, part: float = 1.0) -> bool:
        """Return whether less than this part of the share is used so far."""
        second = now_us // MICROS
        if second != self._second:
            self._spent_us = max(0, self._spent_us - self._limit_us * (second - self._second))
            self._second = second
        return self._spent_us < self._limit_us * part

    def spend(self, us: int) -> None:
        self._spent_us += us


class Times:
    """How one model decided: batches, failures, and the newest times."""

    def __init__(self) -> None:
        self.batches = self.failures = 0
        self._took_us: deque[int] = deque(maxlen=MAX_BATCHES)

    def add(self, took_us: int, *, is_failed: bool) -> None:
        self.batches += 1
        self.failures += is_failed
        self._took_us.append(took_us)

    def result(self) -> Decided:
        took_us = list(self._took_us)
        p50_us, p99_us = (percentile_us(took_us, share) if took_us else None for share in (0.5, 0.99))
        return Decided(batches=self.batches, failures=self.failures, p50_us=p50_us, p99_us=p99_us)


class ShadowRun:
    """A frame that runs while a shadow is set; ``compare`` is called by the handler with each batch."""

    name = "policy.shadow"

    def __init__(
        self, context: Context, settings: PolicySettings, active: ActiveModel, registry: ModelRegistry, *,
        open_ledger: OpenLedger | None, instance: str,
    ) -> None:  # fmt: skip
        self._context = context
        self._settings = settings
        self._active = active
        self._registry = registry
        self._open_ledger = open_ledger if context.source in FEEDS_WITH_OWN_ORDERS else None
        self._instance = instance
        self._ledger: LedgerStore | None = None
        self._rules = paper_rules(settings, context.identity)
        self._budget = Budget(settings.max_shadow_share)
        self._pair: tuple[str, str, int] | None = None
        self._is_read_only = False
        self._turn = asyncio.Lock()
        """Held while the session is used, across pauses."""
        self._session: PaperSession | None = None
        self._waiting: deque[tuple[Sequence[Observation], Sequence[Decision], int]] = deque()
        self._reset()

    def not_ready(self) -> str | None:
        """A shadow never makes policy unready."""
        return None

    def compare(self, current: Sequence[Observation], decisions: Sequence[Decision], took_us: int) -> None:
        """Let the shadow decide a batch too, later and in the shadow's own task."""
        if self._active.shadow is None or self._error or self._pair != self._models():
            return
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append((current, decisions, took_us))
        else:
            self._skip(len(current))

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._active.shadow is None:
                self._pair = None
            elif self._pair != self._models():
                await self._run_pair(stop)
                continue
            await pause(stop, self._context, self._settings.registry_poll_s)

    async def _run_pair(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set, one of the models changes, or an error ends the shadow run only."""
        shadow = self._active.shadow
        assert shadow is not None
        self._pair = self._models()
        self._reset()
        running = asyncio.ensure_future(self._trade(shadow, stop))
        try:
            await asyncio.wait((running,))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        error = None if running.cancelled() else running.exception()
        if error is not None:
            self._fail(error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error)
            await self._report_error(stop)

    async def _trade(self, shadow: Model, stop: asyncio.Event) -> None:
        from truebook.backtest.paper.session import PaperSession  # the engine of backtests: only a shadow needs it

        self._session = PaperSession(self._rules, self._active.model, shadow, self._since_us)
        ended = asyncio.Event()
        consumer = Consumer(self._context, GROUP, (MARKETS, ORDERBOOK), self._take, max_records=MAX_RECORDS)
        async with asyncio.TaskGroup() as group:
            group.create_task(consumer.run(ended))
            group.create_task(self._advance(stop, ended))

    async def _compare_waiting(self) -> None:
        """Decide the waiting batches by the shadow, and compare them with the active model's decisions."""
        shadow, clock = self._active.shadow, self._context.clock
        while self._waiting and shadow is not None:
            current, decisions, took_us = self._waiting.popleft()
            started_us = clock.monotonic_us()
            if not self._budget.allows(started_us):
                self._skip(len(current))
                continue
            others, failures = decide_all(shadow, current)
            spent_us = clock.monotonic_us() - started_us
            self._budget.spend(spent_us)
            self._shadow_times.add(spent_us, is_failed=bool(failures))
            self._active_times.add(took_us, is_failed=any(each.reason is FAILED for each in decisions))
            if failures:
                self._context.metrics.count("shadow_failures", sum(each.rows for each in failures))
            for decision, other in zip(decisions, others, strict=True):
                is_equal = decision.targets == other.targets
                self._compared += 1
                self._agreed += is_equal
                self._context.metrics.count("shadow_decisions", agrees=str(is_equal).lower())
            await asyncio.sleep(0)

    async def _take(self, batch: Sequence[Incoming]) -> None:
        session, clock = self._session, self._context.clock
        assert session is not None
        messages = [each.message for each in batch if isinstance(each.message, Message)]
        started_us = clock.monotonic_us()

        def may_go_on() -> bool:
            nonlocal started_us
            now_us = clock.monotonic_us()
            self._budget.spend(now_us - started_us)
            started_us = now_us
            return self._budget.allows(now_us, MESSAGES_PART)

        async with self._turn:
            for first in range(0, len(messages), SLICE):
                started_us = clock.monotonic_us()
                self._skip(session.take(messages[first : first + SLICE], clock.now_us(), may_go_on))
                self._budget.spend(clock.monotonic_us() - started_us)
                await asyncio.sleep(0)  # decisions of the active model come first
            await self._advance_accounts()

    async def _advance_accounts(self) -> None:
        """Let the paper accounts do what is due, later where the share of time is used up."""
        session, clock = self._session, self._context.clock
        assert session is not None
        if not self._budget.allows(clock.monotonic_us()):
            return
        started_us = clock.monotonic_us()
        for _ in session.advance(clock.now_us()):
            self._budget.spend(clock.monotonic_us() - started_us)
            await asyncio.sleep(0)
            started_us = clock.monotonic_us()

    async def _advance(self, stop: asyncio.Event, ended: asyncio.Event) -> None:
        clock = self._context.clock
        report_us = own_us = 0
        try:
            while not stop.is_set() and self._active.shadow is not None and self._pair == self._models():
                now_us = clock.now_us()
                if now_us - own_us >= self._settings.shadow_throttle_ms * 1000:
                    own_us = now_us
                    await self._read_own_orders()
                await self._compare_waiting()
                async with self._turn:
                    await self._advance_accounts()
                if now_us - report_us >= self._settings.shadow_report_s * MICROS:
                    report_us = now_us
                    await self._report()
                await pause(stop, self._context, ADVANCE_S)
            await self._report()
        finally:
            ended.set()

    async def _read_own_orders(self) -> None:
        """Read the resting orders of the account that trades, where the books contain them."""
        if self._open_ledger is None:
            return
        try:
            if self._ledger is None:
                self._ledger = await self._open_ledger()
            view = await self._ledger.live_view()
        except LedgerError as error:
            if not error.retry:
                raise
            self._skip(1)
            return
        assert self._session is not None
        async with self._turn:
            self._session.own_orders({market.ticker: market for market in view.markets}, self._context.clock.now_us())

    def _reset(self) -> None:
        self._waiting.clear()
        self._session = None
        self._since_us = self._context.clock.now_us()
        self._compared = self._agreed = self._skipped = 0
        self._active_times, self._shadow_times = Times(), Times()
        self._error, self._ended_us = "", 0

    def _models(self) -> tuple[str, str, int]:
        """Return the digests of the models, and when the shadow was set."""
        active, shadow = self._active, self._active.shadow
        return active.version.sha256, "" if shadow is None else shadow.metadata.sha256, active.shadow_set_us

    def _skip(self, count: int) -> None:
        if count:
            self._skipped += count
            self._context.metrics.count("shadow_skipped", count)

    def _fail(self, error: BaseException) -> None:
        self._error = f"{type(error).__name__}: {error}"
        self._ended_us = self._context.clock.now_us()
        self._context.metrics.count("shadow_failures")
        self._context.log.error("the shadow run has ended; the active model goes on", error=self._error)

    async def _report_error(self, stop: asyncio.Event) -> None:
        """Report the error until the models change; without paper accounts, if these can't be read after it."""
        [error] = await asyncio.gather(self._report(), return_exceptions=True)
        if error is not None:
            self._context.log.error("the paper accounts can't be read after the error", error=str(error))
            self._session = None
        while not stop.is_set() and self._active.shadow is not None and self._pair == self._models():
            await self._report()
            await pause(stop, self._context, self._settings.shadow_report_s)

    async def _report(self) -> None:
        """Write the report, where the registry can be written."""
        session, shadow = self._session, self._active.shadow
        if shadow is None or self._pair != self._models():
            return
        active_accounts, shadow_accounts = ((), ()) if session is None else session.results()
        version = ModelVersion(shadow.metadata.name, shadow.metadata.sha256)
        now_us = self._context.clock.now_us()
        report = ShadowReport(
            since_us=self._since_us, until_us=self._ended_us or now_us, set_us=self._active.shadow_set_us,
            reported_us=now_us,
            active=ModelResult(
                model=self._active.version, accounts=active_accounts, decided=self._active_times.result()
            ),
            shadow=ModelResult(model=version, accounts=shadow_accounts, decided=self._shadow_times.result()),
            compared=self._compared, agreed=self._agreed, skipped=self._skipped, error=self._error,
            markets=0 if session is None else len(session.tickers), events=0 if session is None else session.events,
        )  # fmt: skip
        try:
            await asyncio.to_thread(write_report, self._registry.folder, self._instance, report)
        except (RegistryReadOnly, OSError) as error:
            if not self._is_read_only:
                self._is_read_only = True
                self._context.log.warning("shadow report not written", error=str(error))
