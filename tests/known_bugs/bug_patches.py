"""Known failures as patches of this repository: one file each, with a header that describes the bug.

    Bug: F12                        its number in docs/predecessor-failures.md; E for failures of Truebook itself
    There: what the predecessor did, or an earlier Truebook
    Here: what the patch does to this code
    Red: tests/…::test_…            a test that must fail; may be repeated
    Raises: FrameError              an exception other than an assertion; may be repeated

Then an empty line and a unified diff. Continuation lines start with two spaces.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
MUST_BE_PATCHED = (1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 15, 17, 20, 22, 25, 26, 27)
"""Failures that this code could have. The page explains why the others have no patch."""

KEYS = frozenset({"Bug", "There", "Here", "Red", "Raises"})
ASSERTIONS = frozenset({"AssertionError", "Failed"})
"""Raised by a failed check: ``assert``, or ``pytest.raises`` and ``pytest.fail``."""


class BadHeader(ValueError):
    """The header of a patch can't be parsed; the message explains why."""


@dataclass(frozen=True)
class BugPatch:
    """One patch; ``files`` are the paths that it changes, relative to the root."""

    path: Path
    bug: str
    there: str
    here: str
    red: tuple[str, ...]
    raises: frozenset[str]
    files: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem


def read_patch(path: Path) -> BugPatch:
    """Read one patch; raises ``BadHeader``."""
    header, _, diff = path.read_text(encoding="utf-8").partition("\n\n")
    values: dict[str, list[str]] = defaultdict(list)
    key = ""
    for line in header.splitlines():
        if line.startswith("  ") and key:
            values[key][-1] += " " + line.strip()
            continue
        key, colon, value = line.partition(": ")
        if not colon or key not in KEYS:
            raise BadHeader(f"{path.name}: not a line of a header: {line!r}")
        values[key].append(value.strip())
    missing = [key for key in ("Bug", "There", "Here", "Red") if not values[key]]
    if missing:
        raise BadHeader(f"{path.name}: missing header {', '.join(missing)}")
    files = tuple(line.removeprefix("+++ b/") for line in diff.splitlines() if line.startswith("+++ b/"))
    if not files:
        raise BadHeader(f"{path.name}: changes nothing")
    return BugPatch(
        path=path, bug=values["Bug"][0], there=values["There"][0], here=values["Here"][0], red=tuple(values["Red"]),
        raises=ASSERTIONS | set(values["Raises"]), files=files,
    )  # fmt: skip


def read_patches(folder: Path = FOLDER) -> list[BugPatch]:
    """Read all patches, by name; raises ``BadHeader``."""
    return [read_patch(path) for path in sorted(folder.glob("*.patch"), key=lambda path: path.stem)]


def apply(patch: BugPatch, root: Path, *, check: bool = False) -> str:
    """Apply a patch to a tree, or only check that it applies; return the error, empty if there is none."""
    command = ["git", "apply", *(["--check"] if check else []), str(patch.path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip()
