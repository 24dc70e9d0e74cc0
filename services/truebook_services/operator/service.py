"""Composition root of the operator's API: the application, its address and its token file."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette

from truebook.ledger.port import LedgerStore
from truebook.runtime.http import serve_http
from truebook_services.operator.access import Access, new_token, remove_access, write_access
from truebook_services.operator.api import CancelAll, OperatorApi, Status, Why, operator_app
from truebook_services.operator.settings import OperatorSettings


def build(
    settings: OperatorSettings,
    *,
    status: Status,
    ledger: LedgerStore,
    cancel_all: CancelAll,
    token: str,
    why: Why | None = None,
) -> Starlette:
    """The application, without a socket."""
    return operator_app(
        OperatorApi(status, ledger, cancel_all, why=why, cancel_within_s=settings.cancel_within_s), token
    )


@asynccontextmanager
async def serve_operator(
    settings: OperatorSettings,
    *,
    status: Status,
    ledger: LedgerStore,
    cancel_all: CancelAll,
    folder: Path,
    why: Why | None = None,
) -> AsyncIterator[Access]:
    """Serve the API on loopback while entered; its access file lies in ``folder``. Raises ``PortInUse``."""
    token = new_token()
    app = build(settings, status=status, ledger=ledger, cancel_all=cancel_all, token=token, why=why)
    async with serve_http(app, settings.port) as port:
        access = Access(url=f"http://127.0.0.1:{port}", token=token, pid=os.getpid())
        write_access(folder, access)
        try:
            yield access
        finally:
            remove_access(folder, access)
