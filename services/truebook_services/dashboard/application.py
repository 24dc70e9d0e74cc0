"""The page's application: NiceGUI's pages behind the gate, the sign-in page, and the files of the views.

NiceGUI keeps its state per process: a process builds one application. The files under ``/static/DIGEST`` may be cached
for ever, since the digest changes with their content.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request
from nicegui import Client, ui
from nicegui.dependencies import register_importmap_override
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from truebook.clock import Clock
from truebook_services.dashboard.board import Board
from truebook_services.dashboard.controls import Controls
from truebook_services.dashboard.guard import Guard, session_of
from truebook_services.dashboard.page import STATIC, OpenPage, PageElement
from truebook_services.dashboard.poller import Poller
from truebook_services.dashboard.sessions import Attempts, Sessions
from truebook_services.dashboard.sign_in import sign_in_routes

LIBRARIES: Final = ("aggrid", "echart")
"""Importing them registers the grid and the charts, which the views import in the browser."""
TITLES: Final = {
    "overview": "Overview", "markets": "Markets", "orders": "Orders and fills", "model": "Model", "system": "System",
    "statement": "Statement",
}  # fmt: skip
RECONNECT_S: Final = 10.0
MIN_COMPRESSED_BYTES: Final = 2_000


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the pages share."""

    board: Board
    poller: Poller
    controls: Controls
    sessions: Sessions
    clock: Clock


def build_application(parts: Parts, allowed_hosts: tuple[str, ...]) -> ASGIApp:
    """Build the application; once per process."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    digest = _digest()
    register_importmap_override("truebook/", f"/static/{digest}/")
    app.router.routes.extend(sign_in_routes(parts.sessions, Attempts(parts.clock.monotonic_us)))
    app.router.routes.append(Route("/favicon.ico", _favicon, methods=["GET"]))
    app.router.routes.append(Mount(f"/static/{digest}", _Immutable(directory=STATIC)))
    app.router.routes.append(Mount("/static", StaticFiles(directory=STATIC)))
    for name in LIBRARIES:
        importlib.import_module(f"nicegui.elements.{name}")
    _add_pages(parts, digest)
    ui.run_with(
        app, title="Truebook", dark=None, language="en-US", tailwind=False, reconnect_timeout=RECONNECT_S,
        message_history_length=20, gzip_middleware_factory=None, binding_refresh_interval=None,
        show_welcome_message=False,
    )  # fmt: skip
    # Compression is outside: the gate reads the pages.
    return GZipMiddleware(Guard(app, parts.sessions, allowed_hosts), MIN_COMPRESSED_BYTES, compresslevel=5)


def _add_pages(parts: Parts, digest: str) -> None:
    def show(request: Request, client: Client, view: str, name: str = "") -> None:
        title = name or TITLES[view]
        ui.page_title(f"{title} · Truebook")
        ui.add_head_html(_head(digest, view))
        cookie = session_of(request.headers, parts.sessions.cookie)
        OpenPage(
            client, PageElement(view, name), view, name, board=parts.board, poller=parts.poller,
            controls=parts.controls, is_signed_in=lambda: parts.sessions.is_valid(cookie), now_us=parts.clock.now_us,
        )  # fmt: skip

    def add(path: str, view: str) -> None:
        @ui.page(path)
        def page(request: Request, client: Client) -> None:
            show(request, client, view)

    for view in TITLES:
        add("/" if view == "overview" else f"/{view}", view)

    @ui.page("/market/{ticker}")
    def market(request: Request, client: Client, ticker: str) -> None:
        show(request, client, "market", ticker)


def _head(digest: str, view: str) -> str:
    """Return what the page's head has beside the framework's: the style, and early loads of the view's modules."""
    modules = ("store.js", "format.js", "shell.js", f"views/{view}.js")
    return (
        f'<link rel="stylesheet" href="/static/{digest}/truebook.css">'
        f'<script src="/static/{digest}/first.js"></script>'
        + "".join(f'<link rel="modulepreload" href="/static/{digest}/{name}">' for name in modules)
    )


class _Immutable(StaticFiles):
    def file_response(self, *args: Any, **options: Any) -> Any:
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return response


async def _favicon(_: Request) -> Response:
    return FileResponse(STATIC / "favicon.svg", media_type="image/svg+xml")


def _digest() -> str:
    """Return a digest of all files of the views."""
    digest = hashlib.sha256()
    for path in sorted(path for path in STATIC.rglob("*") if path.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]
