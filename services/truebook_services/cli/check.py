"""The result of one check of ``truebook doctor``: a line with what to do."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "warning", "problem"]
SEVERITY: tuple[State, ...] = ("ok", "warning", "problem")


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check's result; ``hint`` is empty where nothing is to be done."""

    name: str
    state: State
    detail: str
    hint: str = ""


def ok(name: str, detail: str, hint: str = "") -> Check:
    return Check(name=name, state="ok", detail=detail, hint=hint)


def warning(name: str, detail: str, hint: str) -> Check:
    return Check(name=name, state="warning", detail=detail, hint=hint)


def problem(name: str, detail: str, hint: str) -> Check:
    return Check(name=name, state="problem", detail=detail, hint=hint)


def worst(checks: list[Check]) -> State:
    """Return the most severe state among them."""
    return max((check.state for check in checks), key=SEVERITY.index, default="ok")
