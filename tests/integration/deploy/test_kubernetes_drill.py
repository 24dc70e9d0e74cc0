"""Truebook in kubectl's cluster: each part is deleted in turn, a new image is rolled out while it trades.

Run by ``make k8s``, which applies the overlay `local` first. ``TRUEBOOK_TEST_KUBERNETES`` names the next image.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from support.browsers import needs_chromium, open_browser
from support.operator_drill import check_status, check_why
from support.operator_verbs import Operator, use_every_command
from support.page_drill import halt_by_page, resume_by_page
from support.page_walk import QUICK_VIEWS, opened_page, walk
from support.stacks import SERVICES, KubernetesStack, compare_at_rest, read_books, run, truebook_in, wait_for_trades

ROOT = Path(__file__).parents[3]
NEXT_IMAGE = os.environ.get("TRUEBOOK_TEST_KUBERNETES", "")

pytestmark = [
    pytest.mark.containers,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not NEXT_IMAGE, reason="needs a cluster: `make k8s` runs it"),
]


def report(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%T')} {text}\n")


@pytest.fixture(scope="module")
def stack() -> KubernetesStack:
    return KubernetesStack()


@pytest.mark.parametrize("overlay", ["local", "demo"])
def test_the_cluster_accepts_every_overlay(overlay: str) -> None:
    text = run("kubectl", "kustomize", f"deploy/k8s/overlays/{overlay}")
    done = subprocess.run(
        ("kubectl", "apply", "--dry-run=server", "-f", "-"), input=text, capture_output=True, text=True, timeout=120
    )
    refused = [line for line in done.stderr.splitlines() if "immutable" not in line and not line.startswith("Warning")]
    assert refused == [], done.stderr
    assert "PodSecurity" not in done.stderr


def test_the_stack_rolls_out_and_trades(stack: KubernetesStack) -> None:
    started = time.monotonic()
    for part in stack.parts:
        stack.wait(part)
    report(f"all parts are ready after {time.monotonic() - started:.0f} s")
    found = wait_for_trades(stack)
    report(f"first fills seen after {time.monotonic() - started:.0f} s: {found['fills']}")


def test_the_operator_commands_work_in_the_cluster(stack: KubernetesStack) -> None:
    status = check_status(stack)
    report(f"status: {status['fills']} fills of {status['orders']['sent']} orders in {status['seconds']} s")
    report(f"why: {check_why(stack)}")
    use_every_command(partial(truebook_in, stack))


@needs_chromium
def test_page_shows_and_halts_what_runs_in_the_cluster(stack: KubernetesStack, tmp_path: Path) -> None:
    started, operator = time.monotonic(), Operator(partial(truebook_in, stack))
    with stack.page() as (url, token), open_browser() as browser, opened_page(browser, url, token) as opened:
        walk(opened, tmp_path, SERVICES, "kubernetes", QUICK_VIEWS)
        halt_by_page(opened, operator)
        resume_by_page(opened, operator)
        assert opened.problems == []
    report(f"page: all of it seen after {time.monotonic() - started:.0f} s")


@pytest.mark.parametrize("part", KubernetesStack.parts)
def test_trading_survives_the_deletion_of_any_pod(stack: KubernetesStack, part: str) -> None:
    before = read_books(stack) or {"fills": 0}
    started = time.monotonic()
    stack.kill(part)
    found = wait_for_trades(stack, before["fills"], within_s=180)
    report(f"{part} deleted: next fill seen after {time.monotonic() - started:.0f} s, {found['fills']} fills")
    assert found["orders_sent_twice"] == []


BESIDE = ("dashboard", "alerts")
"""Deployments beside what trades: updated with it."""


def images(stack: KubernetesStack) -> set[tuple[str, str]]:
    """Return the images of the services' pods, by name and content id, without pods that are being deleted."""
    pods = json.loads(stack.kubectl("get", "pods", "-l", "truebook/service=true", "-o", "json"))["items"]
    statuses = [pod["status"]["containerStatuses"][0] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return {(pod["image"].removeprefix("docker.io/library/"), pod["imageID"]) for pod in statuses}


def test_a_rollout_loses_no_order(stack: KubernetesStack) -> None:
    before, [(_, old)] = wait_for_trades(stack), images(stack)
    started = time.monotonic()
    parts = (*stack.parts, *BESIDE)
    for step in (("ingest",), parts):  # execution needs what ingest writes: docs/operations.md
        for part in step:
            if part not in stack.stateful:
                stack.kubectl("set", "image", f"deployment/{part}", f"service={NEXT_IMAGE}")
        for part in step:
            stack.wait(part)
    [(name, new)] = images(stack)
    assert name == NEXT_IMAGE
    assert new != old, "the new image must differ in content"
    found = wait_for_trades(stack, before["fills"])
    report(f"{NEXT_IMAGE} rolled out after {time.monotonic() - started:.0f} s, {found['fills']} fills")
    assert found["orders_sent_twice"] == []
    assert found["orders"] >= before["orders"]


def test_ledger_equals_exchange_after_all_kills(stack: KubernetesStack) -> None:
    found = compare_at_rest(stack)
    report(f"at rest: {found}")
    assert found["true"], found
    assert (found["conservation_error_micros"], found["adjustments_micros"], found["differences"]) == (0, 0, [])
