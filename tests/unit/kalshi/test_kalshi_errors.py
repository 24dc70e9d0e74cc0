"""Every failure of the HTTP libraries is translated; only a proof counts as one."""

from __future__ import annotations

import inspect

import aiohttp
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.kalshi import port
from truebook.kalshi.rest import errors

NESTED = b'{"error":{"code":"insufficient_balance","message":"insufficient balance","service":"exchange"}}'
DETAILED = b'{"error":{"code":"authentication_error","message":"authentication_error","details":"NOT_FOUND"}}'
FLAT = b'{"code":"bad_request","message":"bad request","details":"json: cannot unmarshal number"}'
BARE = b'{"msg":"Parameter validation failed for GetMarkets"}'
TEXT = b'{"error":"too many requests"}'
EXISTS = b'{"error":{"code":"order_already_exists","message":"order already exists"}}'
GONE = b'{"error":{"code":"deprecated_v1_order_endpoint","message":"Please switch to the V2 endpoints","details":"u"}}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "detail"),
    [
        (400, NESTED, port.Refused, "insufficient_balance", ""),
        (401, DETAILED, port.Refused, "authentication_error", "NOT_FOUND"),
        (400, FLAT, port.Refused, "bad_request", "json: cannot unmarshal number"),
        (400, BARE, port.Refused, "http_400", "Parameter validation failed for GetMarkets"),
        (429, TEXT, port.RateLimited, "too_many_requests", "too many requests"),
        (429, b"", port.RateLimited, "too_many_requests", ""),
        (409, EXISTS, port.AlreadyExists, "order_already_exists", ""),
        (409, b'{"error":{"code":"trading_is_paused"}}', port.Refused, "trading_is_paused", ""),
        (404, b'{"error":{"code":"not_found","message":"not found"}}', port.NotFound, "not_found", ""),
        (404, b"<html>", port.NotFound, "not_found", "<html>"),
        (410, GONE, port.Refused, "deprecated_v1_order_endpoint", "Please switch to the V2 endpoints: u"),
        (403, b"<html>blocked</html>", port.Refused, "http_403", "<html>blocked</html>"),
        (400, b"[1]", port.Refused, "http_400", "[1]"),
        (400, b'{"error":null,"code":7}', port.Refused, "http_400", ""),
    ],
)
def test_a_4xx_response_is_refused_with_its_code(
    status: int, body: bytes, kind: type[port.Refused], code: str, detail: str
) -> None:
    error = errors.status_failure(status, body, "POST /x")
    assert type(error) is kind
    assert isinstance(error, port.Refused)
    assert (error.status, error.code, error.detail) == (status, code, detail)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, NESTED), (502, b"<html>Bad Gateway</html>"), (503, b""), (504, TEXT), (302, b""), (100, b""),
        (408, b""), (499, b""),  # a gateway's words, which prove nothing about the exchange
        (409, b""), (409, b"<html>"),  # may be the duplicate of an existing order
    ],
)  # fmt: skip
def test_a_response_that_proves_nothing_is_unknown(status: int, body: bytes) -> None:
    error = errors.status_failure(status, body, "POST /x")
    assert isinstance(error, port.OutcomeUnknown)
    assert not isinstance(error, port.Refused)
    assert str(status) in str(error)


@given(st.binary(max_size=200))
def test_read_error_accepts_any_body(body: bytes) -> None:
    code, detail = errors.read_error(body)
    assert isinstance(code, str)
    assert len(detail) <= errors.DETAIL_LIMIT


# Every exception class that httpx exports, and what it becomes without an aiohttp error behind it.
HTTPX_TABLE: dict[str, type[port.ExchangeError] | None] = {
    "HTTPError": port.OutcomeUnknown,
    "HTTPStatusError": port.OutcomeUnknown,
    "RequestError": port.OutcomeUnknown,
    "TransportError": port.OutcomeUnknown,
    "TimeoutException": port.OutcomeUnknown,
    "ConnectTimeout": port.Unreachable,
    "ReadTimeout": port.OutcomeUnknown,
    "WriteTimeout": port.OutcomeUnknown,
    "PoolTimeout": port.Unreachable,
    "NetworkError": port.OutcomeUnknown,
    "ConnectError": port.Unreachable,
    "ReadError": port.OutcomeUnknown,
    "WriteError": port.OutcomeUnknown,
    "CloseError": port.OutcomeUnknown,
    "ProxyError": port.OutcomeUnknown,
    "UnsupportedProtocol": port.Unreachable,
    "ProtocolError": port.OutcomeUnknown,
    "LocalProtocolError": port.OutcomeUnknown,
    "RemoteProtocolError": port.OutcomeUnknown,
    "DecodingError": port.BadResponse,
    "TooManyRedirects": port.OutcomeUnknown,
    # Bugs of the caller: they are not translated.
    "InvalidURL": None,
    "CookieConflict": None,
    "StreamError": None,
    "StreamConsumed": None,
    "StreamClosed": None,
    "ResponseNotRead": None,
    "RequestNotRead": None,
}


def test_every_httpx_exception_is_translated() -> None:
    exported = {
        name
        for name in httpx.__all__
        if inspect.isclass(getattr(httpx, name)) and issubclass(getattr(httpx, name), Exception)
    }
    assert exported == set(HTTPX_TABLE)
    for name, kind in HTTPX_TABLE.items():
        caught = issubclass(getattr(httpx, name), errors.TRANSPORT_ERRORS)
        assert caught == (kind is not None), name
        if kind is not None:
            error = Exception.__new__(getattr(httpx, name))
            assert type(errors.transport_failure(error, "POST /x")) is kind, name


NEVER_LEFT = {
    "ClientConnectorError", "ClientConnectorDNSError", "ClientConnectorSSLError", "ClientConnectorCertificateError",
    "ClientSSLError", "ClientProxyConnectionError", "ClientHttpProxyError", "UnixClientConnectorError",
    "ConnectionTimeoutError",
}  # fmt: skip


def test_an_aiohttp_cause_decides_over_its_httpx_error() -> None:
    exported = [
        getattr(aiohttp, name)
        for name in aiohttp.__all__
        if inspect.isclass(getattr(aiohttp, name)) and issubclass(getattr(aiohttp, name), aiohttp.ClientError)
    ]
    assert len(exported) > 20
    for kind in exported:
        raised = httpx.ConnectTimeout("as the transport names a lost connection")
        raised.__cause__ = kind.__new__(kind)
        never_left = isinstance(errors.transport_failure(raised, "POST /x"), port.Unreachable)
        assert never_left == (kind.__name__ in NEVER_LEFT), kind.__name__


@pytest.mark.parametrize(
    "error", [aiohttp.ServerDisconnectedError(), ConnectionResetError(), TimeoutError(), BrokenPipeError()]
)
def test_a_connection_lost_in_transit_leaves_the_outcome_unknown(error: Exception) -> None:
    assert type(errors.transport_failure(error, "POST /x")) is port.OutcomeUnknown


def test_only_errors_where_a_retry_may_help_are_retried() -> None:
    retried = {kind.__name__ for kind in vars(port).values() if inspect.isclass(kind) and getattr(kind, "retry", False)}
    assert retried == {"RateLimited", "OutcomeUnknown", "BadResponse", "Unreachable", "StreamClosed"}
