"""One service as a process: settings, logs, health, signals, exit code. Each service's ``__main__`` calls ``serve``.

``/livez`` answers from the beginning; ``/readyz`` says what is waited for until the service runs, and then what keeps
it from its work. SIGTERM and SIGINT end it gracefully within five seconds.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, Generic, TypeVar

from truebook.bus.kafka import KafkaBus
from truebook.bus.kafka_logs import log_seldom
from truebook.bus.memory import MemoryBus
from truebook.bus.port import Bus
from truebook.clock import ExchangeClock, SystemClock
from truebook.runtime.collection import startup_kept
from truebook.runtime.context import Context
from truebook.runtime.frames import STOP_WITHIN_S, Service
from truebook.runtime.health import serve_health
from truebook.runtime.logs import configure_logs, logger
from truebook.runtime.loop import run_until_done
from truebook.runtime.metrics import Metrics
from truebook.runtime.settings import load
from truebook_services.serving.crash import crash_point
from truebook_services.serving.exit_codes import COMMON, Codes, exit_with_one_line
from truebook_services.serving.settings import ServeSettings, kafka_connection
from truebook_services.serving.surroundings import Surroundings

CLOSE_WITHIN_S: Final = 3.0

S = TypeVar("S", bound=ServeSettings)
Root = Callable[[Surroundings[S]], Awaitable[Service]]


def serve(
    name: str, cls: type[S], root: Root[S], *, instance: str | None = None, has_bus: bool = True, codes: Codes = COMMON
) -> None:
    """Run the service that ``root`` puts together until it is told to stop; exits with a documented code.

    ``instance`` is its static name in Kafka's groups, where the service has only one active process.
    """
    with exit_with_one_line(codes):
        settings = load(cls)
        configure_logs(settings.log_level, json=True, file=None)
        clock = ExchangeClock(SystemClock())
        log_seldom(clock.monotonic_us)
        bus: Bus = KafkaBus(kafka_connection(settings, instance=instance)) if has_bus else MemoryBus()
        run_until_done(_run(name, settings, clock, bus, root))


async def _run(name: str, settings: S, clock: ExchangeClock, bus: Bus, root: Root[S]) -> None:
    context = Context(
        service=name, account=settings.account, strategy=settings.strategy, source=settings.market_data, clock=clock,
        bus=bus, metrics=Metrics(name), log=logger(name), crash=crash_point(settings.crash_at),
    )  # fmt: skip
    process = Service(context, [Life(settings, context, clock, root)], stop_within_s=STOP_WITHIN_S + CLOSE_WITHIN_S)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serve_health([process], settings.http_port, host=settings.http_host) as port:
        context.log.info("started", account=settings.account, health=f"http://{settings.http_host}:{port}")
        await process.run(stop)
        context.log.info("stopped")


class Life(Generic[S]):
    """A frame from the opening of the surroundings to their closing; in between, the service."""

    def __init__(self, settings: S, context: Context, clock: ExchangeClock, root: Root[S]) -> None:
        self.name = "life"
        self._settings = settings
        self._context = context
        self._clock = clock
        self._root = root
        self._waiting_for = "starting"
        self._services: tuple[Service, ...] = ()

    def not_ready(self) -> str | None:
        """What is waited for, or every reason of the service."""
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
                stack.enter_context(startup_kept())
                async with asyncio.TaskGroup() as group:
                    for service in self._services:
                        group.create_task(service.run(stop), name=service.name)
            finally:
                self._services, self._waiting_for = (), "stopping"

    async def _open(self, stack: AsyncExitStack) -> tuple[Service, ...]:
        around = Surroundings(self._settings, self._context, self._clock, stack, self._say)
        if isinstance(self._context.bus, KafkaBus):
            await around.kafka(self._context.bus)
        service = await self._root(around)
        return (service, Service(self._context, around.frames)) if around.frames else (service,)

    def _say(self, text: str) -> None:
        if text != self._waiting_for:
            self._context.log.info(text)
        self._waiting_for = text
