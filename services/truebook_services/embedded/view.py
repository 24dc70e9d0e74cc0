"""What shows a run to a person: the command's port."""

from __future__ import annotations

from typing import Protocol

from truebook_services.operator.port import Status


class View(Protocol):
    """Shows the run to a person every ``every_s`` seconds."""

    every_s: float

    def show(self, status: Status, events: list[str]) -> None: ...
    def report(self, text: str) -> None: ...
