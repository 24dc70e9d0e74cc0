"""Compare the simulated exchange with the newest clients of the real one: ``make spec-drift``.

Downloads the official client and ``kalshi-sdk`` from the package index, reads them without running them, and compares
with the reviewed differences. A difference that is not in ``reviewed.txt``, or one that is gone, ends with code 1;
after a review, ``--write`` records them.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from spec_drift.client_wheels import read_channels, read_official
from spec_drift.compare import differences
from spec_drift.own_api import responses

REVIEWED = Path(__file__).with_name("reviewed.txt")
CLIENTS = ("kalshi-python-async", "kalshi-sdk")


def download(folder: Path) -> None:
    """Download the newest wheels, whatever this interpreter is; raises CalledProcessError."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", "--python-version", "3.13", "--dest", str(folder), *CLIENTS]  # fmt: skip
    subprocess.run(command, check=True)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--wheels", type=Path, help="a folder with both wheels, instead of a download")
    options.add_argument("--write", action="store_true", help="record the differences of today as reviewed")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = chosen.wheels or Path(made)
        if chosen.wheels is None:
            download(folder)
        official, other = (max(folder.glob(f"{one.replace('-', '_')}-*.whl")) for one in CLIENTS)
        found = differences(read_official(official), read_channels(other), asyncio.run(responses()))
    reviewed = REVIEWED.read_text(encoding="utf-8").splitlines() if REVIEWED.exists() else []
    new, gone = sorted(set(found) - set(reviewed)), sorted(set(reviewed) - set(found))
    print(f"{official.name}, {other.name}: {len(found)} differences, {len(new)} new, {len(gone)} gone")
    for line in new:
        print(f"+ {line}")
    for line in gone:
        print(f"- {line}")
    if chosen.write:
        REVIEWED.write_text("".join(f"{line}\n" for line in found), encoding="utf-8")
        return 0
    return 1 if new or gone else 0


if __name__ == "__main__":
    sys.exit(main())
