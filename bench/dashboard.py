"""What the page costs: processor time of its process and of the browser, first paint, delay of a change, memory.

300 markets move at 2,000 changes a second, with one page open on the table of markets. Needs Chromium; without it
there are no rows. The source is in the page's process: its time is part of the result. `DASHBOARD_SECONDS` is the time
over which processor time and memory are measured, after `DASHBOARD_WARM_UP` seconds.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil

from bench.measure import Row

MARKETS: Final = 300
CHANGES_PER_S: Final = 2_000
EVERY_S: Final = 0.1
WARM_UP_S: Final = float(os.environ.get("DASHBOARD_WARM_UP", "20"))
"""Time before the first measurement of memory: bounded tables are still being filled."""
SECONDS: Final = float(os.environ.get("DASHBOARD_SECONDS", "60"))
PAINTS: Final = 5
DELAYS: Final = 20
STEP_CHANGES: Final = 1
FIRST_PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
HAS_ROWS: Final = "document.querySelectorAll('.ag-row').length > 5"
SUM_OF_UPDATES: Final = (
    "(() => { let sum = 0; truebookGrid.forEachNode((n) => (sum += n.data.updates)); return sum; })()"
)


def bench() -> list[Row]:
    """Measure with one page open."""
    from support.browsers import chromium

    if chromium() is None:
        print("the page is not measured: it needs Chromium", file=sys.stderr)
        return []
    found = _measured()
    where = f"the page, {MARKETS} markets at {CHANGES_PER_S:,} changes a second"
    memory, heap = found["server_mb"], found["heap_mb"]
    return [
        _row(
            f"{where}: processor time of its process", f"{found['server_percent']:.1f} % of a core",
            f"browser {found['browser_percent']:.1f} %", "< 15 %", found["server_percent"] < 15,
        ),
        _row(
            "the same: first paint over loopback", f"{found['paint_ms']} ms", f"with rows {found['rows_ms']} ms",
            "< 1,000 ms", found["paint_ms"] < 1_000,
        ),
        _row(
            "the same: until a change is shown, p50", f"{found['shown_ms']} ms", f"at most {found['shown_max_ms']} ms",
            "≤ 500 ms", found["shown_ms"] <= 500,
        ),
        _row(
            f"the same: memory after {found['seconds']} s", f"server {memory[1]:.0f} MB, page {heap[1]:.1f} MB",
            f"before {memory[0]:.0f} MB and {heap[0]:.1f} MB", "within 5 %",
            memory[1] < 1.05 * memory[0] and heap[1] < 1.05 * heap[0],
        ),
    ]  # fmt: skip


def _row(path: str, ours: str, note: str, target: str, reached: bool) -> Row:
    return Row(path=path, ours=ours, baseline="–", ratio=note, target=target, reached=reached)


def _measured() -> dict[str, Any]:
    """Measure and return the values by name."""
    from support.browsers import open_browser
    from support.served_page import served_page

    changes = round(CHANGES_PER_S * EVERY_S)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        with served_page(Path(folder), markets=MARKETS, changes=changes, every_s=EVERY_S) as served:
            page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
            page.goto(f"{served.url}/#token={served.token}")
            page.wait_for_selector("[data-testid=mode]")
            paints, rows = [], []
            for _ in range(PAINTS):
                since_s = time.perf_counter()
                page.goto(f"{served.url}/markets")
                page.wait_for_function(HAS_ROWS)
                rows.append((time.perf_counter() - since_s) * 1_000)
                paints.append(page.evaluate(FIRST_PAINT))
            found["paint_ms"], found["rows_ms"] = _median(paints), _median(rows)
            found |= _cost(psutil.Process(served.process.pid), page)
        with served_page(Path(folder), markets=MARKETS, changes=0) as still:
            page.goto(f"{still.url}/#token={still.token}")
            page.wait_for_selector("[data-testid=mode]")
            page.goto(f"{still.url}/markets")
            page.wait_for_function(HAS_ROWS)
            found |= _delays(still, page)
    return found


def _cost(process: psutil.Process, page: Any) -> dict[str, Any]:
    """Count the processor time of both sides over the time, and the memory at its begin and end."""
    time.sleep(WARM_UP_S)
    session = page.context.new_cdp_session(page)
    heap = [_heap_mb(session)]
    memory = [process.memory_info().rss / 2**20]
    renderers = _browser_seconds()
    before, since_s = sum(process.cpu_times()[:2]), time.perf_counter()
    time.sleep(SECONDS)
    elapsed_s = time.perf_counter() - since_s
    seconds = sum(process.cpu_times()[:2]) - before
    browser_s = _browser_seconds() - renderers
    memory.append(process.memory_info().rss / 2**20)
    heap.append(_heap_mb(session))
    return {
        "seconds": round(elapsed_s), "server_percent": 100 * seconds / elapsed_s,
        "browser_percent": 100 * browser_s / elapsed_s, "server_mb": memory, "heap_mb": heap,
    }  # fmt: skip


def _browser_seconds() -> float:
    """Return the processor time of the browser's processes: children of this one."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            if "chrom" in child.name():
                total += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return total


def _heap_mb(session: Any) -> float:
    session.send("HeapProfiler.collectGarbage")
    used: float = session.send("Runtime.getHeapUsage")["usedSize"]
    return used / 2**20


def _delays(served: Any, page: Any) -> dict[str, Any]:
    """Change one market at a time; returns how long the page takes to show each."""
    delays = []
    for _ in range(DELAYS):
        shown = page.evaluate(SUM_OF_UPDATES)
        since_s = time.perf_counter()
        served.command("advance", str(STEP_CHANGES))
        page.wait_for_function(f"{SUM_OF_UPDATES} > {shown}", polling=10)
        delays.append((time.perf_counter() - since_s) * 1_000)
    return {"shown_ms": _median(delays), "shown_max_ms": round(max(delays))}


def _median(values: list[float]) -> int:
    return round(statistics.median(values))
