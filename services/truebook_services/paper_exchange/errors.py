"""The exchange's error responses, in each of their shapes.

(a) nested ``{"error": {...}}``: signatures and the matching engine    (b) flat ``{"code", ...}``: unreadable bodies
(c) ``{"msg": ...}``: query parameters                                 (d) ``{"error": "too many requests"}``: 429
"""

from __future__ import annotations

from typing import Any

from truebook.simulation.venue.orders import Rejected

_DOCS = "https://docs.kalshi.com/api-reference/orders/create-order-v2"


class WireError(Exception):
    """An error response: raised by a handler, written by the application."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"HTTP {status} {body}")
        self.status = status
        self.body = body


def nested(status: int, code: str, details: str = "", message: str = "") -> WireError:
    """Shape (a)."""
    return WireError(status, {"error": nested_body(code, details, message)})


def nested_body(code: str, details: str = "", message: str = "") -> dict[str, str]:
    """The inner object of shape (a), which is also an element of a batch response."""
    body = {"code": code, "message": message or code.replace("_", " ")}
    if details and details != body["message"]:
        body["details"] = details
    return body


def rejected(rejection: Rejected) -> WireError:
    """A rejection by the matching engine."""
    return WireError(rejection.status, {"error": rejected_body(rejection)})


def rejected_body(rejection: Rejected) -> dict[str, str]:
    """The inner object of a rejection by the engine; as recorded, it names the service if it has no details."""
    body = nested_body(rejection.code, rejection.detail)
    return body if "details" in body else body | {"service": "exchange"}


def bad_request(details: str) -> WireError:
    """Shape (b): a body that cannot be decoded into the request's fields."""
    return WireError(400, {"code": "bad_request", "message": "bad request", "details": details})


def bad_parameter(operation: str, field: str, rule: str) -> WireError:
    """Shape (c): a query parameter that breaks its rule."""
    where = f"Key: '{operation}Params.{field}' Error:Field validation for '{field}' failed on the '{rule}' tag"
    return WireError(400, {"msg": f"Parameter validation failed for {operation}: {where}"})


def unauthenticated(code: str, details: str = "") -> WireError:
    """A 401; ``authentication_error`` is the one code whose message keeps its underscore."""
    return nested(401, code, details, message=code if code == "authentication_error" else "")


def not_found() -> WireError:
    return nested(404, "not_found")


def too_many_requests() -> WireError:
    """Shape (d); the exchange sends no ``Retry-After`` header."""
    return WireError(429, {"error": "too many requests"})


def legacy_endpoint() -> WireError:
    """The order endpoints that the exchange removed in June 2026."""
    return nested(410, "deprecated_v1_order_endpoint", _DOCS, "Please switch to the V2 endpoints")
