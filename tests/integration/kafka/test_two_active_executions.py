"""Two executions that both believe to be the active one, over a real Kafka and a real Redis: the ledger keeps order.

The lease is taken away, and each process reads every decision in a group of its own: the worst that a failed lease,
a partitioned network or an operator's slip could bring about.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.service_processes import ServiceProcess, wait_until, wait_until_ready
from support.service_stack import Stack

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(120)]

WITHIN_S = 40.0
PATIENT_S = "30"
"""A slow answer is no unknown outcome here: only an id that the exchange has seen before is."""
MODULE = "support.unguarded_execution"
TESTS = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("two"), "--markets", "10") as stack:
        for name in ("reconciler", "fill_listener", "ingest", "observation", "policy"):
            stack.start(name)
        yield stack


def start(stack: Stack, label: str, **more: str) -> ServiceProcess:
    more |= {"PYTHONPATH": TESTS, "TRUEBOOK_INSTANCE": label, "TRUEBOOK_EXECUTION__SEND_TIMEOUT_S": PATIENT_S}
    return stack.start("execution", label, module=MODULE, **more)


def events(process: ServiceProcess, outcome: str, **labels: str) -> float:
    return process.metric("truebook_order_events_total", outcome=outcome, **labels)


def test_an_active_execution_whose_partitions_were_taken_over_reserves_nothing_more(stack: Stack) -> None:
    earlier = start(stack, "earlier")
    wait_until_ready(list(stack.services.values()))
    wait_until(lambda: events(earlier, "acknowledged") > 0, WITHIN_S, earlier.tail)
    later = start(stack, "later")
    wait_until(lambda: events(earlier, "refused", reason="epoch") > 0, WITHIN_S, earlier.tail)
    wait_until(lambda: events(later, "acknowledged") >= 5, WITHIN_S, later.tail)  # all of its epochs are raised by now
    sent, refused = events(earlier, "sent"), events(earlier, "refused", reason="epoch")
    wait_until(lambda: events(earlier, "refused", reason="epoch") >= refused + 5, WITHIN_S, earlier.tail)
    assert events(earlier, "sent") == sent, "it still decides, in vain"
    for process in (earlier, later):
        assert process.terminate(WITHIN_S) == 0


def test_two_that_are_not_even_fenced_off_send_each_order_once(stack: Stack) -> None:
    known = {order.client_order_id for order in stack.orders()}
    both = [start(stack, f"unfenced-{number}", TRUEBOOK_UNFENCED="true") for number in (1, 2)]

    def both_send_and_find_the_others_orders() -> bool:
        return all(events(each, "acknowledged") > 10 and events(each, "kept") > 10 for each in both)

    wait_until(both_send_and_find_the_others_orders, WITHIN_S, lambda: "\n".join(each.tail(3) for each in both))
    differences, view, orders = stack.wind_down()
    assert differences == ()
    made = [order.client_order_id for order in orders if order.client_order_id not in known]
    assert len(set(made)) == len(made)
    assert [events(each, "unknown") for each in both] == [0, 0], "the exchange was never shown an id twice"
    assert sum(events(each, "acknowledged") for each in both) == len(made)
    account = view.account
    assert (account.conservation_error_micros, account.adjustments_micros, account.promised_micros) == (0, 0, 0)
