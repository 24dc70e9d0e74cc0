"""Layouts: ordered lists of features, with a hash that a model must have been trained with.

A layout's hash covers the names and formula versions in their order, so that a model can't be fed a vector that only
has the right length. Values are clipped to each feature's range and rounded to six decimals: short on the wire, exact
enough for float32, the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from truebook.features.c52 import C52_FEATURES
from truebook.features.feature import Feature, FeatureError
from truebook.features.history import History
from truebook.features.inputs import FeatureInputs, Holding, WorkingOrder
from truebook.features.m1 import M1_FEATURES
from truebook.messages.envelope import BookSide
from truebook.messages.ids import digest
from truebook.messages.reasons import Reason

__all__ = [
    "Feature", "FeatureError", "FeatureInputs", "History", "Holding", "Layout", "UnknownLayout", "WorkingOrder",
    "layout",
]  # fmt: skip

_DECIMALS: Final = 6


class UnknownLayout(ValueError):
    """No layout has that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"layout {name!r} is not known; known are: {', '.join(sorted(known))}")
        self.name = name


class Layout:
    """An ordered list of features under a name."""

    def __init__(self, name: str, features: Iterable[Feature]) -> None:
        """Raises ``ValueError`` where a name comes twice or the list is empty."""
        self.name = name
        self.features: tuple[Feature, ...] = tuple(features)
        self.names: tuple[str, ...] = tuple(each.name for each in self.features)
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError(f"layout {name!r}: needs features, each name once, got {self.names}")
        self.hash: str = digest(*(f"{each.name}/{each.version}" for each in self.features))
        self.signals: tuple[str, ...] = tuple(sorted({need for each in self.features for need in each.signals}))

    def __len__(self) -> int:
        return len(self.features)

    def extended(self, name: str, features: Iterable[Feature]) -> Layout:
        """Make a new layout: this one's features, then these."""
        return Layout(name, (*self.features, *features))

    def compute(self, inputs: FeatureInputs) -> tuple[float, ...]:
        """Compute the vector, in the layout's order.

        Raises ``FeatureError``: ``one_sided_book``, ``signal_missing``, or ``model_failed`` where a (user's)
        function fails or gives no finite number.
        """
        if inputs.book.best(BookSide.BID) is None or inputs.book.best(BookSide.ASK) is None:
            raise FeatureError(Reason.ONE_SIDED_BOOK, inputs.facts.ticker)
        for need in self.signals:
            if need not in inputs.signals:
                raise FeatureError(Reason.SIGNAL_MISSING, need)
        return tuple([self._value(each, inputs) for each in self.features])

    def _value(self, each: Feature, inputs: FeatureInputs) -> float:
        try:
            value = float(each.compute(inputs))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            detail = f"feature {each.name} of layout {self.name}: {type(error).__name__}: {error}"
            raise FeatureError(Reason.MODEL_FAILED, detail) from error
        if not math.isfinite(value):
            raise FeatureError(Reason.MODEL_FAILED, f"feature {each.name} of layout {self.name} gives {value}")
        return round(min(max(value, each.low), each.high), _DECIMALS)


SHIPPED_LAYOUTS: Final = {each.name: each for each in (Layout("m1", M1_FEATURES), Layout("c52", C52_FEATURES))}


def layout(name: str) -> Layout:
    """Find a shipped layout; raises ``UnknownLayout``."""
    found = SHIPPED_LAYOUTS.get(name)
    if found is None:
        raise UnknownLayout(name, SHIPPED_LAYOUTS)
    return found
