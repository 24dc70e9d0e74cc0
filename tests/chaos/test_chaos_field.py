"""Faults of the field, one at a time: a run survives each, and finds the bug that did not.

The seeds of ``make chaos`` combine them with the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chaos.faults import Fault, Kind
from chaos.run import NEW_LEDGER_EVERY, Run, run_seed
from truebook_services.execution.account_age import AccountAge
from truebook_services.reconciler.balance_checker import BalanceChecker
from truebook_services.reconciler.unreadable import UnreadableMarkets

pytestmark = [pytest.mark.slow, pytest.mark.long]

SEED, THROUGH_HTTP, BEGINS_AGAIN = 7, 20, 6
START_S = 15.0


def only(kind: Kind, lasts_s: float) -> Callable[[Run], None]:
    def change(run: Run) -> None:
        run.faults = (Fault(at_s=START_S, kind=kind, lasts_s=lasts_s),)

    return change


@pytest.mark.parametrize("seed", [SEED, THROUGH_HTTP])
@pytest.mark.parametrize(
    ("kind", "lasts_s", "logged"),
    [
        (Kind.ODD_ITEMS, 30.0, "ERROR market held: an item of the exchange can't be read"),
        (Kind.WRONG_BALANCE, 60.0, "ERROR trading halted: ledger and exchange differ"),
        (Kind.FILLS_DOWN, 60.0, "ERROR trading held: the account at the exchange is not followed"),
        (Kind.MOVED_CASH, 60.0, "transfer recognized"),
        (Kind.REOPENED, 8.0, "market changed"),
        (Kind.GRID_CHANGE, 20.0, "market changed"),
        (Kind.PUBLISH_FAILS, 10.0, "account opened"),
        (Kind.BUS_AWAY, 20.0, "account opened"),
    ],
)
def test_a_run_survives_a_fault_of_the_field(seed: int, kind: Kind, lasts_s: float, logged: str) -> None:
    outcome = run_seed(seed, change=only(kind, lasts_s), seconds=START_S + lasts_s + 15.0)
    assert outcome.failure == ""
    assert outcome.counts[f"log:{logged}"] > 0


def test_a_run_survives_a_ledger_that_begins_again() -> None:
    assert BEGINS_AGAIN % NEW_LEDGER_EVERY == 6
    outcome = run_seed(BEGINS_AGAIN, change=lambda run: setattr(run, "faults", ()), seconds=60.0)
    assert outcome.failure == ""
    assert outcome.counts["log:account opened"] == 2


# Bugs of an earlier Truebook, planted into the services. A run must fail for each.


async def _nothing(*_: Any) -> None:
    """Does nothing."""


def test_a_run_finds_orders_that_are_sent_blindly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccountAge, "check", _nothing)
    outcome = run_seed(SEED, change=only(Kind.FILLS_DOWN, 110.0), seconds=140.0)
    assert outcome.failure.startswith(f"seed {SEED}: nothing is sent blindly")


def test_a_run_finds_a_lasting_difference_that_does_not_halt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BalanceChecker, "_act", _nothing)
    outcome = run_seed(SEED, change=only(Kind.WRONG_BALANCE, 110.0), seconds=140.0)
    assert outcome.failure.startswith(f"seed {SEED}: a lasting difference halts")


def test_a_run_finds_a_deposit_that_is_not_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BalanceChecker, "_recognize", _nothing)
    outcome = run_seed(SEED, change=only(Kind.MOVED_CASH, 60.0), seconds=90.0)
    assert outcome.failure.startswith(f"seed {SEED}: ")


def test_a_run_finds_markets_that_stay_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnreadableMarkets, "release", _nothing)
    outcome = run_seed(SEED, change=only(Kind.ODD_ITEMS, 20.0), seconds=40.0)
    assert outcome.failure.startswith(f"seed {SEED}: trading resumes without faults")
