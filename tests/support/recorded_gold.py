"""One recorded quarter of an hour of a gold market, as a bare recording."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec

from support.recordings import recording

TICKER = "KXGOLD15M-26AUG101900-00"
DELTAS, TRADES = 22_024, 977


def bare_gold(folder: Path) -> Path:
    """Write the recorded frames as a bare file; their sequence numbers, shared with other markets, are left out."""
    source = recording("gold15m", "events", TICKER, "2026-08-10.ndjson.gz")
    path = folder / "gold.jsonl"
    with gzip.open(source) as lines, path.open("wb") as file:
        for line in lines:
            frame = msgspec.json.decode(line)["event"]
            frame.pop("seq", None)
            file.write(msgspec.json.encode(frame) + b"\n")
    return path
