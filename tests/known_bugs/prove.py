"""``make prove``: put each known bug into a copy of the code and require that the tests find it.

Exit codes: 0 every bug was found, 1 at least one was not (or its patch no longer applies), 2 bad arguments or headers.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from bug_patches import ROOT, BadHeader, BugPatch, read_patches
from proving import Proof, Verdict

WIDEST_TEST = 86


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="prove", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these, for example F12 or F12-gap; default: all")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line of standard output")
    options = parser.parse_args(arguments)
    try:
        patches = selected(read_patches(), options.names)
    except BadHeader as error:
        parser.exit(2, f"{error}\n")
    if not patches:
        parser.exit(2, f"no patch has one of these names: {', '.join(options.names)}\n")
    return prove(patches, as_json=options.json)


def selected(patches: Sequence[BugPatch], names: Sequence[str]) -> list[BugPatch]:
    """Select the patches with these names or bugs; all if no name is given."""
    return [patch for patch in patches if not names or patch.name in names or patch.bug in names]


def prove(patches: Sequence[BugPatch], *, as_json: bool) -> int:
    """Prove each patch and print the table row by row; return the exit code."""
    started = time.monotonic()
    rows: list[dict[str, object]] = []
    table = Table(patches, silent=as_json)
    with Proof(ROOT) as proof:
        note(f"{len({name for patch in patches for name in patch.red})} tests on the unchanged code")
        problem = proof.green(patches)
        if problem:
            note("")
            print(json.dumps({"ok": False, "problem": problem, "patches": []}) if as_json else problem)
            return 1
        table.head()
        for number, patch in enumerate(patches, start=1):
            note(f"{number}/{len(patches)} {patch.name}: {patch.here}")
            patch_started = time.monotonic()
            verdict = proof.red(patch)
            seconds = time.monotonic() - patch_started
            table.row(patch, verdict, seconds)
            rows.append(row_of(patch, verdict, seconds))
    missed = sum(not row["ok"] for row in rows)
    note("")
    seconds = time.monotonic() - started
    if as_json:
        print(json.dumps({"ok": not missed, "seconds": round(seconds, 1), "patches": rows}))
    else:
        print(f"{len(rows) - missed} of {len(rows)} found, in {seconds:.0f} s")
    return 1 if missed else 0


def row_of(patch: BugPatch, verdict: Verdict, seconds: float) -> dict[str, object]:
    return {
        "bug": patch.bug, "patch": patch.name, "ok": not verdict.problem, "found_by": verdict.found_by,
        "message": verdict.message, "problem": verdict.problem, "seconds": round(seconds, 2), "here": patch.here,
    }  # fmt: skip


class Table:
    """Aligned rows, each printed as soon as it is known."""

    def __init__(self, patches: Sequence[BugPatch], *, silent: bool) -> None:
        self._width = max(len(patch.name) for patch in patches)
        self._silent = silent

    def head(self) -> None:
        self._print("bug", "patch", "found by", "  s")

    def row(self, patch: BugPatch, verdict: Verdict, seconds: float) -> None:
        found_by = verdict.found_by.rpartition("/")[2] or f"NOT FOUND: {verdict.problem}"
        self._print(patch.bug, patch.name, found_by, f"{seconds:4.1f}")

    def _print(self, bug: str, patch: str, found_by: str, seconds: str) -> None:
        if self._silent:
            return
        note("")
        if len(found_by) > WIDEST_TEST and not found_by.startswith("NOT"):
            found_by = found_by[: WIDEST_TEST - 1] + "…"
        print(f"{bug:<4} {patch:<{self._width}}  {found_by:<{WIDEST_TEST}} {seconds}", flush=True)


def note(text: str) -> None:
    """Show the current step on a terminal, on one line that the next one overwrites."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:118]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
