"""Amounts of money and contracts, as flags and responses give them."""

from __future__ import annotations

from collections.abc import Callable

import typer

from truebook.money import WireFormatError, parse_micros, parse_size_centi


def parse_dollars(text: str) -> int:
    """Read dollars above 0 as micro-dollars; raises ``typer.BadParameter``."""
    return _positive(text, parse_micros, "dollars, such as 50.00")


def parse_contracts(text: str) -> int:
    """Read contracts above 0 as 1/100 contracts; raises ``typer.BadParameter``."""
    return _positive(text, parse_size_centi, "contracts, such as 25")


def _positive(text: str, parse: Callable[[str], int], expected: str) -> int:
    try:
        value = parse(text)
    except WireFormatError as error:
        raise typer.BadParameter(f"{text!r}: expected {expected}") from error
    if value <= 0:
        raise typer.BadParameter(f"{text!r}: expected more than 0 {expected}")
    return value
