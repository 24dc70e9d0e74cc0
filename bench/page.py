"""Shared by the benchmarks: selection of parts, and the tables in docs/performance.md.

Measured rows replace older ones with the same path.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.measure import Row

PAGE: Final = Path(__file__).parent.parent / "docs" / "performance.md"
ONE_PROCESS: Final = "bench"
KAFKA: Final = "bench-kafka"
"""Marker names; each table is between its own markers."""
BUSY: Final = 2.0
"""Load average above the one measuring process."""
HEAD: Final = ("path", "ours", "baseline", "ours : baseline", "target", "reached")


def machine() -> str:
    """Describe the machine."""
    cpus = Path("/proc/cpuinfo")
    names = [line for line in cpus.read_text().splitlines() if line.startswith("model name")] if cpus.exists() else []
    name = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    where = f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, {python}"
    load = os.getloadavg()[1]
    return f"{where}; load average {load:.1f}" + (", so the machine was busy with other work" if load > BUSY else "")


def selected(parts: Sequence[str]) -> list[str]:
    """Return the parts named by ``ONLY``, all if it is empty; exit with code 2 for an unknown name."""
    wanted = os.environ.get("ONLY", "").replace(",", " ").split() or list(parts)
    unknown = [name for name in wanted if name not in parts]
    if unknown:
        print(f"no part {', '.join(unknown)}: there are {', '.join(parts)}", file=sys.stderr)
        raise SystemExit(2)
    return wanted


def table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (HEAD, ["---"] * len(HEAD), *rows))


def write(rows: Sequence[Row], *, whole: bool, mark: str = ONE_PROCESS) -> None:
    """Write the rows to a table. A whole run replaces all rows; otherwise new ones are appended."""
    kept = {} if whole else {cells[0]: cells for cells in _cells(_divided(PAGE, mark)[1])}
    kept.update({row.path: row.cells() for row in rows})
    replace_between(PAGE, mark, f"{table(list(kept.values()))}\n\nMeasured on {machine()}.")


def replace_between(page: Path, mark: str, body: str) -> None:
    """Replace what is between a page's markers of that name."""
    before, _, after = _divided(page, mark)
    page.write_text(f"{before}<!-- {mark} -->\n\n{body}\n\n<!-- /{mark} -->{after}")


def _divided(page: Path, mark: str) -> tuple[str, str, str]:
    """Return the text before the markers, between them, and after them; raises ``ValueError`` without them."""
    before, begin, rest = page.read_text().partition(f"<!-- {mark} -->")
    old, end, after = rest.partition(f"<!-- /{mark} -->")
    if not begin or not end:
        raise ValueError(f"{page} has no markers {mark!r}")
    return before, old, after


def _cells(text: str) -> list[tuple[str, ...]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in lines[2:]]
