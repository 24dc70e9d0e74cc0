"""Loads the Lua scripts: one verb, one file, with what they share in front."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

SCRIPT_NAMES: Final = (
    "open_account", "reserve", "acknowledge", "settle_fill", "close", "mark_unknown", "settle_market", "adjust",
    "hold", "release", "set_limits", "raise_epoch", "next_number", "advance_watermark", "forget",
    "begin", "view", "order", "parked_fills", "journal_end", "fence", "unfence",
)  # fmt: skip
COMMON_OF: Final = {"reserve": "common_decisions", "acknowledge": "common_news", "close": "common_news"}
"""What some verbs share beside ``common``. The others are spared it: a script runs its whole text at every call."""


@cache
def source(name: str, restorer: str = "") -> str:
    """Give the full text of a script: its ``#!lua`` line (with its flags), the shared text, then its own.

    ``restorer`` is the name under which it passes a fence. It stands in the text: so no call of others has to carry it.
    """
    folder = resources.files(__package__) / "lua"
    parts = ["common", *([COMMON_OF[name]] if name in COMMON_OF else [])]
    shared = "\n".join([(folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts])
    first_line, own = (folder / f"{name}.lua").read_text(encoding="utf-8").split("\n", 1)
    return f"{first_line}\nlocal RESTORER = '{restorer}'\n{shared}\n{own}"
