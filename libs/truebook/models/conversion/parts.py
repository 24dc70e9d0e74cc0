"""What each conversion takes and returns, and its errors. Imports no training library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from truebook.decision.strategy import Strategy
from truebook.features.layout import Layout
from truebook.models.check_rows import Batch
from truebook.models.errors import MissingLibrary, NotConvertible

Outputs = npt.NDArray[np.float64]


class ExportTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model goes and how it trades."""

    path: Path
    layout: Layout
    strategy: Strategy
    columns: Sequence[str] | None = None
    """Names of the layout's features that the model reads, in its order; None: by the names that it was fitted with, or
    the whole layout."""
    samples: npt.ArrayLike | None = None
    """Rows of real features [n, whole layout]: compared in addition to generated rows; some are stored in the file."""
    name: str = ""
    """Empty: the file's."""
    trained: str = ""
    """Free text for people: data, window, commit; empty: the training library's name and version."""


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted model as an ONNX graph [batch, features] → [batch, outputs], and what it is compared with."""

    graph: Any
    predict: Callable[[Batch], Outputs]
    """The trainer's own function: rows of the whole layout [n, features] → outputs [n, outputs]."""
    trainer: str
    """Library and version that ``predict`` uses."""
    advice: str
    """What to do if the graph returns other numbers."""


def imported(module: str, extra: str) -> Any:
    """Import an optional library; raises ``MissingLibrary``."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingLibrary(module.partition(".")[0], extra, error) from error


def places_of(target: ExportTarget, count: int, fitted_with: Sequence[str] | None) -> tuple[int, ...]:
    """Return the places in the layout of the ``count`` features that a model reads; raises ``NotConvertible``.

    ``fitted_with``: the names that it was fitted with, if it keeps any: the layout's own, or ``f000`` for its place 0.
    """
    layout = target.layout
    if target.columns is not None:
        return _by_name(target.columns, layout, count)
    if fitted_with is not None:
        numbered = {f"f{place:03}": name for place, name in enumerate(layout.names)}
        return _by_name([numbered.get(name, name) for name in fitted_with], layout, count)
    if count != len(layout):
        what = f"it reads {count} features without names, layout {layout.name} has {len(layout)}"
        raise NotConvertible(f"{what}: name those that it reads with columns=[…], in its order")
    return tuple(range(count))


def _by_name(names: Sequence[str], layout: Layout, count: int) -> tuple[int, ...]:
    unknown = [name for name in names if name not in layout.names]
    if unknown:
        what = f"{', '.join(map(repr, unknown[:5]))} of its features are not in layout {layout.name}"
        raise NotConvertible(f"{what}: name those that it reads with columns=[…], in its order")
    if len(names) != count or len(set(names)) != count:
        raise NotConvertible(f"it reads {count} features, but {len(set(names))} different columns are named")
    return tuple(layout.names.index(name) for name in names)
