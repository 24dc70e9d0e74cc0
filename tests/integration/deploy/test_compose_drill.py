"""The whole stack under docker compose: it trades within a minute, survives losing any part, and goes on after a stop.

Takes some minutes of both cores, hence only on demand: ``TRUEBOOK_TEST_COMPOSE=1``. It starts a project of its own,
with ports of its own, from the image ``truebook:dev`` (`make image`), and removes it with its volumes.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.operator_drill import check_halt, check_status, check_why
from support.stacks import ComposeStack, look, run, settle, wait_for_trades, wait_until

ROOT = Path(__file__).parents[3]

pytestmark = [
    pytest.mark.containers,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("TRUEBOOK_TEST_COMPOSE"), reason="set TRUEBOOK_TEST_COMPOSE=1 to run it"),
]
NEXT_IMAGE = "truebook:drill-next"
MAY_BE_EMPTY = ("dead_letters", "repairs", "stale", "rejected", "adjust", "refus", "failures", "policy_alarms")


def free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%T')} {text}\n")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    exchange, kafka, prometheus = free_ports(3)
    stack = ComposeStack(
        "truebook-drill", EXCHANGE_PORT=exchange, KAFKA_PORT=kafka, PROMETHEUS_PORT=prometheus, COMPOSE_PROFILES=""
    )
    stack.compose("down", "-v", "--remove-orphans")
    try:
        yield stack
    finally:
        log = tmp_path_factory.getbasetemp() / "compose-drill.log"
        log.write_text(stack.compose("logs", "--no-color"))
        say(f"the containers' logs: {log}")
        stack.compose("down", "-v", "--remove-orphans")
        subprocess.run(("docker", "image", "rm", NEXT_IMAGE), capture_output=True, timeout=60)


def test_the_stack_trades_within_a_minute_of_a_first_start(stack: ComposeStack) -> None:
    started = time.monotonic()
    stack.up()
    up_s = time.monotonic() - started
    found = wait_for_trades(stack)
    trades_s = time.monotonic() - started
    say(f"up and healthy after {up_s:.0f} s, first fills seen after {trades_s:.0f} s: {found['fills']} fills")
    assert trades_s < 60
    assert stack.ready()


def test_every_query_of_alerts_and_boards_is_answered_by_prometheus(stack: ComposeStack) -> None:
    def ask(query: str) -> list[object]:
        port = stack.compose("port", "prometheus", "9090").strip().rpartition(":")[2]
        address = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            result: list[object] = json.load(answer)["data"]["result"]
        return result

    wait_until(lambda: ask("rate(truebook_observations_total[1m])"), "two scrapes", 60)
    wait_until(lambda: ask("sum(rate(truebook_tick_to_order_seconds_bucket[1m]))"), "orders in Prometheus", 60)
    queries = [
        target["expr"]
        for file in sorted((ROOT / "deploy/grafana/boards").glob("*.json"))
        for panel in json.loads(file.read_text())["panels"]
        for target in panel.get("targets", ())
    ]
    answers = {query: ask(query) for query in queries}
    empty = [query for query, answer in answers.items() if not answer]
    assert [query for query in empty if not any(word in query for word in MAY_BE_EMPTY)] == []


def test_status_and_why_tell_of_all_services_at_once(stack: ComposeStack) -> None:
    status = check_status(stack)
    say(f"status: {status['fills']} fills of {status['orders']['sent']} orders in {status['seconds']} s")
    say(f"why: {check_why(stack)}")


def test_a_halt_ends_what_rests_and_resume_goes_on(stack: ComposeStack) -> None:
    check_halt(stack)


@pytest.mark.parametrize("part", ComposeStack.parts)
def test_any_part_may_be_killed_and_trading_goes_on(stack: ComposeStack, part: str) -> None:
    before = look(stack) or {"fills": 0}
    started = time.monotonic()
    stack.kill(part)
    found = wait_for_trades(stack, before["fills"])
    say(f"{part} killed: next fill seen after {time.monotonic() - started:.0f} s, {found['fills']} fills")
    assert found["orders_sent_twice"] == []


def test_a_new_build_takes_over_without_losing_an_order(stack: ComposeStack) -> None:
    before = wait_for_trades(stack)
    started = time.monotonic()
    stack.upgrade(NEXT_IMAGE)
    found = wait_for_trades(stack, before["fills"])
    say(f"{NEXT_IMAGE} in place of all containers, next fill seen after {time.monotonic() - started:.0f} s")
    assert found["orders_sent_twice"] == []
    assert found["orders"] >= before["orders"]


def test_after_all_that_the_books_are_true(stack: ComposeStack) -> None:
    wait_until(stack.ready, "every part to be healthy", 60)
    found = settle(stack)
    say(f"at rest: {found}")
    assert found["true"], found
    assert (found["conservation_error_micros"], found["adjustments_micros"], found["differences"]) == (0, 0, [])


def test_a_stop_keeps_the_ledger_and_the_next_start_goes_on(stack: ComposeStack) -> None:
    at_rest = settle(stack)
    stack.compose("down")
    stack.up()
    found = wait_for_trades(stack, at_rest["fills"])
    assert found["ledger_sequence"] > at_rest["ledger_sequence"]
    after = settle(stack)
    say(f"after down and up: {after}")
    assert after["true"], after


def test_a_lost_redis_is_restored_from_the_journal(stack: ComposeStack) -> None:
    at_rest = settle(stack)
    stack.compose("down")
    run("docker", "volume", "rm", "truebook-drill_redis-data")
    stack.up()
    assert "the ledger is restored from its journal" in stack.compose("logs", "reconciler")
    found = wait_for_trades(stack, at_rest["fills"])
    assert found["ledger_sequence"] > at_rest["ledger_sequence"]
    after = settle(stack)
    say(f"after the loss of Redis: {after}")
    assert after["true"], after
