"""A few seeds of ``make chaos``: they hold, they are real tests, they are reproducible, and they find known bugs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.faults import Kind, plan
from chaos.run import LEAST_FAULTS, LEAST_ORDERS, run_seed
from truebook.kalshi.port import ExchangeError
from truebook.messages.orders import OrderEvent
from truebook_services.execution import service as execution
from truebook_services.execution.sender import Placement, Sender

ROOT = Path(__file__).parents[2]
THROUGH_HTTP = 10
BELOW_HTTP = 14
SHORT_S = 60.0


def in_another_process(python: Path | str, seed: int, hash_seed: str) -> dict[str, str]:
    code = (
        "import json, sys; from chaos.run import run_seed; "
        f"told = run_seed({seed}, seconds={SHORT_S}); "
        "print(json.dumps({'digest': told.digest, 'failure': told.failure, 'python': sys.version}))"
    )
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("tests", "libs", "services"))
    done = subprocess.run(
        [str(python), "-c", code], env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths},
        capture_output=True, text=True, timeout=50, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def test_a_whole_run_holds_and_is_a_real_test() -> None:
    told = run_seed(BELOW_HTTP)
    assert told.failure == ""
    assert told.seconds >= 300
    assert told.orders >= LEAST_ORDERS
    assert told.faults >= LEAST_FAULTS


def test_a_run_through_httpx_and_the_exchanges_application_holds() -> None:
    told = run_seed(THROUGH_HTTP, seconds=SHORT_S)
    assert told.failure == ""


def test_the_faults_of_many_seeds_are_of_every_kind_and_each_seed_has_several() -> None:
    plans = [plan(seed) for seed in range(1, 51)]
    assert {fault.kind for faults in plans for fault in faults} == set(Kind)
    assert min(len({fault.kind for fault in faults}) for faults in plans) >= LEAST_FAULTS


def test_the_same_seed_gives_the_same_history_to_the_byte_in_another_process() -> None:
    here = run_seed(BELOW_HTTP, seconds=SHORT_S)
    there = in_another_process(sys.executable, BELOW_HTTP, "77")
    assert (there["digest"], there["failure"]) == (here.digest, "")


def test_the_same_seed_gives_the_same_history_on_another_version_of_python() -> None:
    other = Path(os.environ.get("TRUEBOOK_OTHER_PYTHON", ROOT / ".venv-oldest" / "bin" / "python"))
    if not other.exists():
        pytest.skip("no other Python: name one in TRUEBOOK_OTHER_PYTHON")
    here = run_seed(BELOW_HTTP, seconds=SHORT_S)
    there = in_another_process(other, BELOW_HTTP, "3")
    assert there["digest"] == here.digest, there["python"]


# Bugs of the kind that the predecessor died of, put into the services. Each must turn a seed red.


class ReleasesOnTimeout(Sender):
    """Takes a send without an answer for one that was not carried out, and gives the promise back."""

    async def _record_failure(
        self, placement: Placement, order: object, sent: OrderEvent, error: ExchangeError
    ) -> bool:
        await self._close(order)  # type: ignore[arg-type]
        return False


def test_a_seed_finds_a_promise_that_is_released_on_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "Sender", ReleasesOnTimeout)
    told = run_seed(1)
    assert "8 " in told.failure.splitlines()[0]
    assert "make chaos SEEDS=1 FIRST=1" in told.failure
