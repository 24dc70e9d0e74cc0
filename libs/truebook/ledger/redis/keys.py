"""The ledger's keys in Redis: the only place that spells them.

All begin with ``truebook:2:{account}:``. The braces make the account the hash slot, so that one script may use all of
them in a cluster; the ``2`` is the schema, so that an ACL or a later schema can distinguish them.

| key | type | content |
|---|---|---|
| ``account`` | hash | totals, marks, clock, ``seq``, ``live_seq``, mode of holds: as text; records: limits, shards |
| ``holds`` | hash | name -> ``mode:owner`` |
| ``epochs``, ``counters``, ``watermarks`` | hash | partition or name -> number |
| ``adjusts`` | hash | id -> record; the opening's under the empty id |
| ``orders`` | hash | client order id -> record |
| ``exchange_ids`` | hash | the exchange's order id -> client order id |
| ``fills:<exchange order id>`` | hash | trade id -> record |
| ``parked`` | set | the exchange's order ids under which fills are parked |
| ``markets``, ``events`` | hash | ticker or event -> record |
| ``refusals``, ``refusal_deadlines`` | hash, sorted set | client order id -> record; by deadline |
| ``grants`` | list | the clock at each grant of the last minute |
| ``ended`` | sorted set | client order ids by the clock of their end |
| ``journal`` | stream | ``<number>-0`` -> verb, arguments, result |
| ``meta`` | hash | schema, ledger_id |
| ``open_transfers``, ``transfers`` | hash | our id -> record: transfers between shards, open and ended |
| ``transfer_ids`` | hash | the exchange's transfer id -> ours |
| ``live`` | set | tickers of the live markets, complete if ``live_seq`` is the journal number |
| ``lease:<name>`` | string | the lease's owner; expires when it is not renewed |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SCHEMA: Final = "2"
_NAMES: Final = (
    "account", "holds", "epochs", "counters", "watermarks", "adjusts", "orders", "exchange_ids", "fills:", "parked",
    "markets", "events", "refusals", "refusal_deadlines", "grants", "ended", "journal", "meta", "open_transfers",
    "transfers", "transfer_ids", "live",
)  # fmt: skip
"""In the order in which they are passed to the scripts."""


class LedgerKeys:
    """The keys of one account."""

    NAMES: Final = _NAMES

    def __init__(self, account: str) -> None:
        if not account or set(account) & set("{}"):
            raise ValueError(f"an account's name must not be empty or contain braces: {account!r}")
        self.prefix = f"truebook:{SCHEMA}:{{{account}}}:"
        self._all = {name: self.prefix + name for name in _NAMES}

    def __getitem__(self, name: str) -> str:
        """Spell one key by its name in the table above."""
        return self._all[name]

    def earlier_schemas(self) -> dict[str, str]:
        """Return the keys that exist if the account is stored in an earlier schema: schema -> key."""
        return {
            str(schema): self["meta"].replace(f":{SCHEMA}:", f":{schema}:", 1) for schema in range(1, int(SCHEMA))
        }  # fmt: skip

    def lease(self, name: str) -> str:
        """Spell the key of a lease: not a part of the ledger, used by no script of it."""
        return f"{self.prefix}lease:{name}"

    def for_script(self, names: Sequence[str], exchange_order_id: str = "") -> list[str]:
        """Return these keys for a script, with the fills of that exchange order id (empty: the stem of such keys)."""
        return [self._all[name] + exchange_order_id if name == "fills:" else self._all[name] for name in names]
