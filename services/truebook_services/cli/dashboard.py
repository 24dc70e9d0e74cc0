"""``truebook dashboard``: the operator's page, as a process of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from truebook.runtime.settings import load
from truebook_services.dashboard.access import link, page_token, read_address
from truebook_services.dashboard.settings import DashboardSettings
from truebook_services.operator.port import NotRunning


def dashboard(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port of the page; 0 takes any free one.")] = None,
    link_: Annotated[
        bool, typer.Option("--link", help="Print the link of the page that is served, with its token, and exit.")
    ] = False,
    beside_run: Annotated[bool, typer.Option("--beside-run", hidden=True, help="Used by `truebook run`.")] = False,
) -> None:
    """Serve a page that shows the system and controls it; prints its link."""
    settings = load(DashboardSettings, dashboard={"port": port})
    if link_:
        print(_link(settings))
        return
    from truebook_services.dashboard.run import run_page

    run_page(settings, is_child=beside_run)


def _link(settings: DashboardSettings) -> str:
    address = read_address(settings.state_path)
    if address is None:
        raise NotRunning(f"no page is served for {settings.state_path}", "start one: `truebook dashboard`")
    token, _ = page_token(settings.dashboard.token_file, settings.state_folder)
    return link(address.url, token)
