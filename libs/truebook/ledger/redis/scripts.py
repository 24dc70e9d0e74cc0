"""Loads the Lua scripts: one verb or read, one file, which names the shared files that it includes.

A script's text is its ``#!lua`` line (with its flags), the constants that both languages share, the included files of
``lua/include`` in the order of its line ``-- include: ...``, and the rest of the file.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

from truebook.ledger.redis.keys import LUA_KEYS
from truebook.ledger.rules.state import MAX_FEE_RATE_PPM, MAX_SINGLE_MICROS, MAX_SIZE_CENTI, MINUTE_US
from truebook.ledger.verbs import Mode
from truebook.messages.ids import CLIENT_ORDER_PREFIX
from truebook.money import MAX_AMOUNT, ONE_DOLLAR_CC
from truebook.venue.shards import MAX_SHARD, TRANSFER_UNIT_MICROS

_FOLDER: Final = resources.files("truebook.ledger") / "lua"
_INCLUDE: Final = re.compile(r"^-- include: (.*)$", re.MULTILINE)


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
    first_line, own = _read(f"{name}.lua").split("\n", 1)
    included = _INCLUDE.search(own)
    parts = included.group(1).split(", ") if included is not None else []
    text = "\n".join(_read(f"include/{part}.lua") for part in parts)
    return f"{first_line}\n{_constants(name, restorer)}\n{text}\n{own}"


def _read(path: str) -> str:
    return _FOLDER.joinpath(path).read_text(encoding="utf-8")


def _constants(name: str, restorer: str) -> str:
    severities = ", ".join(f"{mode} = {mode.severity}" for mode in Mode)
    numbers = {
        "DOLLAR_CC": ONE_DOLLAR_CC, "MAX_AMOUNT": MAX_AMOUNT, "MAX_SIZE_CENTI": MAX_SIZE_CENTI,
        "MAX_SINGLE_MICROS": MAX_SINGLE_MICROS, "MAX_FEE_RATE_PPM": MAX_FEE_RATE_PPM, "MINUTE_US": MINUTE_US,
        "MAX_SHARD": MAX_SHARD, "TRANSFER_UNIT_MICROS": TRANSFER_UNIT_MICROS,
    }  # fmt: skip
    return (
        f"local VERB, RESTORER, OUR_ID_PREFIX = '{name}', '{restorer}', '{CLIENT_ORDER_PREFIX}'\n"
        f"local {', '.join(numbers)} = {', '.join(map(str, numbers.values()))}\n"
        f"local SEVERITY = {{ {severities} }}\nlocal KEYS = KEYS\nlocal K = {{ {LUA_KEYS} }}"
    )
