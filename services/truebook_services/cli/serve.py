"""``truebook serve SERVICE``: one service as a process, the same as ``python -m truebook_services.SERVICE``."""

from __future__ import annotations

import runpy
from typing import Annotated, Final

import typer

from truebook_services.cli.errors import UsageError

SERVICES: Final = (
    "ingest", "observation", "policy", "execution", "fill_listener", "reconciler", "paper_exchange", "alerts",
)  # fmt: skip


def serve(service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]) -> None:
    """Run one service as a process over Kafka and Redis."""
    name = service.replace("-", "_")
    if name not in SERVICES:
        raise UsageError(f"unknown service {service!r}; use one of {', '.join(SERVICES)}")
    runpy.run_module(f"truebook_services.{name}", run_name="__main__", alter_sys=True)
