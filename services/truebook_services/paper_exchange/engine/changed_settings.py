"""What of an exchange's settings may change at a restart: applied to the recovered exchange, and kept in its journal.

| setting | effect of another value |
|---|---|
| ``balance_micros`` | the difference is deposited to each account, or withdrawn from its free cash, as a transfer |
| ``seed`` | events that open from now on follow it; those that are open keep their course |
| ``accounts`` | new names are opened; an account is never closed, so those that are left out stay |

Other settings that determine the history are refused: a restart repeats it (``recovery``). All others (usage tier,
latency, faults, limits) are no part of the history.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from truebook.money import format_dollars
from truebook.simulation.venue.queries import VenueQueries
from truebook.simulation.venue.subaccount_names import is_plain
from truebook.venue.shards import DEFAULT_SHARD
from truebook_services.paper_exchange.engine.commands import Command, OpenAccount, TransferCash
from truebook_services.paper_exchange.engine.core import EventSink, ExchangeCore
from truebook_services.paper_exchange.engine.entries import Configured
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalMismatch
from truebook_services.paper_exchange.engine.sources import TraderSource

CHANGEABLE: Final = frozenset({"balance_micros", "seed", "accounts"})
OPENING_TRANSFER: Final = "opening-balance-"
"""Ids of the transfers by which opening balances change begin so."""


def owners(queries: VenueQueries) -> tuple[str, ...]:
    """List the accounts, the first one's first."""
    return tuple(name for name in queries.all_accounts() if is_plain(name))


def apply_changes(
    core: ExchangeCore, recorded: Configured, requested: Configured, given: Collection[str], sink: EventSink
) -> None:
    """Apply the given settings that differ, all or none; raises ``ExchangeJournalMismatch``."""
    queries = core.engine.queries
    known = owners(queries)
    changed = [one for one in queries.transfers(known[0]) if one.transfer_id.startswith(OPENING_TRANSFER)]
    balance_micros = recorded.balance_micros + sum(one.amount_micros for one in changed)
    more_micros = requested.balance_micros - balance_micros if "balance_micros" in given else 0
    commands: list[Command] = []
    if more_micros:
        _check_free(queries, known, more_micros)
        transfer_id = f"{OPENING_TRANSFER}{len(changed) + 1}"
        commands += [TransferCash(account, transfer_id, more_micros) for account in known]
    if "accounts" in given:
        new = [name for name in requested.accounts if name not in known]
        commands += [OpenAccount(name, balance_micros + more_micros) for name in new]
    core.change(commands, sink)
    if "seed" in given and isinstance(core.source, TraderSource) and core.source.seed != requested.seed:
        core.reseed(requested.seed)


def _check_free(queries: VenueQueries, accounts: Collection[str], more_micros: int) -> None:
    for account in accounts:
        free_micros = queries.balance(account).balance_micros
        if free_micros + more_micros < 0:
            raise ExchangeJournalMismatch(
                f"the balance can't be lowered by {format_dollars(-more_micros)}: account {account} has "
                f"{format_dollars(free_micros)} free on shard {DEFAULT_SHARD}; cancel orders first, choose a higher "
                "balance, or start over with --fresh"
            )
