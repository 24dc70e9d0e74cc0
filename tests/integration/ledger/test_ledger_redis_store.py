"""The store in Redis and Valkey keeps the contract of all stores (the fixture ``store`` stands in conftest)."""

from __future__ import annotations

from support.ledger_contract import LedgerStoreContract


class TestRedisStore(LedgerStoreContract):
    pass
