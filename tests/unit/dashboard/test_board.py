from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from support.made_live import MadeLive
from truebook_services.dashboard.board import MAX_ROWS, Board, Table

ALL = ("account", "decisions", "events", "funnel", "points", "rows", "services")

Rows = dict[str, dict[str, Any]]


def applied(shown: Rows, patch: dict[str, Any], *, is_first: bool) -> Rows:
    """Apply a table's patch as ``static/store.js`` does."""
    changed = patch["set"]
    if is_first:
        return {key: dict(fields) for key, fields in changed.items()}
    kept = {key: row for key, row in shown.items() if key not in patch.get("removed", ())}
    return kept | {key: {**kept.get(key, {}), **fields} for key, fields in changed.items()}


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["set", "remove", "look"]), st.integers(0, 3), st.integers(0, 3)),
    max_size=30,
)


@given(STEPS)
def test_page_that_skips_versions_shows_the_same_rows(steps: list[tuple[str, str, int, int]]) -> None:
    table, expected, shown, seen = Table(), {}, {}, 0  # type: ignore[var-annotated]
    for version, (key, what, x, y) in enumerate(steps, start=1):
        if what == "set":
            expected[key] = {"x": x, "y": y}
            table.set(key, expected[key], version)
        elif what == "remove":
            expected.pop(key, None)
            table.remove(key, version)
        else:
            shown, seen = applied(shown, table.since(seen), is_first=seen == 0), version
    assert applied(shown, table.since(seen), is_first=seen == 0) == expected


def test_patch_has_changed_fields_only() -> None:
    table = Table()
    table.set("a", {"x": 1, "y": 1}, 1)
    table.set("b", {"x": 1, "y": 1}, 1)
    table.set("a", {"x": 1, "y": 2}, 2)
    assert table.since(1) == {"set": {"a": {"y": 2}}}
    table.set("a", {"x": 1, "y": 2}, 3)
    assert table.version == 2


def test_table_with_a_limit_drops_the_oldest() -> None:
    table = Table(2)
    for version, key in enumerate("abcd", start=1):
        table.set(key, {"x": version}, version)
    assert len(table) == 2
    assert table.since(2)["removed"] == ["a", "b"]


async def test_board_follows_a_source_over_its_restart() -> None:
    board, source = Board(), MadeLive(20)
    first = await source.changes()
    board.apply(first, 0)
    source.advance()
    source.remove("KXMADE-26DEC00-B003")
    board.apply(await source.changes(first.version), 1)
    assert board.row("rows", "KXMADE-26DEC00-B003") is None
    seen = board.version
    board.apply(await MadeLive(10).changes(), 2)
    patch = board.since(seen, ("rows",))["tables"]["rows"]
    assert len(patch["removed"]) == 10
    assert board.row("rows", "KXMADE-26DEC00-B003") is not None


async def test_board_without_changes_has_an_empty_patch() -> None:
    board, source = Board(), MadeLive(5)
    changes = await source.changes()
    board.apply(changes, 0)
    seen = board.version
    board.apply(await source.changes(changes.version), 1)
    patch = board.since(seen, ("rows", "points", "events"))
    assert "tables" not in patch
    assert "source" not in patch


async def test_growing_tables_are_bounded() -> None:
    board, source, since = Board(), MadeLive(5), None
    for _ in range(4 * MAX_ROWS["events"]):
        source.advance(1)
        changes = await source.changes(since)
        since = changes.version
        board.apply(changes, 0)
    assert len(board.since(0, ("events",))["tables"]["events"]["set"]) <= MAX_ROWS["events"]
    assert len(board.since(0, ("points",))["tables"]["points"]["set"]) <= MAX_ROWS["points"]


async def test_lost_source_keeps_values_and_since_when() -> None:
    board, source = Board(), MadeLive(5)
    changes = await source.changes()
    board.apply(changes, 100)
    board.lose("away", "start it", 1_100)
    board.lose("away", "start it", 9_100)
    assert board.source["lost_us"] == changes.at_us + 1_000
    assert board.time_us(9_100) == changes.at_us + 9_000
    assert board.row("account") is not None
    board.apply(msgspec.structs.replace(changes, is_complete=False), 10_000)
    assert board.source["lost_us"] is None


def test_source_that_was_never_read_is_lost_since_the_attempt() -> None:
    board = Board()
    board.lose("away", "start it", 1_000)
    assert board.source["lost_us"] == 1_000
    assert board.since(0, ALL)["source"]["problem"] == "away"
    assert "tables" not in board.since(0, ALL)
