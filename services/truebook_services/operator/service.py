"""Composition root of the operator's API: the application, its address and its access file."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from truebook.runtime.http import serve_http
from truebook_services.operator.access import Access, new_token, remove_access, write_access
from truebook_services.operator.api import operator_app
from truebook_services.operator.live import LiveSource
from truebook_services.operator.port import Operator
from truebook_services.operator.settings import OperatorSettings


@asynccontextmanager
async def serve_operator(
    settings: OperatorSettings, operator: Operator, folder: Path, live: LiveSource | None = None
) -> AsyncIterator[Access]:  # fmt: skip
    """Serve the API on loopback while entered; its access file is kept in ``folder``. Raises ``PortInUse``."""
    token = new_token()
    async with serve_http(operator_app(operator, token, live), settings.port) as port:
        access = Access(url=f"http://127.0.0.1:{port}", token=token, pid=os.getpid())
        write_access(folder, access)
        try:
            yield access
        finally:
            remove_access(folder, access)
