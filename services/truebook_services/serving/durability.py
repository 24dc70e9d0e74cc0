"""A ledger that may forget is none: execution refuses to trade on a server that does not keep every write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from truebook.ledger.port import LedgerError

REQUIRED: Final[Mapping[str, tuple[str, str]]] = {
    "appendonly": ("yes", "keeps no log of its writes: a restart would lose the ledger"),
    "appendfsync": ("always", "may lose its last writes with the power: an order could be sent twice"),
    "maxmemory-policy": ("noeviction", "may drop a part of the ledger when memory is short"),
}


class LedgerNotDurable(LedgerError):
    """The ledger's server may lose what it has acknowledged."""


def check_durable(told: Mapping[str, str], log: Any) -> None:
    """Judge what the server tells of its settings; raises ``LedgerNotDurable`` with all that is wrong.

    A server that does not tell (managed ones may hide their settings) is trusted, with a line in the log.
    """
    if hidden := sorted(set(REQUIRED) - set(told)):
        log.warning("the ledger's server does not tell how it keeps its data", hidden=hidden)
    problems = [
        f"{name} is {told[name]}, not {wanted}: the server {harm}"
        for name, (wanted, harm) in REQUIRED.items()
        if name in told and told[name] != wanted
    ]
    if problems:
        raise LedgerNotDurable(f"refusing to trade on this ledger server: {'; '.join(problems)}")
