"""One open page in a browser: what it is sent, what it requests, and its end.

The page's elements are drawn in the browser from what is sent here (``static/page.js``): the server holds no element
per row. A page is sent the next changes only after it has shown the last but one: a slow line gets fewer of them, and
nothing queues up here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from nicegui import Client
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from truebook.clock import MICROS
from truebook_services.dashboard.board import ACCOUNT, DECISIONS, EVENTS, FUNNEL, POINTS, ROWS, SERVICES, Board
from truebook_services.dashboard.controls import Controls, refused
from truebook_services.dashboard.poller import Poller

STATIC: Final = Path(__file__).with_name("static")
MAX_UNSHOWN: Final = 2
TICK_US: Final = 2 * MICROS
"""A page without changes is sent the time at this interval, and its session is checked."""
ALWAYS: Final = (ACCOUNT, FUNNEL)
TABLES: Final[dict[str, tuple[str, ...]]] = {
    "overview": (POINTS, EVENTS, SERVICES),
    "markets": (ROWS,),
    "market": (),
    "orders": (DECISIONS, EVENTS),
    "model": (),
    "system": (SERVICES, EVENTS),
    "statement": (),
}
"""What each view shows, beside ``ALWAYS``."""
SUBJECTS: Final[dict[str, tuple[str, ...]]] = {
    "overview": ("system",),
    "model": ("model", "models"),
    "system": ("system", "limits"),
}


class PageElement(Element, component=STATIC / "page.js"):
    """Draws the whole page."""

    def __init__(self, view: str, name: str) -> None:
        super().__init__()
        self.props["view"] = view
        self.props["name"] = name


class OpenPage:
    """Connects one browser's page with the board, the poller and the controls."""

    def __init__(
        self, client: Client, element: PageElement, view: str, name: str, *, board: Board, poller: Poller,
        controls: Controls, is_signed_in: Callable[[], bool], now_us: Callable[[], int],
    ) -> None:  # fmt: skip
        self._client = client
        self._element = element
        self._board = board
        self._poller = poller
        self._controls = controls
        self._is_signed_in = is_signed_in
        self._now_us = now_us
        self._tables = (*ALWAYS, *TABLES[view])
        self._fixed = SUBJECTS.get(view, ()) or ((f"market/{name}",) if view == "market" else ())
        self._requested: tuple[str, ...] = ()
        self._seen = self._unshown = 0
        self._sent_us = 0
        element.on("shown", self._shown)
        element.on("subject", self._select)
        element.on("control", self._control)
        client.on_connect(self._connected)
        client.on_disconnect(self._disconnected)
        client.on_delete(lambda: poller.close(self))

    @property
    def subjects(self) -> tuple[str, ...]:
        return (*self._fixed, *self._requested)

    def refresh(self) -> None:
        """Send what changed, unless the browser is behind."""
        if not self._client.has_socket_connection or self._unshown >= MAX_UNSHOWN:
            return
        patch = self._board.since(self._seen, (*self._tables, *self.subjects))
        now_us = self._now_us()
        if "tables" not in patch and "source" not in patch and now_us - self._sent_us < TICK_US:
            return
        if not self._is_signed_in():
            self._element.run_method("sign_out")
            return
        patch["all"] = self._seen == 0
        patch["now_us"] = self._board.time_us(now_us)
        self._seen, self._sent_us = self._board.version, now_us
        self._unshown += 1
        self._element.run_method("apply", patch)

    def _connected(self) -> None:
        self._seen = self._unshown = 0
        self._poller.open(self)
        self.refresh()

    def _disconnected(self) -> None:
        if not self._client.has_socket_connection:  # an old socket may end after the browser has a new one
            self._poller.close(self)

    def _shown(self) -> None:
        self._unshown = max(0, self._unshown - 1)

    def _select(self, event: GenericEventArguments) -> None:
        """Read what the operator opened inside the page: a decision, or the statement of a day."""
        given = event.args if isinstance(event.args, list) else [event.args]
        allowed = ("decision", "statement")
        self._requested = tuple(
            each for each in given if isinstance(each, str) and each.partition("/")[0] in allowed and len(each) < 200
        )[:4]
        self._seen = 0  # a subject that is selected again has to be sent in full
        self._poller.open(self)

    async def _control(self, event: GenericEventArguments) -> None:
        if self._is_signed_in():
            outcome = await self._controls.handle(event.args)
        else:
            outcome = refused(event.args, "the session has ended", "sign in again")
        if not self._client.is_deleted:
            self._element.run_method("outcome", msgspec.to_builtins(outcome))
