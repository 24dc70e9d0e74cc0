"""Lists of orders and fills: one line per row, however long the ids are and however narrow the terminal is."""

from __future__ import annotations

from unittest import mock

import pytest
from rich.console import Console

from truebook_services.cli import account

COLUMNS = ("market", "state", "side", "price", "size", "left", "order id")
IDS = [f"tb1-0193f0a2b3c4d5e6f708192a3b4c5d{number:02x}" for number in range(3)]
ROWS = [("KXGOLDD-26DEC01-B2650", "resting", "bid", "0.5600", "10.00", "10.00", order_id) for order_id in IDS]


def printed(width: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with mock.patch.object(account, "table_console", lambda: Console(width=width)):
        account._print_with_ids("open orders", COLUMNS, ROWS)
    return capsys.readouterr().out.splitlines()[2:]


@pytest.mark.parametrize("width", [80, 90])
def test_ids_are_shortened_to_their_end(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(width, capsys)
    assert len(lines) == len(ROWS)
    for line, order_id in zip(lines, IDS, strict=True):
        assert len(line) <= width
        shown = line.split()[-1]
        assert shown.startswith("…") and order_id.endswith(shown[1:]) and len(shown) >= account.MIN_ID
        assert "0.5600" in line and "KXGOLDD-26DEC01-B2650" in line


def test_a_wide_terminal_has_whole_ids(capsys: pytest.CaptureFixture[str]) -> None:
    assert [order_id for order_id in IDS if any(order_id in line for line in printed(120, capsys))] == IDS
