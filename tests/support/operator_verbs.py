"""Every command of the operator on a running system, by a script that reads only ``--json`` output and exit codes.

The same script for every way of running: one process, docker compose, Kubernetes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Protocol

from support.onnx_files import metadata, onnx_bytes

WITHIN_S = 180.0
POLL_S = 0.2
DOLLAR = 1_000_000
NAME = "verbs"
"""The model that is added: it never acts."""

Json = dict[str, Any]


class Cli(Protocol):
    """Runs ``truebook``, ``given`` on its standard input; returns the exit code and the standard output."""

    def __call__(self, *arguments: str, given: bytes = b"") -> tuple[int, str]: ...


class Operator:
    """Commands of one system."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli

    def __call__(self, *arguments: str, code: int = 0, given: bytes = b"") -> Json:
        """Run a command that must end with that code; returns its JSON object, an empty one after an error."""
        ended, text = self.cli(*arguments, "--json", given=given)
        assert ended == code, f"truebook {' '.join(arguments)}: exit {ended}, expected {code}: {text[-2000:]}"
        if code not in (0, 1):
            assert text.strip() == "", f"an error is one line on standard error: {text}"
            return {}
        [line] = text.strip().splitlines()
        found: Json = json.loads(line)
        return found

    def status(self) -> Json:
        """Return the status, whether or not ledger and exchange agree at this moment."""
        _, text = self.cli("status", "--last", "1m", "--json")
        found: Json = json.loads(text)
        return found

    def until(self, is_so: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not is_so():
            assert time.monotonic() < deadline, f"timed out: {what}; {self.status()}"
            time.sleep(POLL_S)


def use_every_command(cli: Cli) -> None:
    """Use each command once and check what it reports and changes; the system trades before and afterwards."""
    operator = Operator(cli)
    operator.until(lambda: operator("fills", "--limit", "1")["fills"], "the first fill")
    check_limits(operator)
    check_transfers(operator)
    check_lists(operator)
    check_models(operator)
    check_shadow(operator)
    check_halt(operator)
    check_flatten(operator)
    report = operator("reconcile")
    assert (report["equal"], report["differences"], report["errors_of_totals"]) == (True, [], {}), report
    check_why(operator)
    assert operator.status()["mode"] == "running"


def check_limits(operator: Operator) -> None:
    before = operator("limits", "show")["limits"]
    changed = operator("limits", "set", "open_orders=900", "order_size_centi=500000")["limits"]
    assert changed == before | {"open_orders": 900, "order_size_centi": 500_000}
    operator("limits", "set", "no_such_limit=1", code=2)
    assert operator("limits", "clear", "order_size_centi")["limits"] == before | {"open_orders": 900}
    operator("limits", "clear")
    assert operator("limits", "show")["limits"] == {}


def check_transfers(operator: Operator) -> None:
    before = operator.status()["deposits_micros"]
    ids = [f"{verb}-{time.time_ns()}" for verb in ("deposit", "withdraw")]
    for outcome in ("adjusted", "duplicate"):
        assert operator("deposit", "100.00", "--id", ids[0])["result"] == outcome
    assert operator("withdraw", "30", "--id", ids[1])["amount_micros"] == -30 * DOLLAR
    operator("withdraw", "100000000", code=2)
    assert operator.status()["deposits_micros"] == before + 70 * DOLLAR


def check_lists(operator: Operator) -> None:
    operator.until(lambda: operator("orders")["orders"], "an open order")
    fill = operator("fills", "--limit", "1")["fills"][0]
    assert {each["ticker"] for each in operator("fills", fill["ticker"], "--limit", "5")["fills"]} == {fill["ticker"]}
    operator.until(lambda: operator("positions")["positions"], "a position")
    profit = operator("pnl")
    assert profit["account"]["conservation_error_micros"] == 0
    assert fill["ticker"] in {market["ticker"] for market in profit["markets"]}


def check_models(operator: Operator) -> None:
    """A model that never acts is added and made active, and the earlier one is made active again."""
    content = onnx_bytes(metadata(name=NAME).to_properties())
    first = operator.status()["model"]
    checked = operator("models", "check", "-", given=content)
    operator("models", "check", "-", given=b"no model", code=2)
    operator("models", "add", "-", code=2, given=content)
    assert operator("models", "add", "-", "--name", NAME, given=content)["name"] == NAME
    listed = {model["name"]: model for model in operator("models", "list")["models"]}
    assert listed[NAME]["sha256"] == checked["sha256"]
    assert not listed[NAME]["is_active"]
    operator("models", "activate", "no-such-model", code=2)
    assert operator("models", "activate", NAME)["is_active"]
    operator.until(lambda: operator.status()["model"] == NAME, "the new model to decide")
    assert operator("models", "rollback")["is_active"]
    operator.until(lambda: operator.status()["model"] == first, "the earlier model to decide")


def check_shadow(operator: Operator) -> None:
    """That model runs beside the active one, is compared, promoted, and the earlier one is made active again."""
    first = operator.status()["model"]

    def is_compared() -> bool:
        ended, text = operator.cli("models", "compare", "--json")
        report = json.loads(text) if ended == 0 else {"error": "", "compared": 0, "events": 0}
        assert report["error"] == "", report
        return report["compared"] > 0 and report["events"] > 0

    assert operator("models", "shadow", NAME)["is_shadow"]
    operator.until(is_compared, "decisions of both models")
    assert operator.status()["model"] == first
    operator("models", "promote", code=2)
    assert operator("models", "promote", "--yes")["is_active"]
    operator.until(lambda: operator.status()["model"] == NAME, "the promoted model to decide")
    assert operator("models", "rollback")["is_active"]
    operator.until(lambda: operator.status()["model"] == first, "the earlier model to decide")
    kinds = [change["kind"] for change in operator("models", "history")["changes"]]
    assert {"shadow_set", "promoted", "rolled_back", "in_use"} <= set(kinds)


def check_halt(operator: Operator) -> None:
    assert operator("halt", "--keep-orders") == {"result": "held", "orders": "kept"}
    assert operator("resume")["result"] == "released"
    assert operator("halt") == {"result": "held", "orders": "cancelled"}
    assert operator.status()["mode"] == "halted"
    operator.until(lambda: not operator("orders")["orders"], "no open order")
    operator("flatten", code=2)
    resumed = operator("resume")
    assert (resumed["result"], resumed["mode"], resumed["may_trade"]) == ("released", "running", True), resumed
    assert operator("resume")["result"] == "no_hold"
    fills = operator.status()["fills"]
    operator.until(lambda: operator("orders")["orders"], "an order after the halt")
    operator.until(lambda: operator.status()["fills"] != fills, "a fill after the halt")


def check_flatten(operator: Operator) -> None:
    """Positions that no bid or ask is there for stay open and are reported; a repeated flatten closes the others."""

    def is_flat() -> bool:
        ended, text = operator.cli("flatten", "--max-slip-cc", "9900", "--json")
        report = json.loads(text)
        assert ended == (1 if report["remaining"] else 0), report
        assert report["hold"] == "flatten"
        return not report["remaining"]

    operator.until(is_flat, "no open position")
    assert operator("positions")["positions"] == []
    status = operator.status()
    assert (status["mode"], status["position_cost_micros"]) == ("flattening", 0), status
    assert operator("resume")["result"] == "released"


def check_why(operator: Operator) -> None:
    report = operator("why")
    assert report["funnel"]["verdict"], report
    ticker = operator("fills", "--limit", "1")["fills"][0]["ticker"]
    assert operator("why", ticker)["market"]["ticker"] == ticker
