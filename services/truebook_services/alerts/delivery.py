"""Sends what waits for one receiver, in a thread, so that a receiver that hangs slows nothing down.

One message at a time: the next one is sent when the thread of the last one has ended. After the timeout the receiver
counts as failing; if the thread still delivers after that, the message is not sent again.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Final

from truebook.alerts.queue import Outgoing, Result, delivered, failed, outgoing
from truebook.clock import MICROS
from truebook.runtime.context import Context
from truebook_services.alerts.receivers import Outcome, Receiver, Sender
from truebook_services.alerts.store import Store

ABANDON_AFTER: Final = 10
"""A thread that has not ended after this many timeouts is left alone, and the message sent again."""
SETTLE_WITHIN_S: Final = 0.7
"""Below the time that the last frames of a service have to stop."""


class Delivery:
    """The deliveries to one receiver. ``tick`` never waits for the receiver."""

    def __init__(self, context: Context, receiver: Receiver, sender: Sender, store: Store, timeout_s: float) -> None:
        self._context = context
        self._receiver = receiver
        self._sender = sender
        self._store = store
        self._timeout_s = timeout_s
        self._attempt: tuple[Outgoing, Future[Outcome], int] | None = None
        self._is_late = False

    async def tick(self) -> None:
        """Start what is due, or take the outcome of what was started."""
        if self._attempt is None:
            message = outgoing(self._store.saved.queues[self._receiver.label], self._context.clock.now_us())
            if message is not None:
                self._attempt = (message, self._start(message), self._context.clock.monotonic_us())
                self._is_late = False
            return
        message, future, started_us = self._attempt
        waited_us = self._context.clock.monotonic_us() - started_us
        timeout_us = int(self._timeout_s * MICROS)
        if future.done():
            self._attempt = None
            await self._finish(message, _outcome(future))
        elif waited_us >= ABANDON_AFTER * timeout_us:
            self._attempt = None
        elif waited_us >= timeout_us and not self._is_late:
            self._is_late = True
            await self._failed(Outcome(Result.TIMED_OUT, f"no response within {self._timeout_s:g} s"))

    async def settle(self) -> None:
        """Take the outcome of what is being sent, if there is one soon: the next process must not send it again."""
        if self._attempt is None:
            return
        message, future, _ = self._attempt
        await asyncio.wait((asyncio.wrap_future(future),), timeout=SETTLE_WITHIN_S)
        if future.done() and self._attempt is not None:
            self._attempt = None
            await self._finish(message, _outcome(future))

    def _start(self, message: Outgoing) -> Future[Outcome]:
        """Send in a daemon thread: one that hangs does not keep the process from ending."""
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()  # it can't be cancelled: the thread sets its outcome

        def send() -> None:
            try:
                outcome = self._sender.send(
                    self._receiver, message.title, message.body, message.severity, self._timeout_s
                )
            except Exception as error:  # noqa: BLE001 - a library of a hundred protocols: any error is a failed attempt
                future.set_exception(error)
            else:
                future.set_result(outcome)

        try:
            threading.Thread(target=send, name=f"alerts:{self._receiver.label}", daemon=True).start()
        except RuntimeError as error:  # the limit of threads or memory: a failed attempt, not the end of the service
            future.set_exception(error)
        return future

    async def _finish(self, message: Outgoing, outcome: Outcome) -> None:
        if outcome.result is not Result.DELIVERED:
            if not self._is_late:
                await self._failed(outcome)
            return
        queues, label = self._store.saved.queues, self._receiver.label
        before = queues[label]
        if before.failing_since_us is not None:
            self._context.log.info("receiver of alerts is back", **self._fields())
        queues[label] = delivered(before, message, self._context.clock.now_us())
        self._context.metrics.count("alert_deliveries", outcome=Result.DELIVERED)
        await self._store.save()

    async def _failed(self, outcome: Outcome) -> None:
        queues, label = self._store.saved.queues, self._receiver.label
        queues[label] = failed(queues[label], str(outcome), self._context.clock.now_us())
        self._context.metrics.count("alert_deliveries", outcome=outcome.result)
        self._context.log.warning(
            "alert not delivered", reason=str(outcome), waiting=len(queues[label].pending), **self._fields()
        )
        await self._store.save()

    def _fields(self) -> dict[str, str]:
        return {"receiver": self._receiver.label, "scheme": self._receiver.scheme}


def _outcome(future: Future[Outcome]) -> Outcome:
    """Return the outcome; of an error only its class, since its text may contain the address."""
    error = future.exception()
    return future.result() if error is None else Outcome(Result.FAILED, type(error).__name__)
