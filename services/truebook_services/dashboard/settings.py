"""Settings of the operator's page."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field

from truebook.runtime.settings import Section
from truebook_services.serving.settings import LayoutSection, ServeSettings

PORT: Final = 8650


class DashboardSection(Section):
    """The page listens on loopback; a container binds another address and publishes it on loopback only."""

    enabled: bool = True
    """Serve the page beside `truebook run` in a terminal; `--dashboard` and `--no-dashboard` have priority."""
    host: str = "127.0.0.1"
    """Address on which the page is served."""
    port: int = Field(default=PORT, ge=0, le=65_535)
    """Port of the page; 0 takes any free one. `truebook run` takes any free one where another process has this port."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names, beside localhost and the loopback addresses, under which a browser may call the page."""
    token_file: Path | None = None
    """File with the token that opens the page; none: `dashboard-token` in the state folder, created when missing."""
    session_h: float = Field(default=12.0, gt=0, le=24 * 30)
    """Hours until a browser needs the token again."""
    poll_ms: int = Field(default=250, ge=100, le=5_000)
    """Interval at which changes are read and pushed to the open pages."""


class DashboardSettings(ServeSettings):
    """Settings of the process that serves the page."""

    dashboard: DashboardSection = DashboardSection()
    observation: LayoutSection = LayoutSection()
