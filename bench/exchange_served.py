"""The simulated exchange as a process: orders over HTTP, its restart, and a page of many markets.

Orders are compared with an earlier checkout, in turns, if ``TRUEBOOK_BENCH_BASE`` names one with its own ``.venv``:
``git worktree add --detach FOLDER COMMIT``, then ``pip install -r requirements/core.txt`` and ``-e .`` in it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from bench.exchange_client import ORDERS, PREFIX, Connection, at_once_s, creates, serial_s, signed
from bench.exchange_process import ROOT, Exchange, base_checkout, cpu_s_of, exchange, peak_mb_of, waited_s_of
from bench.measure import Row, millis

MARKET: Final = "BENCH-1-A"
TURNS, COUNT, AT_ONCE = 5, 300, 16
RESTARTED: Final = 50_000
BATCH: Final = 100
LISTED, TRADED = 9_700, 300
PAGES: Final = 20


class _Turn(NamedTuple):
    """One turn of creates: per second, the median of one, and CPU seconds of the exchange each."""

    serial_per_s: float
    p50_s: float
    serial_cpu_s: float
    at_once_per_s: float
    at_once_cpu_s: float


_Value = Callable[[_Turn], float]


def rows() -> list[Row]:
    return [*_creates(), _restart(), _first_page()]


def _creates() -> list[Row]:
    flags, base = ("--market", MARKET, "--seed", "1"), base_checkout()
    ours: list[_Turn] = []
    theirs: list[_Turn] = []
    with exchange(*flags, "--preset", "easy") as present:
        if base is None:
            ours = [_turn(present) for _ in range(TURNS)]
        else:
            with exchange(*flags, checkout=base) as earlier:
                for _ in range(TURNS):
                    ours.append(_turn(present))
                    theirs.append(_turn(earlier))
    p50_s = statistics.median(turn.p50_s for turn in ours)
    name = "simulated exchange, orders over loopback"
    return [
        _row(
            f"{name}, one after the other", ours, theirs, lambda one: one.serial_per_s, lambda one: one.serial_cpu_s,
            at_least=3,
        ),
        Row(
            path=f"{name}, the median of one", ours=millis(p50_s),
            baseline=millis(statistics.median(turn.p50_s for turn in theirs)) if theirs else "–", ratio="–",
            target="≤ 1 ms", reached=p50_s <= 0.001,
        ),
        _row(
            f"{name}, {AT_ONCE} at once", ours, theirs, lambda one: one.at_once_per_s, lambda one: one.at_once_cpu_s,
            at_least=4,
        ),
    ]  # fmt: skip


def _row(path: str, ours: list[_Turn], theirs: list[_Turn], rate: _Value, cpu: _Value, *, at_least: int) -> Row:
    """Compare the turns' rates, and their CPU seconds."""
    present = f"{_median(ours, rate):,.0f}/s"
    cpu_each = f"CPU each {millis(_median(ours, cpu))}"
    if not theirs:
        return Row(path=path, ours=present, baseline="–", ratio=cpu_each, target=f"≥ {at_least} ×", reached=None)
    ratio = statistics.median(rate(a) / rate(b) for a, b in zip(ours, theirs, strict=True))
    return Row(
        path=path, ours=present, baseline=f"{_median(theirs, rate):,.0f}/s (the earlier checkout)",
        ratio=f"{ratio:.1f} × as fast; {cpu_each}, {millis(_median(theirs, cpu))}", target=f"≥ {at_least} ×",
        reached=ratio >= at_least,
    )  # fmt: skip


def _median(turns: list[_Turn], value: _Value) -> float:
    return statistics.median(value(turn) for turn in turns)


def _turn(running: Exchange) -> _Turn:
    pid = running.process.pid
    requests = creates(running, [MARKET], COUNT)
    began_s = cpu_s_of(pid)
    times = serial_s(running.port, requests)
    serial_cpu_s = cpu_s_of(pid) - began_s
    requests = creates(running, [MARKET], COUNT)
    began_s = cpu_s_of(pid)
    at_once = at_once_s(running.port, requests, AT_ONCE)
    at_once_cpu_s = cpu_s_of(pid) - began_s
    serial_s(running.port, [signed(running, "DELETE", ORDERS)], expected=204)
    return _Turn(
        COUNT / sum(times), statistics.median(times), serial_cpu_s / COUNT, COUNT / at_once, at_once_cpu_s / COUNT
    )


def _restart() -> Row:
    """Place orders that rest, kill the exchange, and start it again."""
    tickers = [f"BENCH-{number}-A" for number in range(20)]
    flags = [word for ticker in tickers for word in ("--market", ticker)]
    with exchange(*flags, "--balance", "100000000") as running:
        _place_batches(running, tickers)
        time.sleep(1)
        running.kill()
        seconds = running.start()
        cpu_s, waited_s = cpu_s_of(running.process.pid), waited_s_of(running.process.pid)
        began_s = time.perf_counter()
        serial_s(running.port, [signed(running, "DELETE", ORDERS)], expected=204)
        cancelled_s = time.perf_counter() - began_s
    return Row(
        path=f"simulated exchange: restart after kill -9, {RESTARTED:,} resting orders", ours=f"{seconds:.2f} s",
        baseline="–", target="< 2 s", reached=seconds < 2,
        ratio=f"{cpu_s:.2f} s CPU, {waited_s:.2f} s waiting for a core; then cancel-all in {cancelled_s:.2f} s",
    )  # fmt: skip


def _place_batches(running: Exchange, tickers: list[str]) -> None:
    with Connection(running.port) as connection:
        for batch in range(RESTARTED // BATCH):
            orders = [
                {
                    "ticker": tickers[number % len(tickers)], "client_order_id": f"b{batch}-{number}", "side": "bid",
                    "count": "1.00", "price": f"0.{1 + number % 9:02d}00", "time_in_force": "good_till_canceled",
                    "self_trade_prevention_type": "taker_at_cross",
                }
                for number in range(BATCH)
            ]  # fmt: skip
            body = json.dumps({"orders": orders}).encode()
            while (status := connection.send(signed(running, "POST", f"{ORDERS}/batched", body))[0]) == 429:
                time.sleep(0.02)
            if status != 201:
                raise RuntimeError(f"status {status} for a batch of orders")


def _first_page() -> Row:
    with _listing() as (pid, port), Connection(port) as connection:
        time.sleep(10)
        began_s, waited_s = cpu_s_of(pid), waited_s_of(pid)
        request = f"GET {PREFIX}/markets HTTP/1.1\r\nHost: exchange\r\n\r\n".encode()
        times = []
        for _ in range(PAGES):
            page_s = time.perf_counter()
            status, _body = connection.send(request)
            times.append(time.perf_counter() - page_s)
            if status != 200:
                raise RuntimeError(f"status {status} for a page of markets")
        cpu_s, memory_mb = (cpu_s_of(pid) - began_s) / PAGES, peak_mb_of(pid)
        waited_s = (waited_s_of(pid) - waited_s) / PAGES
    p50_s = statistics.median(times)
    return Row(
        path=f"simulated exchange: first page of {LISTED + TRADED:,} markets, {TRADED} of them traded",
        ours=f"{millis(p50_s)}, {memory_mb:.0f} MB", baseline="–",
        ratio=f"fastest {millis(min(times))}; each {millis(cpu_s)} CPU, traders included, "
        f"and {millis(waited_s)} waiting for a core",
        target="< 50 ms, < 400 MB", reached=p50_s < 0.05 and memory_mb < 400,
    )  # fmt: skip


@contextmanager
def _listing() -> Iterator[tuple[int, int]]:
    settings = {
        "markets": TRADED, "preset": "gold15m", "state_folder": None, "key_id": "bench", "verify_signatures": False,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.exchange_tape", json.dumps(settings), str(LISTED)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.pid, int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.kill()
        process.wait()
