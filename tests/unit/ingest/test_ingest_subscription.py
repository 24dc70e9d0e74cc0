"""Which commands a connection is sent, in which order, and when a book that does not come is given up."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from truebook_services.ingest.subscription import BOOKS, LIFECYCLE, MOST_PER_COMMAND, TRADES, Subscription

SECOND_US = 1_000_000


def sent(subscription: Subscription) -> list[tuple[str, Any]]:
    """The commands as (action, what it names)."""
    commands = [msgspec.json.decode(text) for text in subscription.take_commands()]
    return [
        (each["params"].get("action", each["cmd"]), each["params"].get("market_tickers") or each["params"]["channels"])
        for each in commands
    ]


def subscribed(*tickers: str) -> Subscription:
    subscription = Subscription(SECOND_US, 3)
    subscription.want(frozenset(tickers), 0)
    for sid, channel in enumerate((LIFECYCLE, BOOKS, TRADES), start=1):
        subscription.confirmed(channel, sid, 0)
    subscription.take_commands()
    return subscription


def test_the_life_cycle_comes_first_and_books_only_once_there_are_markets() -> None:
    subscription = Subscription(SECOND_US, 3)
    assert sent(subscription) == [("subscribe", [LIFECYCLE])]
    subscription.want(frozenset(), 0)
    assert sent(subscription) == []
    subscription.want(frozenset({"B", "A"}), 0)
    assert sent(subscription) == [("subscribe", ["A", "B"])]


def test_changes_wait_for_the_sid_and_then_go_to_both_subscriptions() -> None:
    subscription = Subscription(SECOND_US, 3)
    subscription.want(frozenset({"A"}), 0)
    sent(subscription)
    subscription.want(frozenset({"B"}), 0)
    assert sent(subscription) == []
    subscription.confirmed(BOOKS, 2, 0)
    assert sent(subscription) == [("add_markets", ["B"]), ("delete_markets", ["A"])]
    subscription.confirmed(TRADES, 3, 0)
    assert sent(subscription) == [("add_markets", ["B"]), ("delete_markets", ["A"])]
    subscription.want(frozenset({"B"}), 0)
    assert sent(subscription) == []


def test_a_first_book_that_does_not_come_is_asked_for_after_a_while() -> None:
    subscription = subscribed("A")
    assert subscription.ask_again(("A",), SECOND_US - 1)
    assert sent(subscription) == []
    assert subscription.ask_again(("A",), SECOND_US)
    assert sent(subscription) == [("get_snapshot", ["A"])]


def test_after_three_vain_requests_while_no_book_comes_nothing_is_asked_and_a_book_that_came_starts_anew() -> None:
    subscription = subscribed("A")
    assert [subscription.ask_again(("A",), n * SECOND_US) for n in range(1, 5)] == [True, True, True, False]
    subscription.arrived("A", 5 * SECOND_US)
    assert subscription.ask_again(("A",), 9 * SECOND_US)


def test_a_book_that_does_not_come_while_others_do_is_asked_for_ever_more_seldom() -> None:
    subscription = subscribed("A", "B")
    asked_s = []
    for second in range(1, 300):
        subscription.arrived("B", second * SECOND_US)
        assert subscription.ask_again(("A",), second * SECOND_US)
        if sent(subscription):
            asked_s.append(second)
        assert subscription.given_up() == (frozenset({"A"}) if second >= 3 else frozenset())
    assert asked_s[:8] == [1, 2, 3, 4, 6, 10, 18, 34]
    assert {later - former for former, later in itertools.pairwise(asked_s[8:])} == {32}


def test_a_book_that_was_asked_for_just_now_is_not_asked_for_again() -> None:
    subscription = subscribed("A", "B")
    for millisecond in range(0, 1_000, 10):
        subscription.ask(("A",), SECOND_US + millisecond * 1_000)
    subscription.ask(("A", "B"), 2 * SECOND_US - 1)
    assert sent(subscription) == [("get_snapshot", ["A"]), ("get_snapshot", ["B"])]


def test_only_markets_that_are_still_wanted_are_asked_for() -> None:
    subscription = subscribed("A", "B")
    subscription.ask(("A", "B", "C"), SECOND_US)
    assert sent(subscription) == [("get_snapshot", ["A", "B"])]


def test_long_lists_are_cut_into_commands_of_bounded_length() -> None:
    many = [f"T-{n:04}" for n in range(MOST_PER_COMMAND + 1)]
    subscription = subscribed(*many)
    subscription.ask(many, SECOND_US)
    assert [len(tickers) for _, tickers in sent(subscription)] == [MOST_PER_COMMAND, 1]


def test_numbers_are_counted_for_each_subscription_apart() -> None:
    subscription = subscribed("A")
    verdicts = [subscription.take_seq(sid, seq) for sid, seq in ((1, 1), (2, 1), (1, 2), (2, 3), (2, 3), (2, 4))]
    assert verdicts == ["next", "next", "next", "gap", "old", "next"]
