"""Run the benchmarks, print their table and write it to docs/performance.md: `make bench [ONLY=book,policy]`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from bench.measure import Row
from bench.page import machine, selected, table, write
from truebook.runtime.logs import configure_logs

ROOT = Path(__file__).parent.parent
NAMES = (
    "book", "features", "policy", "reserve", "ledger_view", "order_path", "stream", "scaling", "evidence", "backtest",
    "training", "exchange", "dashboard", "startup",
)  # fmt: skip


def main() -> int:
    names = selected(NAMES)
    sys.path.insert(0, str(ROOT / "tests"))  # the scripted exchange and the temporary servers of the tests
    configure_logs("error", json=True, file=None)
    print(f"{machine()}\n", flush=True)
    rows: list[Row] = []
    for name in names:
        measured = importlib.import_module(f"bench.{name}").bench()
        for row in measured:
            print(" | ".join(row.cells()), flush=True)
        rows += measured
    print(f"\n{table([row.cells() for row in rows])}")
    write(rows, whole=tuple(names) == NAMES)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
