"""A client of the benchmarks that costs little: bare sockets, and requests that are signed before the measurement."""

from __future__ import annotations

import base64
import itertools
import json
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from bench.exchange_process import KEY_ID, Exchange

PREFIX: Final = "/trade-api/v2"
ORDERS: Final = f"{PREFIX}/portfolio/events/orders"
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
_names = itertools.count()


def signed(exchange: Exchange, method: str, target: str, body: bytes = b"", *, number: int = 0) -> bytes:
    """Return a complete request with a signature of its own: ``number`` milliseconds ahead of the clock."""
    at_ms = time.time_ns() // 1_000_000 + number
    message = f"{at_ms}{method}{target.partition('?')[0]}".encode()
    signature = base64.b64encode(exchange.key.sign(message, _PSS, hashes.SHA256())).decode()
    head = (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{exchange.port}\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"
        f"Connection: keep-alive\r\nUser-Agent: bench\r\nContent-Type: application/json\r\n"
        f"KALSHI-ACCESS-KEY: {KEY_ID}\r\nKALSHI-ACCESS-TIMESTAMP: {at_ms}\r\nKALSHI-ACCESS-SIGNATURE: {signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def creates(exchange: Exchange, tickers: Sequence[str], count: int) -> list[bytes]:
    """Return signed requests of orders that rest at one cent."""
    requests = []
    for number in range(count):
        body = {
            "ticker": tickers[number % len(tickers)], "client_order_id": f"bench-{next(_names)}", "side": "bid",
            "count": "1.00", "price": "0.0100", "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
        }  # fmt: skip
        requests.append(signed(exchange, "POST", ORDERS, json.dumps(body).encode(), number=number))
    return requests


class Connection:
    """One connection that is kept open."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, request: bytes) -> tuple[int, bytes]:
        """Send one request and return status and body of its response."""
        self.socket.sendall(request)
        return self.receive()

    def receive(self) -> tuple[int, bytes]:
        """Read one response with a length."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if status == 204:
            return status, b""
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self._more()
        return status, body

    def _more(self) -> bytes:
        more = self.socket.recv(2**20)
        if not more:
            raise ConnectionError("the exchange closed the connection")
        return more


def serial_s(port: int, requests: Iterable[bytes], expected: int = 201) -> list[float]:
    """Send requests one after the other over one connection; returns the seconds of each."""
    times = []
    with Connection(port) as connection:
        for request in requests:
            began_s = time.perf_counter()
            status, body = connection.send(request)
            times.append(time.perf_counter() - began_s)
            if status != expected:
                raise RuntimeError(f"status {status} instead of {expected}: {body[:300]!r}")
    return times


def at_once_s(port: int, requests: Sequence[bytes], connections: int, expected: int = 201) -> float:
    """Send requests over several connections, one at a time on each; returns the seconds of all."""
    waiting = deque(requests)
    opened = [Connection(port) for _ in range(connections)]
    with selectors.DefaultSelector() as selector:
        for connection in opened:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        began_s, open_requests = time.perf_counter(), 0
        for connection in opened:
            connection.socket.sendall(waiting.popleft())
            open_requests += 1
        while open_requests:
            for key, _ in selector.select():
                status, body = key.data.receive()
                if status != expected:
                    raise RuntimeError(f"status {status} instead of {expected}: {body[:300]!r}")
                open_requests -= 1
                if waiting:
                    key.data.socket.sendall(waiting.popleft())
                    open_requests += 1
        seconds = time.perf_counter() - began_s
    for connection in opened:
        connection.socket.close()
    return seconds
