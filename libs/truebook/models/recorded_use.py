"""Which model decided when, by the history of a registry: a replay switches at the recorded points.

A point is an ``in_use`` line of the history: the first observation that a model decided. A replay of the same run (its
recording, with its settings) makes the same observations, so the switch is exact. The ids of observations contain the
ledger's sequence, so a replay of another run, such as a live one, has others: it switches at the first observation that
is made after the time of the recorded one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from truebook.clock import MICROS
from truebook.messages.observations import Observation
from truebook.models.errors import HistoryRefused
from truebook.models.history import Change, ChangeKind, ModelVersion, Switch, read_lines
from truebook.models.pointer import read_file
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model


class Point(msgspec.Struct, frozen=True):
    """A recorded point with its model, None where no model decides from there on."""

    at_us: int
    observation_id: str
    model: Model | None
    version: ModelVersion | None


class RecordedUses(msgspec.Struct, frozen=True):
    """The model at the start of a replay, and the points at which it changes, in the order of time."""

    first: Model
    points: tuple[Point, ...]

    def changed(self, change: Callable[[Model], Model]) -> RecordedUses:
        """Return the same uses with each model changed."""
        points = (
            msgspec.structs.replace(each, model=None if each.model is None else change(each.model))
            for each in self.points
        )  # fmt: skip
        return RecordedUses(change(self.first), tuple(points))


class UseCursor:
    """The position of one replay in the recorded uses."""

    def __init__(self, uses: RecordedUses) -> None:
        self.model: Model | None = uses.first
        self.switches: list[Switch] = []
        self._points = uses.points
        self._next = 0
        self._numbers = {(each.observation_id, each.at_us): number for number, each in enumerate(uses.points)}

    def parts(self, observations: Sequence[Observation]) -> Iterator[tuple[Model | None, Sequence[Observation]]]:
        """Divide a batch at the points; yield each part, that is not empty, with the model that decides it."""
        start = 0
        for number, observation in enumerate(observations):
            if self._next == len(self._points):
                break
            reached, is_exact = self._reached(observation)
            if reached > self._next:
                if number > start:
                    yield self.model, observations[start:number]
                start, self._next = number, reached
                self._switch(self._points[reached - 1], observation, is_exact=is_exact)
        yield self.model, observations[start:]

    def _reached(self, observation: Observation) -> tuple[int, bool]:
        """Return the number of points that are reached with an observation, and whether it is the recorded one."""
        number = self._numbers.get((observation.id, observation.produced_us), -1)
        if number >= self._next:
            return number + 1, True
        reached = self._next
        while reached < len(self._points) and self._points[reached].at_us < observation.produced_us:
            reached += 1
        return reached, False

    def _switch(self, point: Point, observation: Observation, *, is_exact: bool) -> None:
        before = None if self.model is None else self.model.metadata.sha256
        sha256 = None if point.version is None else point.version.sha256
        self.model = point.model
        if sha256 != before:
            self.switches.append(
                Switch(
                    at_us=observation.produced_us, observation_id=observation.id, is_exact=is_exact, sha256=sha256,
                    name=None if point.version is None else point.version.name,
                )
            )  # fmt: skip


def load_uses(
    history: Path, registries: Sequence[ModelRegistry], *, recorded_us: tuple[int, int], from_us: int = 0,
    to_us: int | None = None,
) -> RecordedUses:  # fmt: skip
    """Load the models that decided in a window of a recording, whose first and last time are ``recorded_us``.

    Models are found by their digests in the registries. Raises ``HistoryRefused`` where the history has none for this
    recording or a model is not found, and ``ModelRefused``.
    """
    changes = _uses(history)
    first_us, last_us = recorded_us
    times = [_time_us(each) for each in changes]
    if times[-1] < first_us or times[0] > last_us:
        span = f"its models came into use from {_text(times[0])} to {_text(times[-1])}"
        what = f"{span}, the recording is from {_text(first_us)} to {_text(last_us)}"
        hint = "it is the history of another recording; for a model that decided throughout, give --model NAME"
        raise HistoryRefused(history, f"{what}: {hint}")
    from_us = max(from_us, first_us)
    before = [each for each in changes if _time_us(each) < from_us]
    later = changes[len(before) :]
    models = _Models(history, registries)
    points = [
        Point(_time_us(each), each.observation_id, None if each.model is None else models.load(each), each.model)
        for each in later
        if to_us is None or _time_us(each) <= to_us
    ]
    if before and before[-1].model is None:  # stopped when the window begins
        points.insert(0, Point(_time_us(before[-1]), "", None, None))
    return RecordedUses(models.load(_first(history, before, later)), tuple(points))


def _uses(history: Path) -> list[Change]:
    """Read the points, in the order of time."""
    changes, unreadable = read_lines(history)
    if unreadable:
        numbers = ", ".join(map(str, unreadable[:5]))
        what = f"{len(unreadable)} of its lines can't be read (line {numbers}): a switch may be missing"
        raise HistoryRefused(history, f"{what}; remove them if they are no switch, or give a whole changes.jsonl")
    uses = [each for each in changes if each.kind is ChangeKind.IN_USE]
    if not uses:
        what = "no policy has recorded in it which observation a model decided first"
        raise HistoryRefused(history, f"{what}: give the changes.jsonl of the registry that the run used")
    return sorted(uses, key=_time_us)


def _first(history: Path, before: Sequence[Change], later: Sequence[Change]) -> Change:
    """Return a change with the model that decides at the start: the newest before it, else that before the first one.

    Where the history begins with the start of a policy, no earlier model is known: then it is the first one itself.
    """
    known = [each for each in before if each.model is not None]
    if known:
        return known[-1]
    for each in (*before, *later):
        if each.previous is not None:
            return msgspec.structs.replace(each, model=each.previous)
        if each.model is not None:
            return each
    raise HistoryRefused(history, "it names no model that decided: give a whole changes.jsonl")


def _time_us(change: Change) -> int:
    return change.observed_us or change.at_us


def _text(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us / MICROS, UTC):%Y-%m-%dT%H:%M:%S}Z"


class _Models:
    """Finds models by their digests."""

    def __init__(self, history: Path, registries: Sequence[ModelRegistry]) -> None:
        self._history = history
        self._registries = registries
        self._found: dict[str, Model] = {}

    def load(self, change: Change) -> Model:
        """Load a change's model; raises ``HistoryRefused`` if no file has its digest, and ``ModelRefused``."""
        version = change.model
        assert version is not None, "chosen"
        if version.sha256 not in self._found:
            self._found[version.sha256] = self._load(version, change)
        return self._found[version.sha256]

    def _load(self, version: ModelVersion, change: Change) -> Model:
        for registry in self._registries:
            for path in _candidates(registry, version):
                content = read_file(path)
                if hashlib.sha256(content).hexdigest() == version.sha256:
                    return registry.load_content(content, str(path), version.name)
        folders = " or ".join(dict.fromkeys(str(each.folder) for each in self._registries))
        what = f"model {version.name} with the SHA-256 {version.sha256} decided from {_text(_time_us(change))} on"
        is_named = any(version.name in each.names() for each in self._registries)
        state = f"{version.name} has other bytes now" if is_named else "there is none of that name"
        hint = f"put its file as {version.name}.onnx into {self._history.parent}"
        raise HistoryRefused(self._history, f"{what}, but no file in {folders} has these bytes ({state}): {hint}")


def _candidates(registry: ModelRegistry, version: ModelVersion) -> Iterator[Path]:
    """Yield the files that may be a version of a model: its kept copy, that of its name, then all others."""
    kept = registry.files.version_path(version)
    if kept.is_file():
        yield kept
    for name in dict.fromkeys((version.name, *registry.names())):
        for folder in (registry.files.bundled, registry.folder):
            if (path := folder / f"{name}.onnx").is_file():
                yield path
