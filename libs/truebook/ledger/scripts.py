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


@cache
def source(name: str, restorer: str = "") -> str:
    """Give the full text of a script: its ``#!lua`` line (with its flags), the shared text, then its own.

    ``restorer`` is the name under which it passes a fence. It stands in the text: so no call of others has to carry it.
    """
    folder = resources.files(__package__) / "lua"
    shared = (folder / "common.lua").read_text(encoding="utf-8")
    first_line, own = (folder / f"{name}.lua").read_text(encoding="utf-8").split("\n", 1)
    return f"{first_line}\nlocal RESTORER = '{restorer}'\n{shared}\n{own}"
