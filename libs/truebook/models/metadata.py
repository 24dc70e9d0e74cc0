"""A model file's metadata, in its ONNX ``metadata_props`` under keys that start with ``truebook.``.

A file with a missing, misspelt or out-of-range key is refused: a guess here would trade on a misread output.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from truebook.decision.strategy import ACTION_MAP, MILLION, Output, PriceRule, Strategy
from truebook.decoding import UNREADABLE
from truebook.models.check_rows import CheckRows
from truebook.models.errors import ModelRefused
from truebook.money import ONE_DOLLAR_CC

PREFIX: Final = "truebook."
FORMAT: Final = "1"
_MAX_SIZES: Final = 100
_MAX_SIZE_CENTI: Final = 10_000_000
_Choice = TypeVar("_Choice", bound=StrEnum)


class ModelMetadata(Strategy, frozen=True, kw_only=True):
    """A model's identity and its declared way of trading."""

    name: str
    layout: str
    layout_hash: str
    sha256: str = ""
    """Of the file's bytes: the identity of this model; empty until the file is written."""
    trained: str = ""
    """Free text for people: data, window, commit."""
    check_rows: CheckRows | None = None
    """Inputs with the trainer's own outputs; None: the load can't compare with the trainer."""

    def to_properties(self) -> dict[str, str]:
        """Return the metadata as ``metadata_props``, the inverse of ``read_properties``."""
        properties = {
            "format": FORMAT,
            "name": self.name,
            "layout": self.layout,
            "layout_hash": self.layout_hash,
            "output": self.output.value,
            "price_rule": self.price_rule.value,
            "sizes_centi": ",".join(str(size) for size in self.sizes_centi),
            "min_edge_cc": str(self.min_edge_cc),
            "kelly_fraction_ppm": str(self.kelly_fraction_ppm),
            "cash_share_ppm": str(self.cash_share_ppm),
        }
        if self.output is Output.ACTION_LOGITS:
            properties["action_map"] = ACTION_MAP
        if self.max_position_centi is not None:
            properties["max_position_centi"] = str(self.max_position_centi)
        if self.take_edge_cc is not None:
            properties["take_edge_cc"] = str(self.take_edge_cc)
        if self.trained:
            properties["trained"] = self.trained
        if self.check_rows is not None:
            properties["check_rows"] = msgspec.json.encode(self.check_rows).decode()
        return {PREFIX + key: value for key, value in properties.items()}


def read_properties(properties: Mapping[str, str], file: str, *, stem: str, sha256: str = "") -> ModelMetadata:
    """Read and check a file's ``metadata_props``; raises ``ModelRefused`` with every problem.

    ``file`` is named in the error; ``stem`` is the name of a model whose metadata has none. Keys without our prefix are
    ignored.
    """
    own = {key.removeprefix(PREFIX): value for key, value in properties.items() if key.startswith(PREFIX)}
    if not own:
        what = f"it has no metadata with the prefix {PREFIX!r}"
        raise ModelRefused(file, [f"{what}: write ModelMetadata(...).to_properties() into its metadata_props"])
    reader = _Reader(own)
    fields = _read_all(reader, stem)
    reader.refuse_unknown()
    if reader.problems:
        raise ModelRefused(file, reader.problems)
    return ModelMetadata(sha256=sha256, **fields)  # type: ignore[arg-type]  # each field was read as its type


def _read_all(reader: _Reader, stem: str) -> dict[str, object]:
    reader.must_be("format", FORMAT, "the only format that this version of Truebook reads")
    fields: dict[str, object] = {
        "name": reader.text("name", stem),
        "layout": reader.text("layout", None),
        "layout_hash": reader.text("layout_hash", None),
        "output": reader.choice("output", Output, None),
        "price_rule": reader.choice("price_rule", PriceRule, PriceRule.CROSS),
        "sizes_centi": reader.sizes("sizes_centi"),
        "min_edge_cc": reader.whole("min_edge_cc", 0, ONE_DOLLAR_CC, 0),
        "take_edge_cc": reader.whole("take_edge_cc", 0, ONE_DOLLAR_CC, None),
        "kelly_fraction_ppm": reader.whole("kelly_fraction_ppm", 0, MILLION, 0),
        "cash_share_ppm": reader.whole("cash_share_ppm", 1, MILLION, 200_000),
        "max_position_centi": reader.whole("max_position_centi", 1, _MAX_SIZE_CENTI, None),
        "trained": reader.text("trained", ""),
        "check_rows": reader.check_rows("check_rows"),
    }
    if fields["output"] is Output.ACTION_LOGITS:
        reader.must_be("action_map", ACTION_MAP, "the order of the action ids is fixed")
    else:
        reader.take("action_map")
    return fields


class _Reader:
    """Reads typed values and collects every problem instead of stopping at the first."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = dict(values)
        self.problems: list[str] = []

    def take(self, key: str) -> str | None:
        return self._values.pop(key, None)

    def refuse_unknown(self) -> None:
        for key in sorted(self._values):
            self.problems.append(f"{PREFIX}{key} is unknown: correct or remove it")

    def must_be(self, key: str, value: str, why: str) -> None:
        found = self.take(key)
        if found != value:
            self.problems.append(f"{PREFIX}{key} must be {value!r} ({why}), it is {found!r}")

    def text(self, key: str, default: str | None) -> str:
        found = self.take(key)
        if found:
            return found
        if default is None:
            self.problems.append(f"{PREFIX}{key} is missing")
        return default or ""

    def choice(self, key: str, kind: type[_Choice], default: _Choice | None) -> _Choice | None:
        found = self.take(key)
        if found is None and default is not None:
            return default
        try:
            return kind(found or "")
        except ValueError:
            known = ", ".join(kind)
            self.problems.append(f"{PREFIX}{key} must be one of {known}; it is {found!r}")
            return None

    def whole(self, key: str, low: int, high: int, default: int | None) -> int | None:
        found = self.take(key)
        if found is None:
            return default
        if not (found.isascii() and found.isdigit() and low <= int(found) <= high):
            self.problems.append(f"{PREFIX}{key} must be a whole number in {low}..{high}, it is {found!r}")
            return default
        return int(found)

    def check_rows(self, key: str) -> CheckRows | None:
        found = self.take(key)
        if found is None:
            return None
        try:
            return msgspec.json.decode(found, type=CheckRows)
        except UNREADABLE as error:
            self.problems.append(f"{PREFIX}{key} is malformed ({error}): export the model again")
            return None

    def sizes(self, key: str) -> tuple[int, ...]:
        found = self.take(key)
        parts = [part.strip() for part in (found or "").split(",")]
        sizes = tuple(int(part) for part in parts if part.isascii() and part.isdigit())
        rising = all(small < large for small, large in zip((0, *sizes), sizes, strict=False))
        if len(sizes) != len(parts) or not rising or len(sizes) > _MAX_SIZES or sizes[-1] > _MAX_SIZE_CENTI:
            what = "must list rising sizes in hundredths of a contract, such as '500,1000'"
            self.problems.append(f"{PREFIX}{key} {what}; it is {found!r}")
            return ()
        return sizes
