"""The whole stack under docker compose: it trades, survives the loss of any part, and resumes after a stop.

Takes some minutes of both cores, so it runs only on request: ``TRUEBOOK_TEST_COMPOSE=1``. Starts its own project with
its own ports from the image ``truebook:dev`` (`make image`), and removes it with its volumes.
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
from functools import partial
from pathlib import Path

import pytest

from support.agents import agent_of
from support.browsers import needs_chromium, open_browser
from support.operator_drill import check_status, check_why
from support.operator_verbs import Operator, use_every_command
from support.page_drill import flatten_by_page, halt_by_agent, halt_by_page, switch_model_by_page
from support.page_walk import opened_page, walk
from support.stacks import (
    SERVICES,
    ComposeStack,
    compare_at_rest,
    read_books,
    run,
    truebook_in,
    wait_for_trades,
    wait_until,
)

ROOT = Path(__file__).parents[3]

pytestmark = [
    pytest.mark.containers,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not os.environ.get("TRUEBOOK_TEST_COMPOSE"), reason="set TRUEBOOK_TEST_COMPOSE=1 to run it"),
]
NEXT_IMAGE = "truebook:drill-next"
WITHIN_S = 180.0
"""Only ends a drill that hangs: other work on the machine takes time."""
MAY_BE_EMPTY = ("dead_letters", "repairs", 'outcome="refused"', "failures")  # their labels are not known in advance


def free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def report(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%T')} {text}\n")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    exchange, kafka, prometheus, dashboard = free_ports(4)
    stack = ComposeStack(
        "truebook-drill", COMPOSE_PROFILES="",
        EXCHANGE_PORT=exchange, KAFKA_PORT=kafka, PROMETHEUS_PORT=prometheus, DASHBOARD_PORT=dashboard,
    )  # fmt: skip
    stack.compose("down", "-v", "--remove-orphans")
    try:
        yield stack
    finally:
        log = tmp_path_factory.getbasetemp() / "compose-drill.log"
        log.write_text(stack.compose("logs", "--no-color"))
        report(f"container logs: {log}")
        stack.compose("down", "-v", "--remove-orphans")
        subprocess.run(("docker", "image", "rm", NEXT_IMAGE), capture_output=True, timeout=60)


def test_the_stack_starts_and_trades(stack: ComposeStack) -> None:
    started = time.monotonic()
    stack.up()
    up_s = time.monotonic() - started
    found = wait_for_trades(stack)
    trades_s = time.monotonic() - started
    report(f"up and healthy after {up_s:.0f} s, first fills seen after {trades_s:.0f} s: {found['fills']} fills")
    assert stack.ready()


def test_prometheus_has_data_for_every_query_of_the_boards(stack: ComposeStack) -> None:
    def query(expression: str) -> list[object]:
        port = stack.compose("port", "prometheus", "9090").strip().rpartition(":")[2]
        address = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(address, timeout=10) as response:
            result: list[object] = json.load(response)["data"]["result"]
        return result

    wait_until(lambda: query("rate(truebook_observations_total[1m])"), "two scrapes", WITHIN_S)
    wait_until(lambda: query("sum(rate(truebook_tick_to_order_seconds_bucket[1m]))"), "orders in Prometheus", WITHIN_S)
    expressions = [
        target["expr"]
        for file in sorted((ROOT / "deploy/grafana/boards").glob("*.json"))
        for panel in json.loads(file.read_text())["panels"]
        for target in panel.get("targets", ())
    ]

    def missing() -> list[str]:
        """A rate needs two scrapes after the first event of its kind."""
        empty = [expression for expression in expressions if not query(expression)]
        return [one for one in empty if not any(word in one for word in MAY_BE_EMPTY)]

    wait_until(lambda: not missing(), f"data for each of {len(expressions)} queries", WITHIN_S)


def test_status_and_why_cover_all_services(stack: ComposeStack) -> None:
    status = check_status(stack)
    report(f"status: {status['fills']} fills of {status['orders']['sent']} orders in {status['seconds']} s")
    report(f"why: {check_why(stack)}")


def test_every_command_works_over_kafka(stack: ComposeStack) -> None:
    use_every_command(partial(truebook_in, stack))


@needs_chromium
def test_page_commands_and_agent_control_the_stack(stack: ComposeStack, tmp_path: Path) -> None:
    started, operator = time.monotonic(), Operator(partial(truebook_in, stack))
    with stack.page() as (url, token), open_browser() as browser, opened_page(browser, url, token) as opened:
        walk(opened, tmp_path, SERVICES, "compose")
        walked_s = time.monotonic() - started
        halt_by_page(opened, operator)
        with agent_of(stack.command("truebook", "mcp"), folder=ROOT, env=stack.environment()) as agent:
            halt_by_agent(opened, operator, agent)
            text = flatten_by_page(opened, operator, agent)
            switch_model_by_page(opened, operator, agent)
        assert opened.problems == []
    report(f"page: {text}")
    report(f"page: every view seen after {walked_s:.0f} s, all of it after {time.monotonic() - started:.0f} s")


def test_the_registry_changes_only_where_policy_sees_it(stack: ComposeStack) -> None:
    """A change in another container would reach no policy."""
    for service in ("ingest", "execution", "observation"):
        command = ("docker", "compose", "exec", "-T", service, "truebook", "models", "activate", "small")
        done = subprocess.run(
            command, cwd=ROOT, env=stack.environment(), capture_output=True, text=True, timeout=60
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (3, ""), done
        assert "can't be written" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("part", ComposeStack.parts)
def test_trading_survives_a_kill_of_any_part(stack: ComposeStack, part: str) -> None:
    before = read_books(stack) or {"fills": 0}
    started = time.monotonic()
    stack.kill(part)
    found = wait_for_trades(stack, before["fills"])
    report(f"{part} killed: next fill seen after {time.monotonic() - started:.0f} s, {found['fills']} fills")
    assert found["orders_sent_twice"] == []


def test_an_upgrade_loses_no_order(stack: ComposeStack) -> None:
    before = wait_for_trades(stack)
    started = time.monotonic()
    stack.upgrade(NEXT_IMAGE)
    found = wait_for_trades(stack, before["fills"])
    report(f"{NEXT_IMAGE} replaced all containers, next fill seen after {time.monotonic() - started:.0f} s")
    assert found["orders_sent_twice"] == []
    assert found["orders"] >= before["orders"]


def test_ledger_equals_exchange_after_all_kills(stack: ComposeStack) -> None:
    wait_until(stack.ready, "every part to be healthy", WITHIN_S)
    found = compare_at_rest(stack)
    report(f"at rest: {found}")
    assert found["true"], found
    assert (found["conservation_error_micros"], found["adjustments_micros"], found["differences"]) == (0, 0, [])


def test_a_stop_keeps_the_ledger_for_the_next_start(stack: ComposeStack) -> None:
    at_rest = compare_at_rest(stack)
    stack.compose("down")
    stack.up()
    found = wait_for_trades(stack, at_rest["fills"])
    assert found["ledger_sequence"] > at_rest["ledger_sequence"]
    after = compare_at_rest(stack)
    report(f"after down and up: {after}")
    assert after["true"], after


def test_a_lost_redis_is_restored_from_the_journal(stack: ComposeStack) -> None:
    at_rest = compare_at_rest(stack)
    stack.compose("down")
    run("docker", "volume", "rm", "truebook-drill_redis-data")
    stack.up()
    assert "ledger restored from its journal" in stack.compose("logs", "reconciler")
    found = wait_for_trades(stack, at_rest["fills"])
    assert found["ledger_sequence"] > at_rest["ledger_sequence"]
    after = compare_at_rest(stack)
    report(f"after the loss of Redis: {after}")
    assert after["true"], after
