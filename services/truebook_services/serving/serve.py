"""One service as a process: settings, logs, health, signals, exit code. Each service's ``__main__`` calls ``serve``.

``/livez`` is served from the start. ``/readyz`` reports what the process waits for until the service runs, then what
keeps it from working. SIGTERM, SIGINT and SIGHUP stop it gracefully within five seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Generic, TypeVar

from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.logs import limit_log_rate
from truebook.bus.memory.bus import MemoryBus
from truebook.bus.port import Bus
from truebook.clock import ExchangeClock, SystemClock
from truebook.runtime.context import Context
from truebook.runtime.frames import STOP_WITHIN_S, Service
from truebook.runtime.gc import frozen_startup_objects
from truebook.runtime.health import serve_health
from truebook.runtime.logs import configure_logs, logger
from truebook.runtime.loop import run_until_done, stop_on_signal
from truebook.runtime.metrics import Metrics
from truebook.runtime.service_reports import Reported, ServiceReports, process_name
from truebook.runtime.settings import load
from truebook_services.serving.crash import crash_point
from truebook_services.serving.dependencies import Dependencies
from truebook_services.serving.exit_codes import COMMON, Codes, exit_with_one_line
from truebook_services.serving.settings import ServeSettings, kafka_connection

CLOSE_WITHIN_S: Final = 3.0

S = TypeVar("S", bound=ServeSettings)
Root = Callable[[Dependencies[S]], Awaitable[Service]]


def serve(
    name: str, cls: type[S], root: Root[S], *, instance: str | None = None, has_bus: bool = True, codes: Codes = COMMON
) -> None:
    """Run the service that ``root`` builds until a signal; exits with a documented code.

    ``instance`` is its static name in Kafka's groups, for a service with one active process.
    """
    with exit_with_one_line(codes):
        settings = load(cls)
        configure_logs(settings.log_level, json=True, file=None)
        clock = ExchangeClock(SystemClock())
        limit_log_rate(clock.monotonic_us)
        bus: Bus = KafkaBus(kafka_connection(settings, instance=instance)) if has_bus else MemoryBus()
        run_until_done(_run(name, settings, clock, bus, root))


async def _run(name: str, settings: S, clock: ExchangeClock, bus: Bus, root: Root[S]) -> None:
    context = Context(
        service=name, account=settings.account, strategy=settings.strategy, source=settings.market_data, clock=clock,
        bus=bus, metrics=Metrics(name), log=logger(name), crash=crash_point(settings.crash_at),
    )  # fmt: skip
    process = Service(
        context, [ServiceRunner(settings, context, clock, root)], stop_within_s=STOP_WITHIN_S + CLOSE_WITHIN_S
    )
    stop = stop_on_signal()
    async with serve_health([process], settings.http_port, host=settings.http_host) as port:
        context.log.info("started", account=settings.account, health=f"http://{settings.http_host}:{port}")
        await process.run(stop)
        context.log.info("stopped")


class ServiceRunner(Generic[S]):
    """A frame that opens the dependencies, runs the service, and closes them."""

    def __init__(self, settings: S, context: Context, clock: ExchangeClock, root: Root[S]) -> None:
        self.name = "service"
        self._settings = settings
        self._context = context
        self._clock = clock
        self._root = root
        self._waiting_for = "starting"
        self._services: tuple[Service, ...] = ()

    def not_ready(self) -> str | None:
        """Return what the process waits for, or every reason of the service."""
        if not self._services:
            return self._waiting_for
        return "; ".join(reason for service in self._services for reason in service.not_ready()) or None

    async def run(self, stop: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            opening = asyncio.ensure_future(self._open(stack))
            stopping = asyncio.ensure_future(stop.wait())
            try:
                await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
                if not opening.done():
                    return
                self._services = opening.result()
            finally:
                opening.cancel()
                stopping.cancel()
                await asyncio.gather(opening, stopping, return_exceptions=True)
            self._context.log.info("running")
            try:
                stack.enter_context(frozen_startup_objects())
                async with asyncio.TaskGroup() as group:
                    for service in self._services:
                        group.create_task(service.run(stop), name=service.name)
            finally:
                self._services, self._waiting_for = (), "stopping"

    async def _open(self, stack: AsyncExitStack) -> tuple[Service, ...]:
        dependencies = Dependencies(self._settings, self._context, self._clock, stack, self._report)
        if isinstance(self._context.bus, KafkaBus):
            await dependencies.kafka(self._context.bus)
            await stack.enter_async_context(self._reporting())
        service = await self._root(dependencies)
        return (service, Service(self._context, dependencies.frames)) if dependencies.frames else (service,)

    @asynccontextmanager
    async def _reporting(self) -> AsyncIterator[None]:
        """Report while entered: what the process waits for, then what keeps it from working, at last that it stops."""
        reports = ServiceReports(
            self._context, process_name(),
            lambda: (Reported(self._context.service, self._services, self._waiting_for),),
        )  # fmt: skip
        stop = asyncio.Event()
        task = asyncio.ensure_future(reports.run(stop))
        try:
            yield
        except BaseException:
            task.cancel()  # its last report would state that it was stopped in order
            raise
        stop.set()
        await task

    def _report(self, text: str) -> None:
        if text != self._waiting_for:
            self._context.log.info("starting", waiting_for=text)
        self._waiting_for = text
