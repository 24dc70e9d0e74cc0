"""``truebook serve SERVICE``: one service as a process, exactly as ``python -m truebook_services.SERVICE``."""

from __future__ import annotations

import runpy
from typing import Annotated, Final

import typer

from truebook_services.cli.errors import UsageError

SERVICES: Final = (
    "ingest", "observation", "policy", "execution", "fill_listener", "reconciler", "paper_exchange",
)  # fmt: skip


def serve(service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]) -> None:
    """Run one service alone, over Kafka and Redis, until it is told to stop."""
    name = service.replace("-", "_")
    if name not in SERVICES:
        raise UsageError(f"there is no service {service!r}; there are {', '.join(SERVICES)}")
    runpy.run_module(f"truebook_services.{name}", run_name="__main__", alter_sys=True)
