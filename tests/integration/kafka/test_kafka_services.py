"""Every service as its own process, over a real Kafka and Redis, against a simulated exchange.

The tests share one running deployment and depend on their order: it trades, loses processes, reads invalid records,
runs two senders that both act as the active one, and ends with a ledger that equals the exchange.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.prometheus import board_queries, prometheus
from support.service_processes import ServiceProcess, wait_until, wait_until_ready
from support.service_stack import Stack
from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.connection import KafkaConnection
from truebook.bus.kafka.reading import read_topic
from truebook.messages.codec import decode
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.topics import (
    ACCOUNT,
    DEAD_LETTERS,
    JOURNAL,
    MARKETS,
    ORDERBOOK,
    ORDERS,
    REFUSALS,
    SERVICES,
    TOPICS,
)  # fmt: skip
from truebook.runtime.dead_letters import MAX_PAYLOAD
from truebook.venue.account import OrderStatus

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.long]

WITHIN_S = 60.0
"""A bound against hanging, for a busy machine; how long things take is measured by benchmarks."""
STOPS_WITHIN_S = 30.0
PARTITIONS = 4
POISON = "KX-POISON"
POISON_REASONS = ("undecodable", "unknown_version")
POISON_EVERY_S = 5.0
SHARDS = {"TRUEBOOK_INGEST__UNIVERSE__SHARDS": "2"}
SOON_STALE = {"TRUEBOOK_EXECUTION__CANCEL_STALE_AFTER_S": "4"}
PYTHONPATH = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
SEND_TIMEOUT_S = "30"
"""A long timeout: a slow response must not count as an unknown outcome in the test of two senders."""
ONLY_AT_TIMES = ((MARKETS, "policy"), (ORDERBOOK, "policy"), (MARKETS, "reconciler"))
"""Policy reads these only during a shadow run, the reconciler only with a treasurer."""
NOT_READ = (JOURNAL, REFUSALS, DEAD_LETTERS, SERVICES, ACCOUNT, ORDERS)
"""Topics without a reader here: alerts and the operator's tools do not run."""
READERS = {
    topic.name: tuple(name for name in topic.read_by if (topic, name) not in ONLY_AT_TIMES)
    for topic in TOPICS
    if topic.read_by and topic not in NOT_READ
}
ONLY_AFTER_FAULTS = ("reconciler_repairs", "stale_books", "failures", "dead_letters")
"""Metrics that are only set on failures: a query for them may be empty."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), "--markets", "12", partitions=PARTITIONS) as stack:
        stack.start("reconciler")
        for number in (1, 2):
            stack.start("fill_listener", f"fill_listener-{number}")
            stack.start("ingest", f"ingest-{number}", TRUEBOOK_INGEST__UNIVERSE__SHARD=str(number - 1), **SHARDS)
            stack.start("observation", f"observation-{number}")
            stack.start("policy", f"policy-{number}")
            stack.start("execution", f"execution-{number}", **SOON_STALE)
        wait_until_ready(list(stack.services.values()), within_s=180)
        yield stack


def of(stack: Stack, name: str) -> list[ServiceProcess]:
    """The running processes of one service; fails if one has exited that was not killed here."""
    members = [each for each in stack.services.values() if each.name == name]
    ended = [each for each in members if each.process.poll() not in (None, 0, -signal.SIGKILL)]
    assert not ended, f"{ended[0].label} ended with {ended[0].process.returncode}: {ended[0].tail()}"
    return [each for each in members if each.process.poll() is None]


def total(stack: Stack, name: str, metric: str, **labels: str) -> float:
    """A counter, summed over the running processes of one service."""
    return sum(process.metric(metric, **labels) for process in of(stack, name))


def executions(stack: Stack) -> tuple[ServiceProcess, ServiceProcess]:
    """The active process and the standby, once both run."""
    both = of(stack, "execution")

    def one_holds_the_lease() -> bool:
        return sorted(each.metric("truebook_lease_held") for each in both) == [0, 1]

    wait_until(one_holds_the_lease, WITHIN_S, lambda: "\n".join(each.tail(3) for each in both))
    both.sort(key=lambda process: process.metric("truebook_lease_held"), reverse=True)
    return both[0], both[1]


def acknowledged(stack: Stack) -> float:
    return total(stack, "execution", "truebook_order_events_total", outcome="acknowledged")


def events(process: ServiceProcess, outcome: str, **labels: str) -> float:
    return process.metric("truebook_order_events_total", outcome=outcome, **labels)


def unguarded(stack: Stack, label: str, **more: str) -> ServiceProcess:
    """Start an execution without its lease that reads every decision in a group of its own."""
    return stack.start(
        "execution", label, module="support.unguarded_execution", PYTHONPATH=PYTHONPATH, TRUEBOOK_INSTANCE=label,
        TRUEBOOK_EXECUTION__SEND_TIMEOUT_S=SEND_TIMEOUT_S, **more,
    )  # fmt: skip


def fills(stack: Stack) -> float:
    return total(stack, "fill_listener", "truebook_fills_recorded_total", outcome="applied")


def trades_on(stack: Stack) -> None:
    """Wait for the next acknowledged order."""
    before = acknowledged(stack)
    tails = "\n".join
    wait_until(lambda: acknowledged(stack) > before, WITHIN_S, lambda: tails(p.tail(5) for p in of(stack, "execution")))


def test_the_services_trade_together(stack: Stack) -> None:
    wait_until(lambda: fills(stack) >= 5, WITHIN_S, lambda: f"{fills(stack)} fills")


def test_of_two_executions_one_is_active_and_the_other_reads_nothing(stack: Stack) -> None:
    active, standby = executions(stack)
    wait_until_ready([active, standby])  # a standby is ready
    assert standby.metric("truebook_records_consumed_total") == 0


def test_two_ingests_share_the_markets_by_their_events(stack: Stack) -> None:
    def shares() -> list[float]:
        return [process.metric("truebook_selected_markets") for process in of(stack, "ingest")]

    wait_until(lambda: min(shares()) > 0 and sum(shares()) >= 10, WITHIN_S, lambda: str(shares()))


def test_two_observations_and_two_policies_share_the_markets(stack: Stack) -> None:
    def share(name: str, topics: int) -> bool:
        return all(
            process.metric("truebook_assigned_partitions") == topics * PARTITIONS / 2
            and process.metric("truebook_records_consumed_total") > 0
            for process in of(stack, name)
        )

    wait_until(lambda: share("observation", 3), WITHIN_S)
    wait_until(lambda: share("policy", 1), WITHIN_S)


def test_two_fill_listeners_record_each_fill_once(stack: Stack) -> None:
    def both_hear() -> bool:
        return all(each.metric("truebook_fills_recorded_total") > 0 for each in of(stack, "fill_listener"))

    wait_until(both_hear, WITHIN_S)
    wait_until(
        lambda: total(stack, "fill_listener", "truebook_fills_recorded_total", outcome="duplicate") > 0, WITHIN_S
    )  # fmt: skip
    assert total(stack, "fill_listener", "truebook_fills_recorded_total", outcome="conflict") == 0
    assert stack.view().conservation_error_micros == 0


def test_every_query_of_every_board_finds_data(stack: Stack, tmp_path: Path) -> None:
    targets = [process.health.removeprefix("http://") for process in stack.services.values()]
    with prometheus(tmp_path, targets) as server:
        wait_until(lambda: bool(server.query("rate(truebook_tick_to_order_seconds_bucket[1m]) > 0")), WITHIN_S)
        queries = [(where, query) for where, query in board_queries() if not any(w in query for w in ONLY_AFTER_FAULTS)]
        wait_until(
            lambda: all(server.query(query) for _, query in queries), WITHIN_S,
            lambda: str([(where, query) for where, query in queries if not server.query(query)]),
        )  # fmt: skip


def test_a_standby_takes_over_from_an_execution_that_was_killed(stack: Stack) -> None:
    active, standby = executions(stack)
    active.kill_9()
    wait_until(lambda: standby.metric("truebook_lease_held") == 1, WITHIN_S, standby.tail)
    trades_on(stack)
    active.start()
    wait_until_ready([active])


def test_a_frozen_execution_becomes_standby_when_it_resumes(stack: Stack) -> None:
    frozen, standby = executions(stack)
    frozen.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: standby.metric("truebook_lease_held") == 1, WITHIN_S, standby.tail)
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    wait_until(lambda: "lease lost" in frozen.log_file.read_text(), WITHIN_S, frozen.tail)
    trades_on(stack)
    assert frozen.process.poll() is None, "it goes on, as the standby or in its turn"


def test_invalid_records_on_every_topic_become_dead_letters(stack: Stack) -> None:
    wanted = [(topic, name, why) for topic, names in READERS.items() for name in names for why in POISON_REASONS]
    published_s = 0.0

    def missing() -> list[tuple[str, str, str]]:
        counted = "truebook_dead_letters_total"
        return [each for each in wanted if not total(stack, each[1], counted, origin=each[0], reason=each[2])]

    def all_have_put_it_aside() -> bool:
        nonlocal published_s
        if not missing():
            return True
        # Again and again: a reader that has just started at the end has missed the last records.
        if time.monotonic() - published_s > POISON_EVERY_S:
            asyncio.run(poison(stack))
            published_s = time.monotonic()
        return False

    wait_until(all_have_put_it_aside, WITHIN_S, lambda: str(missing()))
    letters = asyncio.run(dead_letters(stack))
    assert {letter.origin for letter in letters} == set(READERS)
    assert max(len(letter.payload) for letter in letters) == MAX_PAYLOAD, "the large one is cut"
    wait_until_ready(list(stack.services.values()))
    trades_on(stack)


def test_a_killed_reconciler_finds_the_journal_behind_the_poison(stack: Stack) -> None:
    reconciler = stack.services["reconciler"]
    reconciler.kill_9()
    reconciler.start()
    wait_until_ready([reconciler])
    trades_on(stack)


def test_the_markets_of_a_killed_observation_go_to_the_other(stack: Stack) -> None:
    stack.services["observation-1"].kill_9()
    other = stack.services["observation-2"]
    wait_until(lambda: other.metric("truebook_assigned_partitions") == 3 * PARTITIONS, WITHIN_S, other.tail)


@pytest.mark.long
def test_a_kafka_outage_cancels_orders_and_trading_resumes(stack: Stack) -> None:
    alive = [process for process in stack.services.values() if process.process.poll() is None]
    active, _ = executions(stack)

    def resting() -> list[str]:
        return [order.client_order_id for order in stack.orders() if order.status is OrderStatus.RESTING]

    stack.broker.pause()
    try:
        wait_until(lambda: all("kafka" in process.get("/readyz")[1] for process in alive), WITHIN_S)
        wait_until(
            lambda: active.metric("truebook_order_events_total", outcome="cancel_sent", reason="stale_book") > 0,
            WITHIN_S, active.tail,
        )  # fmt: skip
        wait_until(lambda: not resting(), WITHIN_S, lambda: str(resting()))
    finally:
        stack.broker.unpause()
    wait_until_ready(alive)
    trades_on(stack)


@pytest.mark.long
def test_an_execution_that_lost_its_partitions_reserves_nothing(stack: Stack) -> None:
    for process in of(stack, "execution"):
        assert process.terminate(WITHIN_S) == 0
    earlier = unguarded(stack, "earlier")
    wait_until(lambda: events(earlier, "acknowledged") > 0, WITHIN_S, earlier.tail)
    later = unguarded(stack, "later")
    wait_until(lambda: events(earlier, "refused", reason="epoch") > 0, WITHIN_S, earlier.tail)
    wait_until(lambda: events(later, "acknowledged") >= 5, WITHIN_S, later.tail)  # all of its epochs are raised by now
    sent, refused = events(earlier, "sent"), events(earlier, "refused", reason="epoch")
    wait_until(lambda: events(earlier, "refused", reason="epoch") >= refused + 5, WITHIN_S, earlier.tail)
    assert events(earlier, "sent") == sent, "it still decides, without effect"
    for process in (earlier, later):
        assert process.terminate(WITHIN_S) == 0


@pytest.mark.long
def test_two_unfenced_executions_send_no_order_id_twice(stack: Stack) -> None:
    known = {order.client_order_id for order in stack.orders()}
    both = [unguarded(stack, f"unfenced-{number}", TRUEBOOK_UNFENCED="true") for number in (1, 2)]

    def both_send_and_find_the_others_orders() -> bool:
        return all(events(each, "acknowledged") > 10 and events(each, "kept") > 10 for each in both)

    wait_until(both_send_and_find_the_others_orders, WITHIN_S, lambda: "\n".join(each.tail(3) for each in both))
    stack.wind_down()
    made = [order.client_order_id for order in stack.orders() if order.client_order_id not in known]
    assert len(set(made)) == len(made)
    assert [events(each, "unknown") for each in both] == [0, 0], "a known id is refused as a conflict"
    assert sum(events(each, "acknowledged") for each in both) == len(made)


def test_ledger_and_exchange_agree_at_the_end(stack: Stack) -> None:
    differences, view, orders = stack.wind_down()
    assert differences == ()
    account = view.account
    assert (view.conservation_error_micros, account.adjustments_micros, account.reserved_micros) == (0, 0, 0)
    sent = [order.client_order_id for order in orders]
    assert len(set(sent)) == len(sent), "no order was sent twice"
    assert [order for market in view.markets for order in market.orders] == []


def test_each_service_stops_gracefully(stack: Stack) -> None:
    alive = [process for process in stack.services.values() if process.process.poll() is None]
    for process in alive:
        process.process.send_signal(signal.SIGTERM)
    codes = {process.label: process.process.wait(STOPS_WITHIN_S) for process in alive}
    assert codes == dict.fromkeys(codes, 0)


async def poison(stack: Stack) -> None:
    """Publish invalid records on every topic: bytes that are no JSON, a newer version, and a large one."""
    bus = await KafkaBus.connect(KafkaConnection(servers=stack.settings["TRUEBOOK_KAFKA_SERVERS"]))
    for topic in TOPICS:
        for value in (b"\xff not JSON", b'{"type":"action","v":99}', b"x" * 900_000):
            await bus.publish(topic, POISON, value)
    await bus.aclose()


async def dead_letters(stack: Stack) -> list[DeadLetter]:
    """Read the dead letters, without the invalid records that the test wrote to that topic."""
    connection = KafkaConnection(servers=stack.settings["TRUEBOOK_KAFKA_SERVERS"])
    found = []
    async for record in read_topic(connection, DEAD_LETTERS, PARTITIONS):
        if record.key != POISON:
            letter = decode(DEAD_LETTERS, record.value)
            assert isinstance(letter, DeadLetter)
            found.append(letter)
    return found
