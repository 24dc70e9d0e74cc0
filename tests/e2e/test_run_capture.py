"""The same system on a recorded session of the real exchange."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

from support.processes import last_json, truebook

SESSION = "ws/jfreun123_demo_20260701_session.jsonl"


def fold(path: Path) -> dict[str, dict[str, list[list[int]]]]:
    """Return the final books of a recording, computed with one dict per side."""
    books: dict[str, dict[str, dict[int, int]]] = defaultdict(lambda: {"yes": {}, "no": {}})
    cc = lambda text: round(float(text) * 10_000)  # noqa: E731
    centi = lambda text: round(float(text) * 100)  # noqa: E731
    for line in path.read_text().splitlines():
        frame = json.loads(line) if line.strip() else {}
        frame = frame.get("frame", frame)
        frame = json.loads(frame) if isinstance(frame, str) else frame
        msg = frame.get("msg", {})
        if frame.get("type") == "orderbook_snapshot":
            for side in ("yes", "no"):
                books[msg["market_ticker"]][side] = {cc(p): centi(s) for p, s in msg.get(f"{side}_dollars_fp", [])}
        elif frame.get("type") == "orderbook_delta":
            levels, price = books[msg["market_ticker"]][msg["side"]], cc(msg["price_dollars"])
            levels[price] = levels.get(price, 0) + centi(msg["delta_fp"])
    return {
        ticker: {
            "bids": sorted(([p, s] for p, s in sides["yes"].items() if s), reverse=True),
            "asks": sorted([10_000 - p, s] for p, s in sides["no"].items() if s),
        }
        for ticker, sides in books.items()
    }


@pytest.mark.slow
def test_a_recorded_session_is_traded_with_every_delta_applied(tmp_path: Path) -> None:
    captures = os.environ.get("TRUEBOOK_CAPTURES")
    if captures is None:
        pytest.skip("TRUEBOOK_CAPTURES is not set: no recorded exchange data here")
    session = Path(captures) / SESSION
    done = truebook(tmp_path, "run", "--capture", str(session), "--speed", "20", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    summary = last_json(done.stdout)
    # On a busy machine the summary's reader may skip messages; the books below prove that no change is lost.
    assert summary["deltas"] <= 2_885 <= summary["deltas"] + summary["skipped_messages"]
    assert "sequence_gap" not in summary["stale_books"]
    assert summary["orders"]["sent"] >= 20
    assert summary["fills"] >= 5
    assert set(summary["fills_by_basis"]) <= {"trade_through", "queue", "book_cross"}
    assert summary["ledger_equals_exchange"] is True

    books = json.loads(next((tmp_path / ".truebook").glob("*/books.json")).read_text())
    expected = fold(session)
    assert set(books) == set(expected)
    for ticker, book in expected.items():
        assert {side: books[ticker][side] for side in ("bids", "asks")} == book, ticker
