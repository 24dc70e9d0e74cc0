"""Reads the account's lists item by item: an odd item costs itself, not its list.

An item of another subaccount is certainly not ours: it is logged once and skipped. One that can't be read is logged
once and returned as unreadable, with its market and ids as far as they can be read: the caller decides whether it may
be ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
import structlog

from truebook.decoding import UNREADABLE
from truebook.kalshi.wire.rest_bodies import Owned
from truebook.money import WireFormatError
from truebook.venue.account import Listing, UnreadableItem

Body = TypeVar("Body", bound=Owned)
Item = TypeVar("Item")
MAX_REMEMBERED: Final = 1_000


class ItemReader:
    """Reads lists of one account; remembers what was logged."""

    def __init__(self) -> None:
        self._logged: set[bytes] = set()

    def read(
        self, raw_items: Sequence[msgspec.Raw], kind: type[Body], translate: Callable[[Body], Item], what: str
    ) -> Listing[Item]:
        """Return the readable items of the account's primary subaccount, on all shards, in order."""
        items: list[Item] = []
        unreadable: list[UnreadableItem] = []
        for raw in raw_items:
            try:
                body = msgspec.json.decode(raw, type=kind)
                if body.is_elsewhere:
                    self.log_once(bytes(raw), what, "of another subaccount")
                else:
                    items.append(translate(body))
            except (*UNREADABLE, WireFormatError) as error:
                self.log_once(bytes(raw), what, str(error))
                if not _is_elsewhere(raw):
                    unreadable.append(unreadable_item(raw, str(error)))
        return Listing(items, unreadable)

    def log_once(self, content: bytes, what: str, why: str) -> None:
        """Log that an item is skipped, unless that was logged before."""
        if content not in self._logged:
            if len(self._logged) >= MAX_REMEMBERED:
                self._logged.clear()
            self._logged.add(content)
            structlog.get_logger().warning(
                "item skipped", request=what, why=why, item=content[:300].decode(errors="replace")
            )


def unreadable_item(raw: msgspec.Raw, why: str) -> UnreadableItem:
    """Return what can still be read of an item."""
    fields = _fields(raw)

    def text(*names: str) -> str:
        return next((value for name in names if isinstance(value := fields.get(name), str)), "")

    return UnreadableItem(
        ticker=text("ticker", "market_ticker"), client_order_id=text("client_order_id"),
        exchange_order_id=text("order_id"), why=why,
    )  # fmt: skip


def _is_elsewhere(raw: msgspec.Raw) -> bool:
    try:
        return msgspec.json.decode(raw, type=Owned).is_elsewhere
    except UNREADABLE:
        return False


def _fields(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(raw)
    except UNREADABLE:
        return {}
    return fields if isinstance(fields, dict) else {}
