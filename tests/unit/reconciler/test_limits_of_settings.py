"""The limits of the settings are applied at a start; what an operator has set explicitly stays, and is reported."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs

from support.fake_operator import FakeOperator
from support.services import make_context
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.verbs import LIMIT_NAMES, Limits, MarkEquity, OpenAccount
from truebook_services.operator.requests import ChangeLimits
from truebook_services.reconciler.limits import apply_limits, combined
from truebook_services.reconciler.settings import LimitsSettings

LOG = make_context("reconciler").log


async def start(ledger: MemoryStore, **limits: int) -> list[str]:
    """Start with these settings; return the limits that differ from them."""
    return [each.name for each in await apply_limits(ledger, LimitsSettings(**limits).given(), LOG)]


async def change(ledger: MemoryStore, changes: Mapping[str, int | None]) -> None:
    await FakeOperator(ledger, None).perform(ChangeLimits(changes=changes))


def in_force(ledger: MemoryStore) -> dict[str, int]:
    limits = ledger.ledger.account().limits
    return {name: value for name in LIMIT_NAMES if (value := getattr(limits, name)) is not None}


def test_the_settings_have_every_limit() -> None:
    assert tuple(LimitsSettings.model_fields) == LIMIT_NAMES


async def test_the_settings_limits_follow_the_settings() -> None:
    ledger = MemoryStore()
    assert await start(ledger, open_orders=5, market_centi=700) == []
    assert in_force(ledger) == {"open_orders": 5, "market_centi": 700}
    assert await start(ledger, open_orders=6) == []
    assert in_force(ledger) == {"open_orders": 6}, "a limit that left the settings is none"


async def test_an_operators_limit_survives_a_restart() -> None:
    ledger = MemoryStore()
    await start(ledger, open_orders=5, market_centi=700)
    await change(ledger, {"open_orders": 1})
    assert await start(ledger, open_orders=5, market_centi=700) == ["open_orders"]
    assert in_force(ledger) == {"open_orders": 1, "market_centi": 700}


async def test_a_cleared_limit_returns_to_the_settings() -> None:
    ledger = MemoryStore()
    await change(ledger, {"open_orders": 1})
    await change(ledger, {"open_orders": None})
    assert await start(ledger, open_orders=5) == []
    assert in_force(ledger) == {"open_orders": 5}


async def test_changes_and_differences_are_logged() -> None:
    ledger = MemoryStore()
    await change(ledger, {"open_orders": 1})
    with capture_logs() as logs:
        await apply_limits(ledger, {"open_orders": 5, "market_centi": 9}, make_context("reconciler").log)
    assert [entry["event"] for entry in logs] == [
        "limits of the settings applied", "an operator's limit differs from the settings",
    ]  # fmt: skip
    assert logs[0]["market_centi"] == {"before": None, "now": 9}
    assert (logs[1]["name"], logs[1]["in_ledger"], logs[1]["in_settings"]) == ("open_orders", 1, 5)


async def test_an_unchanged_start_writes_nothing() -> None:
    ledger = MemoryStore()
    await start(ledger, open_orders=5)
    before = ledger.ledger.seq
    await start(ledger, open_orders=5)
    assert ledger.ledger.seq == before


async def test_a_start_keeps_the_marks_of_the_equity() -> None:
    ledger = MemoryStore()
    await ledger.apply(OpenAccount(balance_micros=1_000))
    await start(ledger, drawdown_micros=100)
    for profit_micros in (70, 10):
        assert await ledger.apply(MarkEquity(day=1, profit_micros=profit_micros)) == "marked"
    await start(ledger, drawdown_micros=100)
    marks = ledger.ledger.account().marks
    assert marks is not None and marks.drawdown_micros == 60


def test_a_difference_names_the_command_that_ends_it() -> None:
    _, (difference,) = combined(Limits(open_orders=1), {"open_orders": 5})
    assert "truebook limits clear open_orders" in str(difference)


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        LimitsSettings(open_orders=-1)
