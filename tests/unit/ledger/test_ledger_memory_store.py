"""The store in memory fulfils the contract of all stores."""

from __future__ import annotations

import pytest

from support.ledger_contract import LedgerStoreContract
from truebook.ledger.memory_store import MemoryStore


class TestMemoryStore(LedgerStoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
