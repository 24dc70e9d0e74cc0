"""Finds the handler of a request by its path: one look-up per part of the path, whatever the number of endpoints.

Anything that is no endpoint (another path, another method, a redirect) is left to the Starlette application with the
same routes, whose rules are kept: an endpoint that is written out precedes one with a parameter in that place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

Serve = Callable[[Request], Awaitable[Response]]
_PARAMETER: Final = "{"
"""No part of a path that is written out begins with it."""


class _Node:
    """One part of the paths: those that follow, and the route that ends here."""

    __slots__ = ("following", "names", "serve")

    def __init__(self) -> None:
        self.following: dict[str, _Node] = {}
        self.serve: Serve | None = None
        self.names: tuple[str, ...] = ()


class RoutedApplication:
    """The ASGI application: endpoints directly, the rest by Starlette."""

    def __init__(self, routes: Iterable[tuple[Route, Serve]], rest: Starlette) -> None:
        self._by_method: dict[str, _Node] = {}
        self._rest = rest
        for route, serve in routes:
            for method in route.methods or ():
                self._add(self._by_method.setdefault(method, _Node()), route.path, serve)

    def _add(self, node: _Node, path: str, serve: Serve) -> None:
        names = []
        for part in path.split("/"):
            is_parameter = part.startswith(_PARAMETER)
            if is_parameter:
                names.append(part[1:-1])
            node = node.following.setdefault(_PARAMETER if is_parameter else part, _Node())
        if node.serve is None:  # Starlette takes the first of two equal routes
            node.serve, node.names = serve, tuple(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = self._by_method.get(scope["method"]) if scope["type"] == "http" else None
        found = None if root is None else _find(root, scope["path"].split("/"), 0, ())
        if found is None:
            await self._rest(scope, receive, send)
            return
        serve, scope["path_params"] = found
        response = await serve(Request(scope, receive, send))
        await response(scope, receive, send)


def _find(node: _Node, parts: list[str], at: int, values: tuple[str, ...]) -> tuple[Serve, dict[str, str]] | None:
    """Return the handler and the values of the path's parameters."""
    if at == len(parts):
        return None if node.serve is None else (node.serve, dict(zip(node.names, values, strict=True)))
    part = parts[at]
    exact = node.following.get(part)
    if exact is not None and part != _PARAMETER:
        found = _find(exact, parts, at + 1, values)
        if found is not None:
            return found
    named = node.following.get(_PARAMETER)
    return _find(named, parts, at + 1, (*values, part)) if named is not None and part else None
