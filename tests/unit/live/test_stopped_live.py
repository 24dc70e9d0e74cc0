"""Live views while nothing runs: what the last run left, and nothing live."""

from __future__ import annotations

from pathlib import Path

import msgspec

from truebook.evidence.records import DecisionRecord, Funnel, MarketRecord, Snapshot, Step
from truebook.live.account import SavedHistory
from truebook.live.system_views import AccountPoint
from truebook_services.operator.live_stopped import StoppedLive
from truebook_services.operator.run_files import EVIDENCE, HISTORY, read_history, write_file


def source(folder: Path) -> StoppedLive:
    return StoppedLive(folder, "sim-main", folder / "models")


async def test_an_empty_folder_has_nothing_and_states_it(tmp_path: Path) -> None:
    changes = await source(tmp_path).changes()
    assert (changes.is_live, changes.rows, changes.points, changes.account) == (False, (), (), None)
    assert changes.note is not None and "truebook run" in changes.note
    assert await source(tmp_path).market("M") is None
    assert (await source(tmp_path).model()).active is None
    assert (await source(tmp_path).system()).services == ()


async def test_the_last_run_is_shown_once_and_unknown_is_null(tmp_path: Path) -> None:
    evidence = Snapshot(
        at_us=7, funnel=Funnel(from_us=1, to_us=7, stages=(), verdict="nothing was traded"),
        markets=(MarketRecord(ticker="M", selected=True),),
    )  # fmt: skip
    write_file(tmp_path / EVIDENCE, evidence)
    points = (AccountPoint(1, 5, 4, 3, 2, 1), AccountPoint(2, None, 4, 3, 2, 1))
    write_file(tmp_path / HISTORY, SavedHistory(points=points))
    first = await source(tmp_path).changes()
    assert [(row.ticker, row.bid_cc, row.position_centi, row.stale) for row in first.rows] == [
        ("M", None, None, "not_live")
    ]
    assert first.points == points and first.is_complete
    again = await source(tmp_path).changes(first.version)
    assert (again.is_complete, again.rows, again.points) == (False, (), ())


async def test_a_row_states_why_an_order_was_refused(tmp_path: Path) -> None:
    """As in a running system: the reason may be execution's or the ledger's, not the decision's own."""
    step = Step(at_us=3, outcome="refused", reason="limit")
    decision = DecisionRecord(at_us=2, action_id="aa", model="maker", targets=(), reason=None, steps=[step])
    evidence = Snapshot(
        at_us=7, funnel=Funnel(from_us=1, to_us=7, stages=(), verdict="nothing was traded"),
        markets=(MarketRecord(ticker="M", selected=True, decisions=[decision]),),
    )  # fmt: skip
    write_file(tmp_path / EVIDENCE, evidence)
    assert [row.last_reason for row in (await source(tmp_path).changes()).rows] == ["limit"]


def test_a_damaged_history_is_none(tmp_path: Path) -> None:
    (tmp_path / HISTORY).write_bytes(msgspec.json.encode({"points": [[1]]}))
    assert read_history(tmp_path) == []
