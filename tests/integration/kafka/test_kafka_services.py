"""Every service as a process of its own, over a real Kafka and a real Redis, against an exchange of its own.

The tests of this file share one running deployment and stand in the order of its life: it trades, loses processes,
and ends with true books.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from support.service_processes import ServiceProcess, wait_until, wait_until_ready
from support.service_stack import Stack

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(240)]

TAKEN_OVER_WITHIN_S = 5.0
TRADES_WITHIN_S = 40.0
STOPS_WITHIN_S = 15.0
"""Five seconds for the service; the rest is the machine's, which ends nine processes at a time here."""
ORDERBOOK_READER_PARTITIONS = 12
"""Four of each: markets, orderbook, signals."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), "--markets", "25") as stack:
        for name in ("reconciler", "fill_listener", "ingest"):
            stack.start(name)
        for name in ("observation", "policy", "execution"):
            stack.start(name, f"{name}-1")
            stack.start(name, f"{name}-2")
        wait_until_ready(list(stack.services.values()), within_s=120)
        yield stack


def executions(stack: Stack) -> tuple[ServiceProcess, ServiceProcess]:
    """The active one and the standby."""
    both = [stack.services["execution-1"], stack.services["execution-2"]]
    both.sort(key=lambda process: process.metric("truebook_lease_held"), reverse=True)
    return both[0], both[1]


def acknowledged(process: ServiceProcess) -> float:
    return process.metric("truebook_order_events_total", outcome="acknowledged")


def fills(stack: Stack) -> float:
    return stack.services["fill_listener"].metric("truebook_fills_booked_total")


def test_the_services_trade_together(stack: Stack) -> None:
    wait_until(lambda: fills(stack) >= 20, TRADES_WITHIN_S, lambda: f"{fills(stack)} fills")


def test_of_two_executions_one_is_active_and_the_other_reads_nothing(stack: Stack) -> None:
    active, standby = executions(stack)
    assert (active.metric("truebook_lease_held"), standby.metric("truebook_lease_held")) == (1, 0)
    assert active.is_ready()
    assert standby.is_ready(), "standing by is being ready"
    assert standby.metric("truebook_consumed_total") == 0


def test_two_observations_and_two_policies_share_the_markets(stack: Stack) -> None:
    def shares(name: str, partitions: int) -> bool:
        both = [stack.services[f"{name}-{number}"] for number in (1, 2)]
        return all(
            process.metric("truebook_assigned_partitions") == partitions / 2
            and process.metric("truebook_consumed_total") > 0
            for process in both
        )

    wait_until(lambda: shares("observation", ORDERBOOK_READER_PARTITIONS), 20)
    wait_until(lambda: shares("policy", 4), 20)


def test_a_standby_takes_over_within_seconds_from_an_execution_that_was_killed(stack: Stack) -> None:
    active, standby = executions(stack)
    active.kill_9()
    took_s = wait_until(lambda: standby.metric("truebook_lease_held") == 1, 20)
    assert took_s < TAKEN_OVER_WITHIN_S
    wait_until(lambda: acknowledged(standby) > 0, 20, standby.tail)
    active.start()
    wait_until_ready([active])


def test_an_execution_that_was_frozen_gives_way_when_it_comes_back(stack: Stack) -> None:
    frozen, standby = executions(stack)
    frozen.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: standby.metric("truebook_lease_held") == 1, 20)
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    wait_until(lambda: frozen.metric("truebook_lease_held") == 0, 10, frozen.tail)
    before = acknowledged(standby)
    wait_until(lambda: acknowledged(standby) > before, 30, standby.tail)
    assert frozen.process.poll() is None, "it stands by now"


def test_the_markets_of_a_killed_observation_go_to_the_other(stack: Stack) -> None:
    stack.services["observation-1"].kill_9()
    other = stack.services["observation-2"]
    wait_until(lambda: other.metric("truebook_assigned_partitions") == ORDERBOOK_READER_PARTITIONS, 15, other.tail)


def test_all_say_that_kafka_is_away_and_go_on_by_themselves_when_it_is_back(stack: Stack) -> None:
    alive = [process for process in stack.services.values() if process.process.poll() is None]
    stack.broker.pause()
    try:
        wait_until(lambda: all("kafka" in process.get("/readyz")[1] for process in alive), 30)
    finally:
        stack.broker.unpause()
    wait_until_ready(alive)
    active, _ = executions(stack)
    before = acknowledged(active)
    wait_until(lambda: acknowledged(active) > before, 40, active.tail)


def test_the_books_are_true_at_the_end(stack: Stack) -> None:
    differences, view, orders = stack.wind_down()
    assert differences == ()
    account = view.account
    assert (account.conservation_error_micros, account.adjustments_micros, account.promised_micros) == (0, 0, 0)
    sent = [order.client_order_id for order in orders]
    assert len(set(sent)) == len(sent), "no order was sent twice"
    assert [order for market in view.markets for order in market.orders] == []


def test_each_ends_gracefully_when_it_is_asked_to(stack: Stack) -> None:
    alive = [process for process in stack.services.values() if process.process.poll() is None]
    for process in alive:
        process.process.send_signal(signal.SIGTERM)
    codes = {process.label: process.process.wait(STOPS_WITHIN_S) for process in alive}
    assert codes == dict.fromkeys(codes, 0)
    forced = [process.label for process in alive if "stopped by force" in process.log_file.read_text()]
    assert forced == []
