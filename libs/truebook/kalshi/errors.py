"""Foreign failures, translated into the tree of ``kalshi.port`` in this one place.

Two questions decide: did the request certainly not leave (``Unreachable``), and did the exchange certainly do nothing
(``Refused``)? Everything else is ``OutcomeUnknown``, the only safe word where money may have moved.

The aiohttp transport names a connection that was lost *after* the request was sent ``ConnectTimeout``, so the class
of the httpx error alone proves nothing: where an aiohttp error stands behind it, that one decides.
"""

from __future__ import annotations

from typing import Any, Final

import aiohttp
import httpx
import msgspec

from truebook.kalshi.port import (
    AlreadyExists,
    BadAnswer,
    ExchangeError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Unreachable,
)

DETAIL_LIMIT: Final = 300

NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_AIOHTTP_NEVER_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

TRANSPORT_ERRORS: Final = (httpx.HTTPError, aiohttp.ClientError, OSError)
"""What a transport may raise for a request; ``OSError`` includes ``TimeoutError``. httpx's other exceptions
(``InvalidURL``, ``CookieConflict``, ``StreamError``) are bugs of the caller and stay what they are."""

# Answers between 400 and 499 that do not prove that nothing was done.
_UNPROVEN: Final = frozenset({408, 499})


def transport_failure(error: Exception, what: str) -> ExchangeError:
    """Translate what the transport raised while doing ``what`` ('POST /portfolio/...')."""
    told = f"{what}: {type(error).__name__}" + (f": {error}" if str(error) else "")
    cause = error if isinstance(error, aiohttp.ClientError) else error.__cause__
    if isinstance(cause, aiohttp.ClientError):
        return Unreachable(told) if isinstance(cause, _AIOHTTP_NEVER_SENT) else OutcomeUnknown(told)
    if isinstance(error, httpx.DecodingError):
        return BadAnswer(told)
    return Unreachable(told) if isinstance(error, NEVER_SENT) else OutcomeUnknown(told)


def status_failure(status: int, body: bytes, what: str) -> ExchangeError:
    """Translate an answer that is not 2xx; ``what`` only words the errors that are no answer of the exchange."""
    code, detail = read_error(body)
    if not 400 <= status < 500 or status in _UNPROVEN:
        return OutcomeUnknown(
            f"{what}: HTTP {status}" + (f" {code}" if code else "") + (f": {detail}" if detail else "")
        )
    if status == 429:
        return RateLimited(status, code or "too_many_requests", detail)
    if status == 404:
        return NotFound(status, code or "not_found", detail)
    if status == 409 and code == "order_already_exists":
        return AlreadyExists(status, code, detail)
    if status == 409 and not code:
        # It may be the duplicate of an order that lives: without its code a 409 proves nothing.
        return OutcomeUnknown(f"{what}: HTTP 409 without a readable code: {detail}")
    return Refused(status, code or f"http_{status}", detail)


def bad_answer(error: Exception, what: str) -> BadAnswer:
    """Translate a 2xx body that does not have the documented shape."""
    return BadAnswer(f"{what}: {error}")


def read_error(body: bytes) -> tuple[str, str]:
    """Find (code, detail) in any of the exchange's error bodies; an unreadable body gives ('', its beginning).

    The shapes: ``{"error":{"code","message","details"}}``, ``{"code","message","details"}``, ``{"msg"}`` and
    ``{"error":"text"}`` (kalshi-api, section 1.3).
    """
    try:
        answer: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", body[:DETAIL_LIMIT].decode("utf-8", "replace").strip()
    if not isinstance(answer, dict):
        return "", str(answer)[:DETAIL_LIMIT]
    error = answer.get("error")
    if isinstance(error, str):
        return error.strip().lower().replace(" ", "_"), error[:DETAIL_LIMIT]
    fields = error if isinstance(error, dict) else answer
    code = _text(fields.get("code"))
    message = _text(fields.get("message")) or _text(fields.get("msg"))
    details = _text(fields.get("details"))
    told = details if message.replace(" ", "_") == code else ": ".join(part for part in (message, details) if part)
    return code, told[:DETAIL_LIMIT]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
