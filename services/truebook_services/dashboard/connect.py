"""Connects the page with what runs: the operator's port, and the live views."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from truebook.runtime.settings import TruebookSettings
from truebook_services.dashboard.poller import Backend
from truebook_services.operator.connect import open_live, open_operator


@asynccontextmanager
async def open_backend(settings: TruebookSettings) -> AsyncIterator[Backend]:
    """Connect while entered; raises what can't be reached or is refused."""
    async with open_operator(settings) as operator, open_live(settings) as live:
        yield Backend(live, operator)
