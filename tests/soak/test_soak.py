"""Six simulated minutes with small segments: files stay within their bound, and everything is restored from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from soak.trading import ACCOUNT, JOURNAL, Sizes, Trading
from truebook.ledger.journal.upkeep import Retention
from truebook.ledger.journal.verify import verify_journal
from truebook.ledger.memory_store import MemoryStore
from truebook_services.reconciler.recovery import recover

SEGMENT_BYTES = 2**18
MIB = 2**20


@pytest.mark.slow
@pytest.mark.long
async def test_files_of_a_long_run_stay_within_their_bounds(tmp_path: Path) -> None:
    found: list[Sizes] = []
    trading = await Trading.open(tmp_path, segment_bytes=SEGMENT_BYTES, exchange_bytes=2**16)
    await trading.run(0.1, Retention(max_bytes=2**18, max_days=30), found.append)
    per_upkeep = 60 * 90 * 400
    assert max(sizes.ledger_mib for sizes in found) < (2**18 + 3 * SEGMENT_BYTES + per_upkeep) / MIB
    assert max(sizes.exchange_mib for sizes in found) < (2**16 + 4 * SEGMENT_BYTES) / MIB + 10, "with checkpoints"
    view = await trading.ledger.view()
    cash_micros = trading.exchange.state.engine.queries.balance(ACCOUNT).balance_micros
    assert (view.account.cash_micros, view.errors_of_totals) == (cash_micros, {})
    report = verify_journal(tmp_path / JOURNAL)
    assert report.removed_through_seq > 10_000 and report.is_replayed and not report.problem
    emptied = MemoryStore()
    await recover(emptied, trading.journal, structlog.get_logger())
    assert (await emptied.view()).markets == view.markets
    again = trading.restarted_exchange()
    assert again.state.engine.queries.balance(ACCOUNT).balance_micros == cash_micros
    again.state.core.journal.close()
    await trading.journal.aclose()
