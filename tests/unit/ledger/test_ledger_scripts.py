"""The scripts' form: one verb, one file, a header, flags, keys spelled alike on both sides."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from truebook.ledger.keys import LedgerKeys
from truebook.ledger.scripts import COMMON_OF, SCRIPT_NAMES, source
from truebook.ledger.verbs import VERB_OF

LUA = resources.files("truebook.ledger") / "lua"
READS = {"view", "order", "parked_fills", "journal_end"}
OPENERS = {"begin", "fence", "unfence"}


def test_every_file_is_a_script_and_every_verb_has_one() -> None:
    files = {entry.name.removesuffix(".lua") for entry in LUA.iterdir()} - {"common", *COMMON_OF.values()}
    assert files == set(SCRIPT_NAMES) == set(VERB_OF.values()) | READS | OPENERS


@pytest.mark.parametrize("name", SCRIPT_NAMES)
def test_a_script_is_short_and_says_what_it_takes_and_returns(name: str) -> None:
    text = (LUA / f"{name}.lua").read_text()
    lines = text.splitlines()
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 120
    header = "\n".join(line for line in lines[1:] if line.startswith("--"))
    assert re.search(rf"^-- {name}: ", header, re.MULTILINE) and "Returns" in header


@pytest.mark.parametrize("name", SCRIPT_NAMES)
def test_only_the_decision_may_not_run_when_memory_is_full(name: str) -> None:
    flags = source(name).splitlines()[0]
    assert flags == {"reserve": "#!lua"}.get(
        name, "#!lua flags=no-writes" if name in READS else "#!lua flags=allow-oom"
    )


@pytest.mark.parametrize("name", sorted(set(VERB_OF.values())))
def test_a_verb_writes_only_through_the_collected_writes(name: str) -> None:
    """Nothing is written before everything has been judged: ``redis.call`` outside the common text only reads."""
    own = (LUA / f"{name}.lua").read_text()
    called = set(re.findall(r"call\('(\w+)'", own))
    assert called <= {"HGET", "HGETALL", "HEXISTS", "HVALS", "LINDEX", "ZRANGEBYSCORE"}


def test_scripts_know_the_keys_in_the_order_in_which_they_are_passed() -> None:
    named = dict(re.findall(r"(\w+) = KEYS\[(\d+)\]", (LUA / "common.lua").read_text()))
    keys = LedgerKeys("sim-main")
    passed = keys.for_script()
    assert len(named) == len(passed) == len(set(passed))
    for name, number in named.items():
        assert passed[int(number) - 1] == f"truebook:1:{{sim-main}}:{name}" + (":" if name == "fills" else "")


def test_all_keys_of_an_account_lie_in_one_slot() -> None:
    keys = LedgerKeys("sim-main").for_script("exchange-order-1")
    assert {re.findall(r"\{(.*?)\}", key)[0] for key in keys} == {"sim-main"}
    assert "truebook:1:{sim-main}:fills:exchange-order-1" in keys


@pytest.mark.parametrize("account", ["", "a{b", "a}b"])
def test_an_account_whose_name_would_change_the_slot_is_refused(account: str) -> None:
    with pytest.raises(ValueError, match="account"):
        LedgerKeys(account)
