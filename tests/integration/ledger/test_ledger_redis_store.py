"""The store in Redis and Valkey fulfils the contract of all stores (the fixture ``store`` is in conftest)."""

from __future__ import annotations

from support.ledger_contract import LedgerStoreContract


class TestRedisStore(LedgerStoreContract):
    pass
