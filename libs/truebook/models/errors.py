"""What can be wrong with a model.

ModelError
├── ModelRefused   the file can't be used: says what is wrong, where, and what to do; never retried
└── ModelFailed    a loaded model gave no usable output: HOLD and an alarm
"""

from __future__ import annotations

from collections.abc import Sequence


class ModelError(Exception):
    """A model can't do its work."""


class ModelRefused(ModelError):
    """The file is refused; ``problems`` lists everything that is wrong with it, one sentence each."""

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        lines = problems[0] if len(problems) == 1 else "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"model {file} is refused: {lines}")
        self.file = file
        self.problems = tuple(problems)


class ModelFailed(ModelError):
    """The model's output can't be used."""
