"""``make soak HOURS=24``: simulated hours of trading on fifty markets; sizes on disk and in memory over time.

Exit code 0: all stayed within the bounds, the journal verifies, and an emptied ledger and a restarted exchange equal
the run's. A day takes about half an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path
from typing import Final

import structlog

from soak.trading import ACCOUNT, JOURNAL, ORDERS_PER_S, Sizes, Trading, without_syncs
from truebook.ledger.journal.upkeep import Retention
from truebook.ledger.journal.verify import verify_journal
from truebook.ledger.memory_store import MemoryStore
from truebook_services.reconciler.recovery import recover

SEGMENT_BYTES: Final = 8 * 2**20
LEDGER_BYTES: Final = 32 * 2**20
EXCHANGE_BYTES: Final = 16 * 2**20
CHECKPOINTS_MIB: Final = 200
MAX_GROWTH: Final = 1.25
"""Of the memory at the end over that of the warm system, after a quarter of the time."""


def main() -> int:
    """Run and judge."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="simulated hours")
    parser.add_argument(
        "--orders",
        type=int,
        default=12,
        help=f"orders a second, refused ones included; {ORDERS_PER_S}: with default settings",
    )
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    without_syncs()
    with tempfile.TemporaryDirectory(prefix="truebook-soak-") as folder:
        problems = asyncio.run(_soak(Path(folder), options.hours, options.orders))
    for problem in problems:
        print(f"FAILED: {problem}")
    return 1 if problems else 0


async def _soak(folder: Path, hours: float, orders_per_s: int) -> list[str]:
    found: list[Sizes] = []

    def report(sizes: Sizes) -> None:
        found.append(sizes)
        print(sizes, flush=True)

    trading = await Trading.open(
        folder, segment_bytes=SEGMENT_BYTES, exchange_bytes=EXCHANGE_BYTES, orders_per_s=orders_per_s
    )
    await trading.run(hours, Retention(max_bytes=LEDGER_BYTES, max_days=30), report)
    problems = _bounds(found)
    view = await trading.ledger.view()
    cash = trading.exchange.state.engine.queries.balance(ACCOUNT).balance_micros
    if (view.account.cash_micros, view.errors_of_totals, view.account.reserved_micros) != (cash, {}, 0):
        problems.append(f"the ledger has {view.account}, the exchange {cash}")
    verified = verify_journal(folder / JOURNAL)
    print(verified)
    if verified.problem or not verified.is_replayed:
        problems.append(f"journal: {verified.problem or 'not replayed'}")
    emptied = MemoryStore()
    await recover(emptied, trading.journal, structlog.get_logger())
    if (await emptied.view()).markets != view.markets:
        problems.append("an emptied ledger was restored to another state")
    again = trading.restarted_exchange()
    if again.state.engine.queries.balance(ACCOUNT).balance_micros != cash:
        problems.append("the exchange was restarted with another balance")
    again.state.core.journal.close()
    await trading.journal.aclose()
    return problems


def _bounds(found: list[Sizes]) -> list[str]:
    segments = 3 * SEGMENT_BYTES / 2**20
    problems = []
    if max(sizes.ledger_mib for sizes in found) > LEDGER_BYTES / 2**20 + segments:
        problems.append("the ledger's journal exceeds its bound")
    if max(sizes.exchange_mib for sizes in found) > EXCHANGE_BYTES / 2**20 + segments + CHECKPOINTS_MIB:
        problems.append("the exchange's journal exceeds its bound")
    warm, end = found[len(found) // 4], found[-1]
    if end.rss_mib > warm.rss_mib * MAX_GROWTH:
        problems.append(f"memory grew from {warm.rss_mib:.0f} to {end.rss_mib:.0f} MiB")
    return problems


if __name__ == "__main__":
    sys.exit(main())
