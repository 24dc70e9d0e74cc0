"""The scripts' form: one verb, one file, a header, flags, includes, keys with the same names in both languages."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable

import pytest

from truebook.ledger.redis.keys import SCHEMA, LedgerKeys
from truebook.ledger.redis.scripts import keys_of, script_names, source, takes_several
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
    for part, table in {"decision": "D", "holds": "H", "order_reports": "R", "several": "S", "transfers": "T"}.items():
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


def _code(name: str) -> str:
    return re.sub(r"--.*", "", (LUA / f"{name}.lua").read_text())


@pytest.mark.parametrize("name", script_names())
def test_a_script_gets_the_keys_that_it_uses(name: str) -> None:
    keys = keys_of(name)
    assert [key for key in LedgerKeys.NAMES if key in keys] == list(keys) != []
    assert {key.rstrip(":") for key in keys} >= set(re.findall(r"\bK\.(\w+)", _code(name)))
    used = set(map(int, re.findall(r"KEYS\[(\d+)\]", source(name))))
    assert used == set(range(1, len(keys) + 1))


def test_keys_are_passed_in_their_place() -> None:
    keys = LedgerKeys("sim-main").for_script(keys_of("next_number"))
    counters = keys.index(f"truebook:{SCHEMA}:{{sim-main}}:counters") + 1
    assert f"call('HGET', KEYS[{counters}], args.name)" in source("next_number")


@pytest.mark.parametrize("name", script_names())
def test_a_script_has_the_functions_that_it_calls(name: str) -> None:
    text = source(name)
    defined = re.findall(r"^  (\w+) = function\(", text, re.MULTILINE)
    called = set(re.findall(r"\b[A-Z]\.(\w+)", text))
    assert len(defined) == len(set(defined))
    assert set(defined) == called


@pytest.mark.parametrize("name", script_names())
def test_no_name_of_a_constant_or_key_is_left_in_a_script(name: str) -> None:
    text = source(name)
    assert not re.search(r"\bK\.|\b(DOLLAR_CC|SEVERITY|VERB|RESTORER|OUR_ID_PREFIX|MINUTE_US)\b|\bMAX_", text)


def test_only_a_reserve_takes_several_calls() -> None:
    assert [name for name in script_names() if takes_several(name)] == ["reserve"]


def test_all_keys_of_an_account_are_in_one_slot() -> None:
    keys = LedgerKeys("sim-main").for_script(LedgerKeys.NAMES, "exchange-order-1")
    assert {re.findall(r"\{(.*?)\}", key)[0] for key in keys} == {"sim-main"}
    assert f"truebook:{SCHEMA}:{{sim-main}}:fills:exchange-order-1" in keys


@pytest.mark.parametrize("account", ["", "a{b", "a}b"])
def test_an_account_name_that_would_change_the_slot_is_refused(account: str) -> None:
    with pytest.raises(ValueError, match="account"):
        LedgerKeys(account)
