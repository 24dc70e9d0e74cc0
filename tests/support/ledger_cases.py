"""The ledger cases: read from text tables, played against any store, and compared after every step.

A block of ``tests/unit/ledger/cases/*.txt`` is one case: its name and reason, then a table with one row per step. Cells
are separated by ``|``. Arguments are in the order of ``POSITIONAL``, then ``name=value``; those of ``DEFAULTS`` may be
left out, ``-`` is None. ``M yes 300/1500000`` is market M with the sums bought per leg: hundredths / micros. A ninth
column lists the shards other than 0, ``2 net/reserved``, and what is in ``transit``.
Cases may also be given as JSON lines, see ``read_json_lines``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from truebook.ledger.port import LedgerStore, LedgerView
from truebook.ledger.verbs import VERBS

CASES_FOLDER: Final = Path(__file__).parent.parent / "unit" / "ledger" / "cases"
SHORT: Final = {
    "balance": "balance_micros", "size": "size_centi", "price": "price_cc", "filled": "filled_centi",
    "remaining": "remaining_centi", "fee": "fee_micros", "amount": "amount_micros", "rate": "fee_rate_ppm",
    "deadline": "deadline_us", "now": "now_us", "settlement": "settlement_cc",
}  # fmt: skip
"""Short names of arguments in the tables."""
POSITIONAL: Final[dict[str, tuple[str, ...]]] = {
    "open_account": (), "reserve": ("order_id", "book_side", "ticker"),
    "acknowledge": ("order_id", "exchange_order_id", "ticker"), "mark_unknown": ("order_id",),
    "settle_fill": ("trade_id", "order_id", "book_side", "ticker"), "close": ("order_id", "exchange_order_id"),
    "settle_market": ("ticker",), "adjust": ("adjust_id", "kind"), "hold": ("name", "mode", "owner"),
    "release": ("name", "owner"), "set_limits": (), "mark_equity": ("day", "profit_micros"),
    "raise_epoch": ("partition",), "prune": (), "request_transfer": ("transfer_id", "from_shard", "to_shard"),
    "report_transfer": ("transfer_id", "exchange_transfer_id", "from_shard", "to_shard", "status"),
}  # fmt: skip
DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "open_account": {"positions": []},
    "reserve": {
        "nonce": "n1", "exclusive": False, "reduce_only": False, "fee_rate_ppm": 0, "deadline_us": 1_000_000,
        "now_us": 1000, "partition": 0, "epoch": 1,
    },
    "prune": {"terminal_before_us": 0}, "adjust": {"reason": "test"},
    "request_transfer": {"now_us": 5}, "report_transfer": {"now_us": 7},
}  # fmt: skip
"""The event of a reserve defaults to its ticker."""


class Step(msgspec.Struct, frozen=True):
    verb: str
    arguments: dict[str, Any]
    expect: dict[str, Any]


class Case(msgspec.Struct, frozen=True):
    name: str
    why: str
    steps: list[Step]


def read_json_lines(path: Path) -> list[Case]:
    """Read cases of another file, one JSON object per line: ``{name, why, steps: [{verb, arguments, expect}]}``."""
    return [msgspec.json.decode(line, type=Case) for line in path.read_bytes().splitlines()]


def read_tables(folder: Path = CASES_FOLDER) -> list[Case]:
    """Read the cases of all text tables in a folder."""
    return [case for path in sorted(folder.glob("*.txt")) for case in _cases(path.read_text(encoding="utf-8"))]


def _cases(text: str) -> Iterator[Case]:
    for block in re.split(r"\n\n+", text.strip()):
        title, _, *rows = block.splitlines()
        name, why = title.split(": ", 1)
        yield Case(name, why, [_step([cell.strip() for cell in row.split("|")]) for row in rows])


def _step(cells: list[str]) -> Step:
    verb, arguments, result, cash, reserved, overdrawn, fees, markets, *of_shards = cells
    expect = {
        "result": result, "cash_micros": int(cash), "promised_micros": int(reserved),
        "overdrawn_micros": int(overdrawn), "fees_micros": int(fees),
        "markets": dict(_market(market.split()) for market in markets.split(",") if market),
    }  # fmt: skip
    if of_shards:
        expect |= _shards(part.split() for part in of_shards[0].split(",") if part)
    return Step(verb, _arguments(verb, arguments.split()), expect)


def _shards(parts: Iterable[list[str]]) -> dict[str, Any]:
    found = dict(parts)
    in_transit = int(found.pop("transit", 0))
    amounts = {index: [int(micros) for micros in cash.split("/")] for index, cash in found.items()}
    return {"shards": {index: cash for index, cash in amounts.items() if cash != [0, 0]}, "in_transit": in_transit}


def _arguments(verb: str, words: list[str]) -> dict[str, Any]:
    names = POSITIONAL[verb]
    found = DEFAULTS.get(verb, {}) | dict(zip(names, map(_value, words), strict=False))
    for word in words[len(names) :]:
        name, _, value = word.partition("=")
        if name == "position":
            ticker, event, size, cost, *shard = value.split("/")
            adopted = {"ticker": ticker, "event": event, "position_centi": int(size), "cost_micros": int(cost)}
            found["positions"] = [*found["positions"], adopted | {"exchange_index": int(shard[0]) if shard else 0}]
        elif name == "shard":
            index, balance = map(int, value.split("/"))
            cash = {"exchange_index": index, "balance_micros": balance}
            found["shards"] = [*found.get("shards", []), cash]
        else:
            found[SHORT.get(name, name)] = _value(value)
    return {"event": found["ticker"]} | found if verb == "reserve" else found


def _value(word: str) -> Any:
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    return {"-": None, "''": "", "true": True, "false": False}.get(word, word)


def _market(words: list[str]) -> tuple[str, dict[str, int]]:
    ticker, *legs = words
    sums = {leg: tuple(map(int, bought.split("/"))) for leg, bought in zip(legs[::2], legs[1::2], strict=True)}
    yes, no = sums.get("yes", (0, 0)), sums.get("no", (0, 0))
    return ticker, {
        "yes_bought_centi": yes[0], "yes_cost_micros": yes[1], "no_bought_centi": no[0], "no_cost_micros": no[1],
        "position_centi": yes[0] - no[0],
    }  # fmt: skip


CASES: Final = read_tables()


def shown(result: object, view: LedgerView) -> dict[str, Any]:
    """Bring a result and a view into the form of a case's ``expect``."""
    account = view.account
    return {
        "result": str(result),
        "cash_micros": account.cash_micros,
        "promised_micros": account.reserved_micros,
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
        result = await store.apply(msgspec.convert(step.arguments, VERBS[step.verb]))
        view = await store.view()
        expected = {name: step.expect[name] for name in step.expect if name not in ("shards", "in_transit")}
        assert shown(result, view) == expected, f"{case.name} step {number} ({step.verb}): {case.why}"
        if "shards" in step.expect:
            listed = view.account.shards[1:]
            of_shards = {str(one.exchange_index): [one.net_micros, one.reserved_micros] for one in listed}
            assert of_shards == step.expect["shards"], f"{case.name} step {number}: {case.why}"
            assert view.account.in_transit_micros == step.expect["in_transit"], f"{case.name} step {number}"
        assert view.errors_of_totals == {}
