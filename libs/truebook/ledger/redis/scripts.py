"""Loads the Lua scripts: one verb or read, one file, which names the shared files that it includes.

A script's text is its ``#!lua`` line (with its flags), the included files of ``lua/include`` in the order of its line
``-- include: ...``, and the rest of the file. A script runs its whole text at every call, and every function that the
text defines is made then. So of the shared functions only those stay that the script can reach, and the constants that
both languages share, like the keys, are replaced by their values: what a function captures costs time too.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

from truebook.ledger.redis.keys import LedgerKeys
from truebook.ledger.rules.state import MAX_FEE_RATE_PPM, MAX_SINGLE_MICROS, MAX_SIZE_CENTI, MINUTE_US
from truebook.ledger.verbs import Mode
from truebook.messages.ids import CLIENT_ORDER_PREFIX
from truebook.money import MAX_AMOUNT, ONE_DOLLAR_CC
from truebook.venue.shards import MAX_SHARD, TRANSFER_UNIT_MICROS

_FOLDER: Final = resources.files("truebook.ledger") / "lua"
_INCLUDE: Final = re.compile(r"^-- include: (.*)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^ *--.*\n| +-- .*$", re.MULTILINE)
_SHARED: Final = re.compile(r"^  (\w+) = function\(.*?^  end,\n", re.MULTILINE | re.DOTALL)
"""One function of a shared table."""
_CALLED: Final = re.compile(r"\b[A-Z]\.(\w+)\b")
"""A field of a table with a name of one letter: a shared function or a key."""
_KEY: Final = re.compile(r"\bK\.(\w+)\b")
_SEVERITIES: Final = ", ".join(f"{mode} = {mode.severity}" for mode in Mode)
_CONSTANTS: Final = {
    "DOLLAR_CC": ONE_DOLLAR_CC, "MAX_AMOUNT": MAX_AMOUNT, "MAX_SIZE_CENTI": MAX_SIZE_CENTI,
    "MAX_SINGLE_MICROS": MAX_SINGLE_MICROS, "MAX_FEE_RATE_PPM": MAX_FEE_RATE_PPM, "MINUTE_US": MINUTE_US,
    "MAX_SHARD": MAX_SHARD, "TRANSFER_UNIT_MICROS": TRANSFER_UNIT_MICROS, "OUR_ID_PREFIX": f"'{CLIENT_ORDER_PREFIX}'",
    "SEVERITY": f"({{ {_SEVERITIES} }})",
}  # fmt: skip
_NAMES: Final = re.compile(rf"\b(?:{'|'.join(_CONSTANTS)}|VERB|RESTORER)\b")


@cache
def script_names() -> tuple[str, ...]:
    """Return the names of all scripts."""
    return tuple(sorted(entry.name.removesuffix(".lua") for entry in _FOLDER.iterdir() if entry.name.endswith(".lua")))


@cache
def source(name: str, restorer: str = "") -> str:
    """Return the full text of a script.

    ``restorer`` is the name under which it may change an account that is being restored. It is part of the text, so
    that no other call has to pass it.
    """
    values = _CONSTANTS | {"VERB": f"'{name}'", "RESTORER": f"'{restorer}'"}
    numbers = {key.rstrip(":"): number for number, key in enumerate(keys_of(name), start=1)}
    first_line, text = _text(name)
    text = _KEY.sub(lambda key: f"KEYS[{numbers[key.group(1)]}]", text)
    return f"{first_line}\nlocal KEYS = KEYS\n{_NAMES.sub(lambda constant: str(values[constant.group()]), text)}"


@cache
def keys_of(name: str) -> tuple[str, ...]:
    """Return the names of the keys that a script uses, in the order in which they are passed to it."""
    used = set(_KEY.findall(_text(name)[1]))
    return tuple(key for key in LedgerKeys.NAMES if key.rstrip(":") in used)


@cache
def takes_several(name: str) -> bool:
    """Whether a script takes the arguments of several calls, and returns the reply of each."""
    return "several" in _included(name)


@cache
def _text(name: str) -> tuple[str, str]:
    """Return a script's first line, and its text with the shared functions that it can reach, without comments."""
    first_line, own = _read(f"{name}.lua").split("\n", 1)
    shared = _COMMENT.sub("", "\n".join(_read(f"include/{part}.lua") for part in _included(name)))
    own = _COMMENT.sub("", own)
    calls = {function.group(1): set(_CALLED.findall(function.group())) for function in _SHARED.finditer(shared)}
    reached: set[str] = set()
    found = set(_CALLED.findall(own)) & calls.keys()
    while found:
        reached |= found
        found = {called for function in found for called in calls[function]} & calls.keys() - reached
    return first_line, f"{_SHARED.sub(lambda each: each.group() if each.group(1) in reached else '', shared)}\n{own}"


def _included(name: str) -> list[str]:
    included = _INCLUDE.search(_read(f"{name}.lua"))
    return included.group(1).split(", ") if included is not None else []


def _read(path: str) -> str:
    return _FOLDER.joinpath(path).read_text(encoding="utf-8")
