"""What waits for a receiver: order, bound, retries, and joining."""

from __future__ import annotations

from truebook.alerts.conditions import Severity
from truebook.alerts.notifications import Notification, Sort
from truebook.alerts.queue import FIRST_RETRY_US, MAX_BODY, MAX_RETRY_US, Queue, added, delivered, failed, outgoing

T0 = 1_795_000_000_000_000


def notification(number: int, severity: Severity = Severity.PAGE, body: str = "body") -> Notification:
    return Notification(
        number=number, at_us=T0, sort=Sort.RAISED, severity=severity, title=f"title {number}", body=f"{body} {number}"
    )


def filled(count: int, max_pending: int = 100, body: str = "body") -> Queue:
    return added(Queue(), [notification(n, body=body) for n in range(1, count + 1)], max_pending)


def test_an_empty_queue_sends_nothing() -> None:
    assert outgoing(Queue(), T0) is None


def test_two_are_sent_one_by_one_in_order() -> None:
    queue = filled(2)
    first = outgoing(queue, T0)
    assert first is not None and (first.title, first.body) == ("title 1", "body 1")
    queue = delivered(queue, first, T0)
    assert outgoing(queue, T0) is None, "a receiver gets at most one message a second"
    second = outgoing(queue, T0 + 1_000_000)
    assert second is not None and second.title == "title 2"
    assert delivered(queue, second, T0).pending == ()


def test_many_are_joined_within_the_length() -> None:
    queue, bodies = filled(50, body="x" * 100), ""
    while (message := outgoing(queue, T0)) is not None:
        assert len(message.body) <= MAX_BODY
        bodies += message.body + "\n"
        queue = delivered(queue, message, T0 - 2_000_000)
    assert [f"{'x' * 100} {n}\n" in bodies for n in range(1, 51)] == [True] * 50


def test_a_failure_is_retried_with_a_growing_bounded_delay() -> None:
    queue, delays, now_us = filled(1), [], T0
    for _ in range(12):
        queue = failed(queue, "unreachable", now_us)
        delays.append(queue.next_us - now_us)
        assert outgoing(queue, queue.next_us - 1) is None
        now_us = queue.next_us
        assert outgoing(queue, now_us) is not None
    assert delays[:4] == [FIRST_RETRY_US, 2 * FIRST_RETRY_US, 4 * FIRST_RETRY_US, 8 * FIRST_RETRY_US]
    assert delays[-1] == MAX_RETRY_US
    assert queue.failing_since_us == T0
    message = outgoing(queue, now_us)
    assert message is not None
    assert delivered(queue, message, now_us).failing_since_us is None


def test_a_clock_set_back_does_not_stop_the_queue() -> None:
    queue = failed(filled(1), "unreachable", T0)
    assert outgoing(queue, T0 - 10**12) is not None


def test_a_full_queue_drops_the_oldest_notices_first() -> None:
    queue = added(Queue(), [notification(1), notification(2, Severity.NOTICE), notification(3)], 3)
    queue = added(queue, [notification(4)], 3)
    assert [each.number for each in queue.pending] == [1, 3, 4]
    queue = added(queue, [notification(5)], 3)
    assert [each.number for each in queue.pending] == [3, 4, 5]
    message = outgoing(queue, T0)
    assert message is not None and message.body.startswith("2 older notifications were dropped")
    assert delivered(queue, message, T0).dropped == 0


def test_what_was_dropped_while_sending_is_reported_later() -> None:
    queue = filled(3, 3)
    message = outgoing(queue, T0)
    assert message is not None and len(message.numbers) == 3
    queue = added(queue, [notification(4)], 3)
    queue = delivered(queue, message, T0)
    assert [each.number for each in queue.pending] == [4]
    assert queue.dropped == 1
