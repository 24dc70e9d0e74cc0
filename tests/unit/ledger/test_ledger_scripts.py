"""The scripts' form: one verb, one file, a header, flags, includes, keys with the same names in both languages."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable

import pytest

from truebook.ledger.redis.keys import SCHEMA, LedgerKeys
from truebook.ledger.redis.scripts import script_names, source
from truebook.ledger.rules.ledger import RULES
from truebook.ledger.verbs import VERBS

LUA = resources.files("truebook.ledger") / "lua"
READS = {"view", "order", "parked_fills", "journal_end"}
OPENERS = {"begin", "begin_restore", "end_restore"}


def test_every_verb_has_one_rule_and_one_script() -> None:
    assert set(RULES) == set(VERBS)
    assert set(script_names()) == set(VERBS) | READS | OPENERS


@pytest.mark.parametrize("name", script_names())
def test_a_script_is_short_and_documents_what_it_returns(name: str) -> None:
    lines = (LUA / f"{name}.lua").read_text().splitlines()
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 120
    header = "\n".join(line for line in lines[1:] if line.startswith("--"))
    assert re.search(rf"^-- {name}: ", header, re.MULTILINE) and "Returns" in header


@pytest.mark.parametrize("name", script_names())
def test_a_script_names_its_includes(name: str) -> None:
    """The included functions that it calls are those of the files that it names."""
    text = (LUA / f"{name}.lua").read_text()
    included = text.splitlines()[1].removeprefix("-- include: ").split(", ")
    assert included[0] == "common"
    for part, table in {"decision": "D", "order_reports": "R", "transfers": "T"}.items():
        assert (part in included) == bool(re.search(rf"\b{table}\.", text))
    assert ("fills" in included) == ("order_reports" in included or bool(re.search(r"\bF\.", text)))


@pytest.mark.parametrize("entry", list((LUA / "include").iterdir()), ids=lambda entry: entry.name)
def test_an_included_file_has_at_most_400_lines(entry: Traversable) -> None:
    lines = entry.read_text().splitlines()
    assert len(lines) <= 400
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", script_names())
def test_only_a_decision_may_not_run_when_memory_is_full(name: str) -> None:
    if name in READS:
        expected = "#!lua flags=no-writes"
    else:
        expected = "#!lua" if name in VERBS and VERBS[name].IS_DECISION else "#!lua flags=allow-oom"
    assert source(name).splitlines()[0] == expected


@pytest.mark.parametrize("name", sorted(VERBS))
def test_a_verb_writes_only_through_the_queued_writes(name: str) -> None:
    """Nothing is written before every check: ``redis.call`` outside the included text only reads."""
    called = set(re.findall(r"call\('(\w+)'", (LUA / f"{name}.lua").read_text()))
    assert called <= {"HGET", "HGETALL", "HEXISTS", "HVALS", "LINDEX", "ZRANGEBYSCORE"}


def test_scripts_use_the_keys_in_the_order_in_which_they_are_passed() -> None:
    named = dict(re.findall(r"(\w+) = KEYS\[(\d+)\]", source("view")))
    passed = LedgerKeys("sim-main").for_script()
    assert len(named) == len(passed) == len(set(passed))
    for name, number in named.items():
        assert passed[int(number) - 1] == f"truebook:{SCHEMA}:{{sim-main}}:{name}" + (":" if name == "fills" else "")


def test_all_keys_of_an_account_are_in_one_slot() -> None:
    keys = LedgerKeys("sim-main").for_script("exchange-order-1")
    assert {re.findall(r"\{(.*?)\}", key)[0] for key in keys} == {"sim-main"}
    assert f"truebook:{SCHEMA}:{{sim-main}}:fills:exchange-order-1" in keys


@pytest.mark.parametrize("account", ["", "a{b", "a}b"])
def test_an_account_name_that_would_change_the_slot_is_refused(account: str) -> None:
    with pytest.raises(ValueError, match="account"):
        LedgerKeys(account)
