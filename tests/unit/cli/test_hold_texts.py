"""What ends a trading hold: only the operator's and the ledger's wait for a command."""

from __future__ import annotations

import pytest

from truebook.evidence.recorder import Recorder
from truebook.ledger.trading_holds import ACCOUNT_STALE, CLOCK, TRADING_HOLDS, WIND_DOWN, TradingHold
from truebook_services.cli.hold_texts import explained, of_interest
from truebook_services.cli.why_table import print_why
from truebook_services.operator.port import Why


@pytest.mark.parametrize("hold", [ACCOUNT_STALE, CLOCK], ids=lambda hold: hold.name)
def test_why_suggests_what_helps_an_overloaded_machine(hold: TradingHold, capsys: pytest.CaptureFixture[str]) -> None:
    label = f"{hold.name} (halted, by {hold.owner})"
    print_why(Why(at_us=5, funnel=Recorder().funnel(5), mode="halted", holds=(label,)))
    text = " ".join(capsys.readouterr().out.split())
    assert label in text and "trade fewer markets" in text
    assert "truebook resume" not in text


@pytest.mark.parametrize("hold", TRADING_HOLDS, ids=lambda hold: hold.name)
def test_holds_of_operator_and_ledger_name_the_command(hold: TradingHold) -> None:
    text = explained(f"{hold.name}@M (halted, by {hold.owner})")
    assert hold.description in text
    if hold.owner == "ledger":
        assert "resume --hold NAME" in text


def test_unknown_holds_are_shown_as_they_are() -> None:
    assert explained("new (halted, by other)") == "new (halted, by other)"


def test_the_hold_of_a_run_that_has_ended_is_not_in_its_summary() -> None:
    labels = [f"{hold.name} (halted, by {hold.owner})" for hold in (WIND_DOWN, CLOCK)]
    assert of_interest(labels) == labels[1:]
