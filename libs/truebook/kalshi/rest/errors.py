"""Translate failures of the HTTP libraries into the errors of ``kalshi.port``: the only place that does.

Two questions decide: was the request certainly not sent (``Unreachable``), and did the exchange certainly do nothing
(``Refused``)? Everything else is ``OutcomeUnknown``, the only safe result where money may have moved.

The aiohttp transport reports a connection that was lost *after* the request was sent as ``ConnectTimeout``, so the
class of the httpx error proves nothing: if it has an aiohttp error as its cause, that one decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import aiohttp
import httpx
import msgspec

from truebook.decoding import UNREADABLE
from truebook.kalshi.port import (
    SHARD_WITHOUT_CASH,
    AlreadyExists,
    BadResponse,
    ExchangeError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unreachable,
)
from truebook.money import WireFormatError

Body = TypeVar("Body")
T = TypeVar("T")

DETAIL_LIMIT: Final = 300

NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_AIOHTTP_NEVER_SENT: Final = (
    aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,  # the proxy refused the tunnel
)  # fmt: skip

TRANSPORT_ERRORS: Final = (httpx.HTTPError, aiohttp.ClientError, OSError)
"""What a transport may raise for a request; ``OSError`` includes ``TimeoutError``. httpx's other exceptions
(``InvalidURL``, ``CookieConflict``, ``StreamError``) are bugs of the caller and are not translated."""

# Statuses between 400 and 499 that do not prove that nothing was done.
_UNPROVEN: Final = frozenset({408, 499})


def transport_failure(error: Exception, what: str) -> ExchangeError:
    """Translate what the transport raised for the request ``what`` ('POST /portfolio/...')."""
    text = f"{what}: {type(error).__name__}" + (f": {error}" if str(error) else "")
    cause = error if isinstance(error, aiohttp.ClientError) else error.__cause__
    if isinstance(cause, aiohttp.ClientError):
        return Unreachable(text) if isinstance(cause, _AIOHTTP_NEVER_SENT) else OutcomeUnknown(text)
    if isinstance(error, httpx.DecodingError):
        return BadResponse(text)
    return Unreachable(text) if isinstance(error, NEVER_SENT) else OutcomeUnknown(text)


def status_failure(status: int, body: bytes, what: str) -> ExchangeError:
    """Translate a response that is not 2xx; ``what`` names the request where the outcome is unknown."""
    code, detail = read_error(body)
    if not 400 <= status < 500 or status in _UNPROVEN:
        return OutcomeUnknown(
            f"{what}: HTTP {status}" + (f" {code}" if code else "") + (f": {detail}" if detail else "")
        )
    if code.startswith(SHARD_WITHOUT_CASH):
        # The sources differ in the status, and one has the account's id in the code.
        return Refused(status, SHARD_WITHOUT_CASH, detail or code)
    if status == 429:
        return RateLimited(status, code or "too_many_requests", detail)
    if status == 404:
        return NotFound(status, code or "not_found", detail)
    if status == 409 and code == "order_already_exists":
        return AlreadyExists(status, code, detail)
    if status == 409 and not code:
        # It may be the duplicate of an existing order: without its code a 409 proves nothing.
        return OutcomeUnknown(f"{what}: HTTP 409 without a readable code: {detail}")
    return Refused(status, code or f"http_{status}", detail)


def bad_response(error: Exception, what: str) -> BadResponse:
    """Translate a 2xx body without the documented shape."""
    return BadResponse(f"{what}: {error}")


def translated(read: Callable[[Body], T], body: Body, what: str) -> T:
    """Translate a 2xx body; raises ``BadResponse`` for a value that can't be read."""
    try:
        return read(body)
    except WireFormatError as error:
        raise bad_response(error, what) from error


def read_error(body: bytes) -> tuple[str, str]:
    """Return (code, detail) of any of the exchange's error bodies; of an unreadable body ('', its beginning).

    The shapes: ``{"error":{"code","message","details"}}``, ``{"code","message","details"}``, ``{"msg"}`` and
    ``{"error":"text"}``.
    """
    try:
        decoded: Any = msgspec.json.decode(body)
    except UNREADABLE:
        return "", body[:DETAIL_LIMIT].decode("utf-8", "replace").strip()
    if not isinstance(decoded, dict):
        return "", str(decoded)[:DETAIL_LIMIT]
    error = decoded.get("error")
    if isinstance(error, str):
        return error.strip().lower().replace(" ", "_"), error[:DETAIL_LIMIT]
    fields = error if isinstance(error, dict) else decoded
    code = _text(fields.get("code"))
    message = _text(fields.get("message")) or _text(fields.get("msg"))
    details = _text(fields.get("details"))
    text = details if message.replace(" ", "_") == code else ": ".join(part for part in (message, details) if part)
    return code, text[:DETAIL_LIMIT]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
