"""What ``truebook doctor`` finds: one line each, with what to do."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "warning", "problem"]
SEVERITY: tuple[State, ...] = ("ok", "warning", "problem")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check's outcome; ``what_to_do`` is empty where nothing is to be done."""

    check: str
    state: State
    about: str
    what_to_do: str = ""


def ok(check: str, about: str, what_to_do: str = "") -> Finding:
    return Finding(check=check, state="ok", about=about, what_to_do=what_to_do)


def warning(check: str, about: str, what_to_do: str) -> Finding:
    return Finding(check=check, state="warning", about=about, what_to_do=what_to_do)


def problem(check: str, about: str, what_to_do: str) -> Finding:
    return Finding(check=check, state="problem", about=about, what_to_do=what_to_do)


def worst(findings: list[Finding]) -> State:
    """The most severe state among them."""
    return max((finding.state for finding in findings), key=SEVERITY.index, default="ok")
