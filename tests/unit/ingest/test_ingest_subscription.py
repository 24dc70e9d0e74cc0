"""Which commands a connection sends, in which order, and when it stops waiting for a snapshot."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from truebook_services.ingest.subscription import BOOKS, LIFECYCLE, MAX_PER_COMMAND, TRADES, Subscription

SECOND_US = 1_000_000


def sent(subscription: Subscription) -> list[tuple[str, Any]]:
    """The commands as (action, markets or channels)."""
    commands = [msgspec.json.decode(text) for text in subscription.take_commands()]
    return [
        (each["params"].get("action", each["cmd"]), each["params"].get("market_tickers") or each["params"]["channels"])
        for each in commands
    ]


def subscribed(*tickers: str) -> Subscription:
    subscription = Subscription(SECOND_US, 3)
    subscription.set_markets(frozenset(tickers), 0)
    for sid, channel in enumerate((LIFECYCLE, BOOKS, TRADES), start=1):
        subscription.confirmed(channel, sid, 0)
    subscription.take_commands()
    return subscription


def test_life_cycle_is_subscribed_first_and_books_with_markets() -> None:
    subscription = Subscription(SECOND_US, 3)
    assert sent(subscription) == [("subscribe", [LIFECYCLE])]
    subscription.set_markets(frozenset(), 0)
    assert sent(subscription) == []
    subscription.set_markets(frozenset({"B", "A"}), 0)
    assert sent(subscription) == [("subscribe", ["A", "B"])]


def test_changes_wait_for_the_sid_of_each_subscription() -> None:
    subscription = Subscription(SECOND_US, 3)
    subscription.set_markets(frozenset({"A"}), 0)
    sent(subscription)
    subscription.set_markets(frozenset({"B"}), 0)
    assert sent(subscription) == []
    subscription.confirmed(BOOKS, 2, 0)
    assert sent(subscription) == [("add_markets", ["B"]), ("delete_markets", ["A"])]
    subscription.confirmed(TRADES, 3, 0)
    assert sent(subscription) == [("add_markets", ["B"]), ("delete_markets", ["A"])]
    subscription.set_markets(frozenset({"B"}), 0)
    assert sent(subscription) == []


def test_a_missing_first_snapshot_is_requested_after_the_timeout() -> None:
    subscription = subscribed("A")
    assert subscription.retry_snapshots(("A",), SECOND_US - 1)
    assert sent(subscription) == []
    assert subscription.retry_snapshots(("A",), SECOND_US)
    assert sent(subscription) == [("get_snapshot", ["A"])]


def test_three_requests_without_a_snapshot_end_the_connection() -> None:
    subscription = subscribed("A")
    assert [subscription.retry_snapshots(("A",), n * SECOND_US) for n in range(1, 5)] == [True, True, True, False]
    subscription.snapshot_received("A", 5 * SECOND_US)
    assert subscription.retry_snapshots(("A",), 9 * SECOND_US)


def test_the_retry_interval_doubles_while_other_books_are_fresh() -> None:
    subscription = subscribed("A", "B")
    requested_s = []
    for second in range(1, 300):
        subscription.snapshot_received("B", second * SECOND_US)
        assert subscription.retry_snapshots(("A",), second * SECOND_US)
        if sent(subscription):
            requested_s.append(second)
        assert subscription.without_snapshot() == (frozenset({"A"}) if second >= 3 else frozenset())
    assert requested_s[:8] == [1, 2, 3, 4, 6, 10, 18, 34]
    assert {later - earlier for earlier, later in itertools.pairwise(requested_s[8:])} == {32}


def test_a_snapshot_is_not_requested_twice_within_the_timeout() -> None:
    subscription = subscribed("A", "B")
    for millisecond in range(0, 1_000, 10):
        subscription.request_snapshots(("A",), SECOND_US + millisecond * 1_000)
    subscription.request_snapshots(("A", "B"), 2 * SECOND_US - 1)
    assert sent(subscription) == [("get_snapshot", ["A"]), ("get_snapshot", ["B"])]


def test_only_subscribed_markets_are_requested() -> None:
    subscription = subscribed("A", "B")
    subscription.request_snapshots(("A", "B", "C"), SECOND_US)
    assert sent(subscription) == [("get_snapshot", ["A", "B"])]


def test_long_lists_are_split_into_commands() -> None:
    many = [f"T-{n:04}" for n in range(MAX_PER_COMMAND + 1)]
    subscription = subscribed(*many)
    subscription.request_snapshots(many, SECOND_US)
    assert [len(tickers) for _, tickers in sent(subscription)] == [MAX_PER_COMMAND, 1]


def test_sequence_numbers_are_counted_per_subscription() -> None:
    subscription = subscribed("A")
    numbers = ((1, 1), (2, 1), (1, 2), (2, 3), (2, 3), (2, 4))
    verdicts = [subscription.take_seq(sid, seq, str(seq)) for sid, seq in numbers]
    assert verdicts == ["next", "next", "next", "gap", "repeated", "next"]


def test_only_a_known_sequence_of_books_is_taken_alone() -> None:
    subscription = subscribed("A")
    assert not subscription.take_next_of_books(2, 1, "first"), "its first number starts the sequence"
    assert subscription.take_seq(2, 1, "first") == "next"
    assert not subscription.take_next_of_books(3, 2, "trade")
    assert not subscription.take_next_of_books(None, 2, "without a subscription")
    assert not subscription.take_next_of_books(2, None, "without a number")
    assert not subscription.take_next_of_books(2, 3, "gap")
    assert subscription.take_next_of_books(2, 2, "second")
    assert subscription.take_seq(2, 2, "second") == "repeated"
