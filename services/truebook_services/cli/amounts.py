"""Amounts of money, contracts and time: as flags give them, and as people read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import typer

from truebook.money import WireFormatError, format_dollars, parse_micros, parse_size_centi

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?", re.ASCII)
_SECONDS: Final = {None: 1, "s": 1, "m": 60, "h": 3600}
NOT_KNOWN: Final = "–"


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


def parse_duration(text: str) -> float:
    """Read '60s', '5m', '1.5h' or plain seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r}: expected a duration such as 60s, 5m or 1.5h")
    return float(match[1]) * _SECONDS[match[2]]


def dollars(micros: int | None) -> str:
    """Format micro-dollars for people; None is not known."""
    return NOT_KNOWN if micros is None else format_dollars(micros)
