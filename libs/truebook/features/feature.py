"""One named feature: a pure function with a range and a formula version."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from truebook.features.inputs import FeatureInputs
from truebook.messages.reasons import Reason


class FeatureError(Exception):
    """No vector can be computed; ``reason`` is the reason of the refused observation."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """A formula. Any change of what it computes is a new ``version``, and so a new hash of its layouts."""

    name: str
    version: int
    low: float
    high: float
    compute: Callable[[FeatureInputs], float]
    signals: tuple[str, ...] = ()
    """Names of the signals that the formula reads."""
    about: str = ""

    def twin(self, name: str, about: str) -> Feature:
        """Return a feature of another name with this one's value; a layout computes both once."""
        return msgspec.structs.replace(self, name=name, about=about)


def feature(
    *, low: float = 0.0, high: float = 1.0, version: int = 1, signals: tuple[str, ...] = ()
) -> Callable[[Callable[[FeatureInputs], float]], Feature]:
    """Decorate a function as a ``Feature`` with its name and docstring; layouts clip its value to ``low``..``high``."""

    def make(compute: Callable[[FeatureInputs], float]) -> Feature:
        return Feature(
            name=compute.__name__,
            version=version,
            low=low,
            high=high,
            compute=compute,
            signals=signals,
            about=" ".join((compute.__doc__ or "").split()),
        )

    return make


def signal(name: str, *, low: float, high: float, version: int = 1) -> Feature:
    """Return a feature whose value is the user's signal ``name``."""
    return Feature(
        name=name,
        version=version,
        low=low,
        high=high,
        compute=lambda inputs: inputs.signals[name],
        signals=(name,),
        about=f"The signal `{name}` as it was given.",
    )
