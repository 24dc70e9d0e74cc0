"""Query parameters, and pages of lists. A cursor names the last item sent; an unknown one restarts the list, as at the
real exchange."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from truebook.clock import MICROS
from truebook_services.paper_exchange.errors import bad_parameter

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1_000
Item = TypeVar("Item")


class Query:
    """The query parameters of one request; ``operation`` is its name in error texts."""

    def __init__(
        self,
        operation: str,
        parameters: Mapping[str, str],
        lists: Callable[[str], list[str]] | None = None,
        *,
        lacking: frozenset[str] = frozenset(),
    ) -> None:
        """``lacking`` names parameters that the served version does not have: they read as not given."""
        self.operation = operation
        self._parameters = parameters
        self._lists = lists
        self._lacking = lacking
        self._read: set[str] = set()

    def text(self, name: str) -> str | None:
        if name in self._lacking:
            return None
        self._read.add(name)
        return self._parameters.get(name) or None

    def repeated(self, name: str, max_words: int = 100) -> tuple[str, ...]:
        """Read a parameter that may be given several times, each time with one value or a comma-separated list."""
        self._read.add(name)
        values = [self.text(name) or ""] if self._lists is None else self._lists(name)
        return self._words(name, values, max_words)

    def unread(self) -> list[str]:
        """Name the given parameters that were never read: they had no effect."""
        return [name for name in self._parameters if name not in self._read]

    def flag(self, name: str, default: bool = False) -> bool:
        """Read true or false; raises shape (c)."""
        text = self.text(name)
        if text is None:
            return default
        if text.lower() not in ("true", "false", "1", "0"):
            raise bad_parameter(self.operation, key_of(name), "boolean")
        return text.lower() in ("true", "1")

    def required(self, name: str, minimum: int, maximum: int) -> int:
        """Read a whole number that must be given; raises shape (c)."""
        value = self.number(name, minimum, maximum)
        if value is None:
            raise bad_parameter(self.operation, key_of(name), "required")
        return value

    def number(self, name: str, minimum: int, maximum: int, default: int | None = None) -> int | None:
        """Read a whole number within bounds; raises shape (c)."""
        text = self.text(name)
        if text is None:
            return default
        key = key_of(name)
        try:
            value = int(text)
        except ValueError as error:
            raise bad_parameter(self.operation, key, "numeric") from error
        if value < minimum:
            raise bad_parameter(self.operation, key, "gte")
        if value > maximum:
            raise bad_parameter(self.operation, key, "lte")
        return value

    def words(self, name: str, max_words: int = 100) -> tuple[str, ...]:
        """Read a comma-separated list."""
        return self._words(name, [self.text(name) or ""], max_words)

    def _words(self, name: str, values: Sequence[str], max_words: int) -> tuple[str, ...]:
        words = tuple(word for value in values for word in value.split(",") if word)
        if len(words) > max_words:
            raise bad_parameter(self.operation, key_of(name), "max")
        return words

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        text = self.text(name)
        if text is not None and text not in choices:
            raise bad_parameter(self.operation, key_of(name), "oneof")
        return text

    def since_us(self) -> int:
        """Read the start of a time span, in microseconds; 0 if none is given."""
        return (self.number("min_ts", 0, 2**53) or 0) * MICROS

    def span_us(self, min_name: str = "min_ts", max_name: str | None = "max_ts") -> Callable[[int], bool]:
        """Return the filter of a time span given in whole unix seconds, both ends included; None: it has no end."""
        after = self.number(min_name, 0, 2**53)
        before = None if max_name is None else self.number(max_name, 0, 2**53)

        def within(at_us: int) -> bool:
            second = at_us // MICROS
            return (after is None or second >= after) and (before is None or second <= before)

        return within


def key_of(name: str) -> str:
    """Return a parameter's name as the exchange's error texts have it."""
    return "".join(part.capitalize() for part in name.split("_"))


def page(
    query: Query,
    items: Sequence[Item],
    key: Callable[[Item], str],
    matches: Callable[[Item], bool],
    *,
    limits: tuple[int, int] = (DEFAULT_LIMIT, MAX_LIMIT),
) -> tuple[list[Item], str]:
    """Return one page of ``items`` and the next cursor, which is empty on the last page.

    The cursor is looked up before the filter: an item that no longer matches the filter still marks its place.
    ``limits`` are the default and the largest length of a page.
    """
    limit = query.number("limit", 1, limits[1], limits[0]) or limits[0]
    last = _decode(query.text("cursor"))
    start = 0
    if last is not None:
        start = next((index + 1 for index, item in enumerate(items) if key(item) == last), 0)
    found: list[Item] = []
    for item in items[start:]:
        if not matches(item):
            continue
        if len(found) == limit:
            return found, _encode(key(found[-1]))
        found.append(item)
    return found, ""


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decode(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        return None


def empty_listing(query: Query, name: str, limits: tuple[int, int] = (DEFAULT_LIMIT, MAX_LIMIT)) -> dict[str, Any]:
    """Return the page of a list that never has items, after a check of its parameters."""
    nothing: list[str] = []
    return listing(name, *page(query, nothing, str, bool, limits=limits))


def listing(name: str, items: Sequence[Any], cursor: str) -> dict[str, Any]:
    return {"cursor": cursor, name: list(items)}
