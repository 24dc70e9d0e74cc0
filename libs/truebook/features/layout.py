"""Layouts: ordered lists of features, with a hash that must equal the one that the model was trained with.

The hash covers the features' names and formula versions in their order, so that a model is never given a vector that
merely has the right length. Values are clipped to each feature's range and rounded to six decimals: short on the wire,
exact enough for float32, the same on every machine.

Layout ``c52`` is the final layout of an earlier trading program (docs/predecessor-failures.md), with its defects
corrected: 26 features of the market, 10 of time and history, 11 of the portfolio, 5 of our orders.
``docs/observation.md`` lists each correction; a model trained on the original's vectors was trained on other values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import itemgetter
from typing import Final

from truebook.features.c52_account import ACCOUNT_FEATURES
from truebook.features.c52_market import MARKET_FEATURES
from truebook.features.c52_temporal import TEMPORAL_FEATURES
from truebook.features.feature import Feature, FeatureError
from truebook.features.history import History
from truebook.features.inputs import FeatureInputs, Holding, WorkingOrder
from truebook.features.m1 import M1_FEATURES
from truebook.messages.ids import digest
from truebook.messages.reasons import Reason

__all__ = [
    "Feature", "FeatureError", "FeatureInputs", "History", "Holding", "Layout", "UnknownLayout", "WorkingOrder",
    "layout",
]  # fmt: skip

_DECIMALS: Final = 6
_SCALE: Final = 1e6
_TO_WHOLE: Final = 1.5 * 2.0**52
"""Adding and subtracting this rounds a double below 2^51 to a whole number, ties to even."""
_SURE: Final = 0.499**2
"""Closer than the root of this to a whole number, the rounding error of the scaling cannot have selected another."""
_NARROW: Final = 1_000.0
BATCH_FROM: Final = 16
"""So many markets are computed faster together than one by one: see docs/performance.md."""
_REFUSED: Final = (ArithmeticError, LookupError, TypeError, ValueError)


class UnknownLayout(ValueError):
    """No layout has that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown layout {name!r}; available: {', '.join(sorted(known))}")
        self.name = name


class Layout:
    """An ordered list of features under a name."""

    def __init__(self, name: str, features: Iterable[Feature]) -> None:
        """Raises ``ValueError`` if the list is empty or a name is repeated."""
        self.name = name
        self.features: tuple[Feature, ...] = tuple(features)
        self.names: tuple[str, ...] = tuple(each.name for each in self.features)
        if not self.names or len(set(self.names)) != len(self.names):
            raise ValueError(f"layout {name!r}: needs features with distinct names, got {self.names}")
        self.hash: str = digest(*(f"{each.name}/{each.version}" for each in self.features))
        self.signals: tuple[str, ...] = tuple(sorted({need for each in self.features for need in each.signals}))
        # Twins are computed once. An empty range sends every value to the slow path, which is exact on any scale.
        unique: dict[tuple[object, float, float], Feature] = {}
        for each in self.features:
            unique.setdefault((each.compute, each.low, each.high), each)
        self._unique = tuple(unique.values())
        self._plan = [
            (each.compute, *((each.low, each.high) if _is_narrow(each) else (math.inf, -math.inf)))
            for each in self._unique
        ]
        self._is_narrow = all(map(_is_narrow, self._unique))
        self.is_bundled: bool = all(each.compute in _BUNDLED for each in self.features)
        """Whether every feature is Truebook's own, so that none is slow."""
        places = {formula: place for place, formula in enumerate(unique)}
        self._in_order = [places[each.compute, each.low, each.high] for each in self.features]
        self._arrange: Callable[[list[float]], tuple[float, ...]] = (
            itemgetter(*self._in_order) if len(self._in_order) > 1 else tuple
        )

    def __len__(self) -> int:
        return len(self.features)

    def extended(self, name: str, features: Iterable[Feature]) -> Layout:
        """Return a layout of this one's features followed by these."""
        return Layout(name, (*self.features, *features))

    def compute(self, inputs: FeatureInputs) -> tuple[float, ...]:
        """Compute the vector, in the layout's order.

        Raises ``FeatureError``: ``one_sided_book``, ``signal_missing``, or ``inference_failed`` where a (user's)
        function fails or returns no finite number.
        """
        if not inputs.bid[1] or not inputs.ask[1]:  # a level has a size
            raise FeatureError(Reason.ONE_SIDED_BOOK, inputs.market.ticker)
        for need in self.signals:
            if need not in inputs.signals:
                raise FeatureError(Reason.SIGNAL_MISSING, need)
        values: list[float] = []
        scale, to_whole, sure = _SCALE, _TO_WHOLE, _SURE
        try:
            for compute, low, high in self._plan:
                value = compute(inputs)
                if low <= value <= high:
                    # Equals round(value, 6) to the bit, at a third of its cost: see docs/performance.md.
                    scaled = value * scale
                    whole = (scaled + to_whole) - to_whole
                    rest = scaled - whole
                    if whole and rest * rest < sure:
                        values.append(whole / scale)
                    else:
                        values.append(round(float(value), _DECIMALS) if value else value)
                else:
                    values.append(self._clipped(self._unique[len(values)], float(value)))
        except _REFUSED as error:
            each = self._unique[len(values)]
            detail = f"feature {each.name} of layout {self.name}: {type(error).__name__}: {error}"
            raise FeatureError(Reason.INFERENCE_FAILED, detail) from error
        return self._arrange(list(map(float, values)))

    def compute_all(self, inputs: Sequence[FeatureInputs]) -> list[tuple[float, ...] | FeatureError]:
        """Compute the vectors of several markets, or why there is none: each as ``compute`` does, to the bit."""
        if len(inputs) < BATCH_FROM or not self._is_narrow:
            return [self._compute_or_error(each) for each in inputs]
        from truebook.features.batch import compute_columns  # its formulas need numpy

        vectors, alone = compute_columns(self._unique, self._in_order, inputs)
        found: list[tuple[float, ...] | FeatureError] = [*vectors]
        for place in alone.nonzero()[0].tolist():
            found[place] = self._compute_or_error(inputs[place])
        return found

    def _compute_or_error(self, inputs: FeatureInputs) -> tuple[float, ...] | FeatureError:
        try:
            return self.compute(inputs)
        except FeatureError as error:
            return error

    def _clipped(self, each: Feature, value: float) -> float:
        if not math.isfinite(value):
            raise FeatureError(Reason.INFERENCE_FAILED, f"feature {each.name} of layout {self.name} is {value}")
        return round(min(max(value, each.low), each.high), _DECIMALS)


def _is_narrow(each: Feature) -> bool:
    return each.low >= -_NARROW and each.high <= _NARROW


_BUNDLED: Final = frozenset(
    each.compute for each in (*M1_FEATURES, *MARKET_FEATURES, *TEMPORAL_FEATURES, *ACCOUNT_FEATURES)
)
BUNDLED_LAYOUTS: Final = {"m1": M1_FEATURES, "c52": (*MARKET_FEATURES, *TEMPORAL_FEATURES, *ACCOUNT_FEATURES)}


@cache
def layout(name: str) -> Layout:
    """Return a bundled layout; raises ``UnknownLayout``."""
    features = BUNDLED_LAYOUTS.get(name)
    if features is None:
        raise UnknownLayout(name, BUNDLED_LAYOUTS)
    return Layout(name, features)
