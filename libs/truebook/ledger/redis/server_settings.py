"""The settings with which a Redis or Valkey keeps every acknowledged write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REQUIRED: Final[Mapping[str, tuple[str, str]]] = {
    "appendonly": ("yes", "keeps no log of its writes: a restart would lose the ledger"),
    "appendfsync": ("always", "may lose its last writes in a power failure: an order could be sent twice"),
    "maxmemory-policy": ("noeviction", "may evict part of the ledger when memory is short"),
}
"""By setting: the required value, and the harm of any other one."""
