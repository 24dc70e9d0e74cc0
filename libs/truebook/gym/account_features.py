"""Which features of a layout depend on the account, so that all others are computed once for every account."""

from __future__ import annotations

from typing import Any, Final

from truebook.features.inputs import AccountInputs, FeatureInputs
from truebook.features.layout import Layout

ACCOUNT_FIELDS: Final = frozenset(AccountInputs.__annotations__)


class _AccountRead(BaseException):
    """A formula reads the account; no exception that a formula may handle."""


class PublicInputs(FeatureInputs, frozen=True, kw_only=True, dict=True):
    """Inputs whose account can't be read."""

    def __getattribute__(self, name: str) -> Any:
        if name in ACCOUNT_FIELDS:
            raise _AccountRead
        return super().__getattribute__(name)


class AccountFeatures:
    """The features that have read the account for any of the inputs so far.

    A formula is a function of its inputs. One that doesn't read the account for given inputs has the same value for
    every account, whatever it does for other inputs.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._unknown = list(range(len(layout)))
        self._found: list[int] = []

    def note(self, inputs: PublicInputs) -> None:
        """Compute every feature that has not read the account yet."""
        unknown = []
        for place in self._unknown:
            try:
                self._layout.features[place].compute(inputs)
            except _AccountRead:
                self._found.append(place)
            else:
                unknown.append(place)
        self._unknown = unknown

    def places(self) -> tuple[int, ...]:
        """Return their places in the layout."""
        return tuple(sorted(self._found))
