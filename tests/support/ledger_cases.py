"""The 87 ledger cases: read, played against any store, and compared after every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from truebook.ledger.port import (
    Acknowledge,
    AdoptedPosition,
    Close,
    LedgerStore,
    Limits,
    Reserve,
    SettleFill,
    View,
)

CASES_FILE = Path(__file__).parent.parent / "unit" / "ledger" / "cases.jsonl"


class Step(msgspec.Struct, frozen=True):
    verb: str
    arguments: dict[str, Any]
    expect: dict[str, Any]


class Case(msgspec.Struct, frozen=True):
    name: str
    why: str
    steps: list[Step]


CASES = [msgspec.json.decode(line, type=Case) for line in CASES_FILE.read_bytes().splitlines()]


async def call(store: LedgerStore, verb: str, arguments: dict[str, Any]) -> str:
    """Call one verb with the arguments as the case spells them."""
    match verb:
        case "open_account":
            positions = msgspec.convert(arguments["positions"], tuple[AdoptedPosition, ...])
            return await store.open_account(arguments["balance_micros"], positions)
        case "reserve":
            return await store.reserve(msgspec.convert(arguments, Reserve))
        case "acknowledge":
            return await store.acknowledge(msgspec.convert(arguments, Acknowledge))
        case "settle_fill":
            return await store.settle_fill(msgspec.convert(arguments, SettleFill))
        case "close":
            return await store.close(msgspec.convert(arguments, Close))
        case "set_limits":
            return await store.set_limits(msgspec.convert(arguments, Limits))
    return str(await getattr(store, verb)(**arguments))


def shown(result: str, view: View) -> dict[str, Any]:
    """Bring an answer and a view into the form of a case's ``expect``."""
    account = view.account
    return {
        "result": result,
        "cash_micros": account.cash_micros,
        "promised_micros": account.promised_micros,
        "overdrawn_micros": account.overdrawn_micros,
        "fees_micros": account.fees_micros,
        "markets": {
            market.ticker: {
                "yes_bought_centi": market.yes_bought_centi,
                "yes_cost_micros": market.yes_cost_micros,
                "no_bought_centi": market.no_bought_centi,
                "no_cost_micros": market.no_cost_micros,
                "position_centi": market.position_centi,
            }
            for market in view.markets
        },
    }


async def play(store: LedgerStore, case: Case) -> None:
    """Play a case and compare every number after every step."""
    for number, step in enumerate(case.steps, start=1):
        result = await call(store, step.verb, step.arguments)
        view = await store.view()
        assert shown(result, view) == step.expect, f"{case.name} step {number} ({step.verb}): {case.why}"
        assert view.account.conservation_error_micros == 0
