"""``truebook dashboard``: the operator's page, as a process of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from truebook.runtime.settings import load
from truebook_services.dashboard.settings import DashboardSettings


def dashboard(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port of the page; 0 takes any free one.")] = None,
    beside_run: Annotated[bool, typer.Option("--beside-run", hidden=True)] = False,
) -> None:
    """Serve a page that shows the system and controls it; prints its link and token."""
    from truebook_services.dashboard.run import run_page

    run_page(load(DashboardSettings, dashboard={"port": port}), is_child=beside_run)
