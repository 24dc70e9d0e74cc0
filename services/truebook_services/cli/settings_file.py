"""The text of a ``truebook.toml`` from a person's choices. Pure: reads and writes no file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from truebook.money import format_micros, format_size
from truebook.simulation.synthetic.presets import Preset

DEMO_URL: Final = "https://demo-api.kalshi.co"
HEADER: Final = """\
# Settings of Truebook, made by `truebook init`. Every setting, with its default and its name in the environment, is in
# docs/reference/settings.md; flags and environment variables have priority. `truebook doctor` checks this file.
"""


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What a person chose; None: not set, so that the default of that setting applies."""

    exchange: Literal["simulated", "demo"] = "simulated"
    key_id: str | None = None
    """Of the demo exchange, with the private key's file."""
    key_file: Path | None = None
    balance_micros: int | None = None
    """Opening balance at the simulated exchange."""
    markets: int | None = None
    """Simulated: how many are open at a time; demo: how many are followed at most."""
    preset: Preset | None = None
    model: str | None = None
    order_size_centi: int | None = None
    market_centi: int | None = None
    daily_loss_micros: int | None = None
    drawdown_micros: int | None = None


Line = tuple[str, str | int, str]
"""(name, value, what it is)."""


def settings_text(choices: Choices) -> str:
    """Return the file's text."""
    parts = [HEADER, *_lines(_top(choices))]
    for section, lines in (
        ("paper_exchange", _paper_exchange(choices)), ("ingest.universe", _universe(choices)),
        ("execution", _execution(choices)), ("limits", _limits(choices)),
    ):  # fmt: skip
        given = list(_lines(lines))
        if given:
            parts += [f"\n[{section}]\n", *given]
    return "".join(parts)


def _lines(lines: Iterator[Line]) -> Iterator[str]:
    for name, value, meaning in lines:
        # A string of JSON is a basic string of TOML, except that TOML also wants this control character escaped.
        text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        yield f"{name} = {text}  # {meaning}\n"


def _top(choices: Choices) -> Iterator[Line]:
    if choices.exchange == "demo":
        yield "exchange", "demo", "orders go to Kalshi's demo exchange"
        yield "market_data", "demo", "with its market data"
        yield "exchange_url", DEMO_URL, "its address"
        if choices.key_id is not None:
            yield "key_id", choices.key_id, "id of the API key"
        if choices.key_file is not None:
            yield "key_file", str(choices.key_file), "its private key (PEM): never in this file"
    if choices.model is not None:
        yield "model", choices.model, "a registered model, or an ONNX file"


def _paper_exchange(choices: Choices) -> Iterator[Line]:
    if choices.exchange != "simulated":
        return
    if choices.balance_micros is not None:
        yield "balance_micros", choices.balance_micros, f"opening balance: ${_shown(choices.balance_micros)}"
    if choices.markets is not None:
        yield "markets", choices.markets, "synthetic markets that are open at a time"
    if choices.preset is not None:
        yield "preset", choices.preset.value, "kind of synthetic markets"


def _universe(choices: Choices) -> Iterator[Line]:
    if choices.exchange == "demo" and choices.markets is not None:
        yield "max_markets", choices.markets, "markets followed at most"


def _execution(choices: Choices) -> Iterator[Line]:
    if choices.exchange == "demo":
        yield "tier", "basic", "rate limits of a new account"
        yield "signature_lifetime_s", 60, "how long the exchange may accept a signature; longer is safe, but slower"


def _limits(choices: Choices) -> Iterator[Line]:
    if choices.order_size_centi is not None:
        yield (
            "order_size_centi",
            choices.order_size_centi,
            f"largest order: {format_size(choices.order_size_centi)} contracts",
        )
    if choices.market_centi is not None:
        yield (
            "market_centi",
            choices.market_centi,
            f"largest position in a market: {format_size(choices.market_centi)} contracts",
        )
    if choices.daily_loss_micros is not None:
        yield (
            "daily_loss_micros",
            choices.daily_loss_micros,
            _stops("a larger loss in a day", choices.daily_loss_micros),
        )
    if choices.drawdown_micros is not None:
        yield "drawdown_micros", choices.drawdown_micros, _stops("a larger fall from the peak", choices.drawdown_micros)


def _shown(micros: int) -> str:
    """Format as dollars, with cents, and with more decimals only where they are not 0."""
    dollars, _, decimals = format_micros(micros).partition(".")
    return f"{dollars}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def _stops(what: str, micros: int) -> str:
    return f"{what} than ${_shown(micros)} stops trading"
