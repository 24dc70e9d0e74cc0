"""Deltas over the simulated exchange's WebSocket: to one client as many as possible, to fifty at a constant rate."""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.exchange_process import ROOT, cpu_s_of, peak_mb_of
from bench.kafka_exchange import tickers
from bench.measure import Row

MARKETS: Final = 100
SECONDS: Final = 5.0
FASTEST: Final = 100_000
"""Deltas per second that are due: more than the exchange can send."""
CLIENTS, RATE = 50, 2_000
_DELTA: Final = b'"orderbook_delta"'
_OVERFLOW: Final = b'"code":25'
_KEY: Final = "bench"


def rows() -> list[Row]:
    """Measure both, in CPU time of the exchange: clients are a process of their own."""
    per_s, cpu_us, _, _ = _measure(1, FASTEST)
    all_per_s, all_cpu_us, behind, grown_mb = _measure(CLIENTS, RATE)
    wanted, core_per_s = CLIENTS * RATE, 1e6 / cpu_us
    return [
        Row(
            path="simulated exchange: deltas out to one client over its WebSocket",
            ours=f"{core_per_s:,.0f}/s of one core", baseline="–",
            ratio=f"{cpu_us:.1f} µs CPU each; {per_s:,.0f}/s in this run", target="≥ 30,000/s",
            reached=core_per_s >= 30_000,
        ),
        Row(
            path=f"simulated exchange: deltas out to {CLIENTS} clients, {RATE:,}/s each",
            ours=f"{wanted * all_cpu_us / 1e6:.2f} of a core", baseline="–",
            ratio=f"{all_cpu_us:.1f} µs CPU each; {all_per_s:,.0f}/s in this run, {behind / wanted:.1f} s behind, "
            f"{grown_mb:+.1f} MB",
            target="bounded, < 1 core", reached=wanted * all_cpu_us < 1e6 and grown_mb < 50,
        ),
    ]  # fmt: skip


def _measure(clients: int, per_s: int) -> tuple[float, float, int, float]:
    """Return deltas per second of all clients, CPU µs each, those made and not received, and MB of growth."""
    with _exchange() as (process, port):
        sockets = [_subscribed(port) for _ in range(clients)]
        first = _pace(process, per_s)
        frames = _received(sockets, 1.0)
        began_mb, began_cpu_s, began_s = peak_mb_of(process.pid), cpu_s_of(process.pid), time.perf_counter()
        measured = _received(sockets, SECONDS)
        seconds, cpu_s = time.perf_counter() - began_s, cpu_s_of(process.pid) - began_cpu_s
        behind = (_pace(process, 0) - first) * clients - frames - measured
        grown_mb = peak_mb_of(process.pid) - began_mb
        for one in sockets:
            one.close()
    return measured / seconds, cpu_s / max(1, measured) * 1e6, behind, grown_mb


@contextmanager
def _exchange() -> Iterator[tuple[subprocess.Popen[str], int]]:
    settings = {
        "markets": MARKETS, "preset": "easy", "state_folder": None, "key_id": _KEY, "verify_signatures": False,
        "first_data_delay_ms": 0, "max_queued_frames": 1_000_000,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.exchange_tape", json.dumps(settings)], cwd=ROOT, text=True, bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process, int(_line(process).rpartition(":")[2])
    finally:
        process.kill()
        process.wait()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _pace(process: subprocess.Popen[str], per_s: int) -> int:
    """Set the rate; returns how many deltas there were so far."""
    assert process.stdin is not None
    process.stdin.write(f"{per_s}\n")
    return int(_line(process).split()[1])


def _subscribed(port: int) -> socket.socket:
    """Open a WebSocket without compression, subscribe to all markets, and read their snapshots."""
    one = socket.create_connection(("127.0.0.1", port), timeout=20)
    key = base64.b64encode(os.urandom(16)).decode()
    one.sendall(
        f"GET /trade-api/ws/v2 HTTP/1.1\r\nHost: exchange\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nKALSHI-ACCESS-KEY: {_KEY}\r\n"
        f"KALSHI-ACCESS-TIMESTAMP: {time.time_ns() // 1_000_000}\r\nKALSHI-ACCESS-SIGNATURE: x\r\n\r\n".encode()
    )
    _until(one, b"\r\n\r\n", 1)
    names = list(tickers(MARKETS))
    command = {"id": 1, "cmd": "subscribe", "params": {"channels": ["orderbook_delta"], "market_tickers": names}}
    body = json.dumps(command).encode()
    one.sendall(b"\x81" + struct.pack("!BHL", 0xFE, len(body), 0) + body)
    _until(one, b'"orderbook_snapshot"', MARKETS)
    one.setblocking(False)
    return one


def _until(one: socket.socket, text: bytes, count: int) -> None:
    """Read until a text was received so often."""
    received = b""
    while received.count(text) < count:
        more = one.recv(2**20)
        if not more or received.startswith(b"HTTP/1.1 4"):
            raise ConnectionError(f"no subscription: {received[:300]!r}")
        received += more


def _received(sockets: list[socket.socket], seconds: float) -> int:
    """Count the deltas that all sockets receive in a time."""
    frames, rests = 0, dict.fromkeys(sockets, b"")
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ, one)
        until_s = time.perf_counter() + seconds
        while (left_s := until_s - time.perf_counter()) > 0:
            for key, _ in selector.select(left_s):
                data = rests[key.data] + key.data.recv(2**20)
                if _OVERFLOW in data:
                    raise RuntimeError("the exchange ended a subscription: its queue was full")
                frames += data.count(_DELTA)
                # A name that is divided between two reads counts once.
                rests[key.data] = data[-len(_DELTA) + 1 :]
    return frames
