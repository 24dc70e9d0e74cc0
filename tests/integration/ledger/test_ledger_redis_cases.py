"""The scripts reproduce the 87 cases, and answer as the rules do whatever is asked of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from support.ledger_cases import CASES, Case, play
from support.ledger_machine import TwoLedgers
from truebook.ledger.redis_store import RedisStore


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_redis_store_reproduces_the_case(store: RedisStore, case: Case) -> None:
    await play(store, case)


def test_the_scripts_answer_as_the_rules_do_in_any_history(server_url: str) -> None:
    class Machine(TwoLedgers):
        url = server_url

    examples = 60 if server_url.startswith("unix") else 15
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
