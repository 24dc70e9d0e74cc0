"""The scripts reproduce the ledger cases, and agree with the rules on any history."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from support.ledger_cases import CASES, Case, play
from support.ledger_machine import TwoLedgers
from truebook.ledger.redis.store import RedisStore


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_redis_store_reproduces_the_case(store: RedisStore, case: Case) -> None:
    await play(store, case)


def test_scripts_and_rules_agree_on_any_history(server_url: str) -> None:
    class Machine(TwoLedgers):
        url = server_url

    examples = 40 if server_url.startswith("unix") else 15
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
