"""Errors of models.

ModelError
├── ModelRefused       the file cannot be used: states what is wrong, where, and what to do; never retried
│   └── OutputsDiffer  its outputs are not the trainer's
├── HistoryRefused     a replay can't follow the history of a registry
├── NotConvertible     a fitted model cannot become a model file
├── MissingLibrary     an optional library is not installed
├── NotRecorded        a change was made, but is not in the history
├── ModelFailed        a loaded model returned no usable output: no action and an alarm
└── RegistryReadOnly   the registry's folder cannot be written
    └── RegistryBusy   not now: another process has its lock
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def _restored(kind: type[ModelError], args: tuple[object, ...], fields: dict[str, object]) -> ModelError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class ModelError(Exception):
    """A model cannot be used."""

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes send their errors to the parent; one that can't be restored there would never arrive.
        return _restored, (type(self), self.args, self.__dict__)


class ModelRefused(ModelError):
    """The file is refused; ``problems`` lists everything that is wrong with it, one sentence each."""

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        lines = problems[0] if len(problems) == 1 else "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"model {file} is refused: {lines}")
        self.file = file
        self.problems = tuple(problems)


class OutputsDiffer(ModelRefused):
    """The file returns other outputs than the trainer for ``inputs`` (one row)."""

    def __init__(self, file: str, problem: str, *, inputs: tuple[float, ...], expected: float, found: float) -> None:
        super().__init__(file, [problem])
        self.inputs = inputs
        self.expected = expected
        self.found = found


class HistoryRefused(ModelError):
    """A replay can't follow the history of a registry: states why, and what to do."""

    def __init__(self, history: Path, problem: str) -> None:
        super().__init__(f"history {history} is refused: {problem}")


class NotConvertible(ModelError):
    """A fitted model cannot become a model file: states why, and what to do."""


class MissingLibrary(ModelError):
    """An optional library is not installed."""

    def __init__(self, library: str, extra: str, error: ImportError) -> None:
        super().__init__(f"{library} is needed and can't be imported ({error}): install truebook[{extra}]")
        self.library = library


class ModelFailed(ModelError):
    """The model's output cannot be used."""


class NotRecorded(ModelError):
    """The models in use were changed, and the history could not be written."""

    def __init__(self, path: Path, error: Exception) -> None:
        cause = error.__cause__ if isinstance(error, RegistryReadOnly) else error
        reason = cause.strerror if isinstance(cause, OSError) else cause
        super().__init__(
            f"{path}: can't be written: {reason}; the change was made all the same, and is in use: see "
            "`truebook models list`. Only its line in the history is missing"
        )


class RegistryReadOnly(ModelError):
    """The registry's folder cannot be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"{path}: can't be written: {error.strerror}; nothing was changed. Run the command where the registry can "
            "be changed: in containers that is the reconciler's, if policy shares its folder (docs/models.md)"
        )


class RegistryBusy(RegistryReadOnly):
    """Another process holds the registry's lock."""

    def __init__(self, path: Path) -> None:
        what = f"{path}: another process holds this lock; nothing was changed. Wait for that command, or end it"
        ModelError.__init__(self, what)
