"""The embedded ledger's journal: compared before anything runs, replayed where need be, and complete at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from truebook.ledger.journal_port import Journal
from truebook.ledger.port import RestorableStore
from truebook.runtime.context import Context
from truebook_services.reconciler.recovery import recover
from truebook_services.reconciler.relay import Relay


async def open_journal(
    context: Context, ledger: RestorableStore, journal: Journal, *, keep: int, say: Callable[[str], None],
    stack: AsyncExitStack,
) -> None:  # fmt: skip
    """Bring the ledger up to its journal; ``stack`` copies the last entries when all services have ended."""
    replayed = await recover(ledger, journal, context.log)
    if replayed:
        say(
            f"the ledger had lost its newest {replayed} changes: replayed from its journal, now compared and reconciled"
        )
    stack.push_async_callback(Relay(context, ledger, journal, keep=keep).finish)
