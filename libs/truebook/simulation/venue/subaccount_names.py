"""Names of subaccounts: each numbered one is a record of its own beside the owner's primary one.

Cash, orders, positions and fills of subaccount 3 of ``alice`` are those of the record ``alice/3``.
"""

from __future__ import annotations

from typing import Final

PRIMARY: Final = 0
"""The subaccount of whatever names none."""
MAX_SUBACCOUNT: Final = 63
_SEPARATOR: Final = "/"


def name_of(owner: str, number: int) -> str:
    """Return the name of an owner's subaccount."""
    return f"{owner}{_SEPARATOR}{number}" if number else owner


def owner_of(name: str) -> str:
    """Return the owner of a subaccount."""
    return name.partition(_SEPARATOR)[0]


def number_of(name: str) -> int:
    """Return the number of a subaccount; 0 for the primary one."""
    return int(name.partition(_SEPARATOR)[2] or PRIMARY)


def is_plain(name: str) -> bool:
    """Return whether a name may be an owner's."""
    return _SEPARATOR not in name
