"""What the open pages show, as tables of rows, each field with the version in which it last changed.

A page has seen some version and is sent what changed since: any number of pages share one board, and a slow one skips
versions instead of queueing them. It must not read a source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from truebook.live.views import Changes

Row = dict[str, Any]
Patch = dict[str, Any]

ACCOUNT, DECISIONS, EVENTS, FUNNEL, POINTS, ROWS, SERVICES = (
    "account", "decisions", "events", "funnel", "points", "rows", "services",
)  # fmt: skip
ONLY: Final = "only"
"""Key of the row of a table that has one."""
MAX_ROWS: Final[Mapping[str, int]] = {DECISIONS: 300, EVENTS: 300, POINTS: 3_000}
"""Of tables that grow: the oldest rows are dropped."""
_MISSING: Final = object()


class _Entry:
    """One row, and the version of each field."""

    __slots__ = ("values", "version", "versions")

    def __init__(self) -> None:
        self.values: Row = {}
        self.versions: dict[str, int] = {}
        self.version = 0

    def set(self, values: Row, version: int) -> bool:
        """Replace the row; returns whether a field changed."""
        for name, value in values.items():
            if self.values.get(name, _MISSING) != value:
                self.versions[name] = self.version = version
        self.values = values
        return self.version == version

    def since(self, version: int) -> Row:
        return {name: value for name, value in self.values.items() if self.versions[name] > version}


class Table:
    """Rows by key; ``limit`` of them, or any number."""

    def __init__(self, limit: int | None = None) -> None:
        self._entries: dict[str, _Entry] = {}
        self._removed: dict[str, int] = {}
        self._limit = limit
        self.version = 0

    def set(self, key: str, values: Row, version: int) -> None:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
            self._removed.pop(key, None)
            if self._limit is not None and len(self._entries) > self._limit:
                self.remove(next(iter(self._entries)), version)
        if entry.set(values, version):
            self.version = version

    def remove(self, key: str, version: int) -> None:
        if self._entries.pop(key, None) is not None:
            self._removed[key] = self.version = version
            if self._limit is not None and len(self._removed) > self._limit:
                del self._removed[next(iter(self._removed))]

    def replace(self, rows: Mapping[str, Row], version: int) -> None:
        """Replace all rows; those that are equal count as unchanged."""
        for key in self._entries.keys() - rows.keys():
            self.remove(key, version)
        for key, values in rows.items():
            self.set(key, values, version)

    def since(self, version: int) -> Patch:
        """Return the changed fields of changed rows, and the keys of removed rows."""
        patch: Patch = {
            "set": {key: entry.since(version) for key, entry in self._entries.items() if entry.version > version}
        }
        if version and (removed := [key for key, at in self._removed.items() if at > version]):
            patch["removed"] = removed
        return patch

    def get(self, key: str) -> Row | None:
        entry = self._entries.get(key)
        return None if entry is None else entry.values

    def __len__(self) -> int:
        return len(self._entries)


class Board:
    """All tables. ``version`` grows with each ``apply`` and ``put``."""

    def __init__(self) -> None:
        self.version = 0
        self._clock: tuple[int, int] | None = None
        self.source: Row = {"live": None, "note": None, "lost_us": None, "problem": None, "hint": None}
        """Whether the source can be read; null until that is known."""
        self._source_version = 0
        self._tables = {name: Table(MAX_ROWS.get(name)) for name in (
            ACCOUNT, DECISIONS, EVENTS, FUNNEL, POINTS, ROWS, SERVICES,
        )}  # fmt: skip

    def time_us(self, now_us: int) -> int:
        """Return the source's time at ``now_us`` of this machine: the newest one, continued, also while it is lost."""
        if self._clock is None:
            return now_us
        at_us, read_us = self._clock
        return at_us + now_us - read_us

    def apply(self, changes: Changes, now_us: int) -> None:
        """Apply what changed in the source, which can be read now."""
        self.version += 1
        self._clock = changes.at_us, now_us
        self._state(live=changes.is_live, note=changes.note, lost_us=None, problem=None, hint=None)
        put = self._replace if changes.is_complete else self._add
        put(ROWS, {row.ticker: _plain(row) for row in changes.rows})
        for ticker in changes.removed:
            self._tables[ROWS].remove(ticker, self.version)
        put(DECISIONS, {row.action_id: _plain(row) for row in changes.decisions})
        put(EVENTS, {str(event.number): _plain(event) for event in changes.events})
        put(POINTS, {str(point.at_us): {"point": _plain(point)} for point in changes.points})
        if changes.services is not None:
            self._replace(SERVICES, {f"{row.service}/{row.instance}": _plain(row) for row in changes.services})
        for name, value in ((ACCOUNT, changes.account), (FUNNEL, changes.funnel)):
            if value is not None:
                self._replace(name, {ONLY: _plain(value)})
            elif changes.is_complete:
                self._replace(name, {})

    @property
    def is_full(self) -> bool:
        """Whether the next point of the equity curve would displace its beginning: the source has a thinned one."""
        return len(self._tables[POINTS]) >= MAX_ROWS[POINTS]

    def lose(self, problem: str, hint: str, now_us: int) -> None:
        """Record that the source can't be read; what was read before stays, and since when it is old."""
        self.version += 1
        lost_us = self.source["lost_us"]
        since_us = self.time_us(now_us) if lost_us is None else lost_us
        self._state(live=None, note=None, lost_us=since_us, problem=problem, hint=hint)

    def put(self, subject: str, value: msgspec.Struct | None, problem: str | None = None) -> None:
        """Record what a page has requested beside the tables; None: nothing is known of it."""
        self.version += 1
        row = {"known": value is not None, "problem": problem, **({} if value is None else _plain(value))}
        self._tables.setdefault(subject, Table()).replace({ONLY: row}, self.version)

    def drop(self, subject: str) -> None:
        """Drop a subject that no page shows."""
        self._tables.pop(subject, None)

    def row(self, table: str, key: str = ONLY) -> Row | None:
        found = self._tables.get(table)
        return None if found is None else found.get(key)

    def since(self, version: int, tables: Iterable[str]) -> Patch:
        """Return what changed in these tables since a version; without ``tables`` in it: nothing did."""
        patch: Patch = {"version": self.version}
        if self._source_version > version:
            patch["source"] = self.source
        changed = {
            name: table.since(version)
            for name in tables
            if (table := self._tables.get(name)) is not None and table.version > version
        }
        if changed:
            patch["tables"] = changed
        return patch

    def _add(self, name: str, rows: Mapping[str, Row]) -> None:
        for key, values in rows.items():
            self._tables[name].set(key, values, self.version)

    def _replace(self, name: str, rows: Mapping[str, Row]) -> None:
        self._tables[name].replace(rows, self.version)

    def _state(self, **changes: Any) -> None:
        if self.source != changes:
            self.source = changes
            self._source_version = self.version


def _plain(value: msgspec.Struct) -> Any:
    return msgspec.to_builtins(value)
