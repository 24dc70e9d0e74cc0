"""Helpers for tests of the simulated exchange: one market, accounts, order requests."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
from truebook.simulation.events import SimulationEvent
from truebook.simulation.venue.exchange import SimulatedExchange, synthetic_exchange
from truebook.venue.account import CreateResponse, OrderRequest
from truebook.venue.shards import TransferStatus

START_US = 1_700_000_000_000_000
SECOND_US = 1_000_000
TICKER = "SIMTEST-1-A"
BID, ASK = BookSide.BID, BookSide.ASK

_ids = itertools.count(1)
T = TypeVar("T")


def metadata(ticker: str = TICKER, **changes: Any) -> MarketMetadata:
    base = MarketMetadata(
        ticker=ticker,
        event="SIMTEST-1",
        series="SIMTEST",
        status=MarketStatus.ACTIVE,
        open_us=START_US,
        close_us=START_US + 3_600 * SECOND_US,
        price_ranges=LINEAR_CENT,
        fee_type=FeeType.QUADRATIC,
        fee_multiplier_ppm=1_000_000,
        exclusive=False,
    )
    return msgspec.structs.replace(base, **changes)


def exchange(*markets: MarketMetadata, accounts: dict[str, int] | None = None) -> SimulatedExchange:
    """Make an exchange with the given markets (one by default) and accounts (alice and bob with $1,000 each)."""
    made = synthetic_exchange(7)
    for one in markets or (metadata(),):
        made.lifecycle.add_market(one, START_US)
    for name, balance in (accounts or {"alice": 1_000_000_000, "bob": 1_000_000_000}).items():
        made.open_account(name, balance)
    return made


def request(side: BookSide, price_cc: int, size_centi: int, ticker: str = TICKER, **changes: Any) -> OrderRequest:
    changes.setdefault("client_order_id", f"c-{next(_ids)}")
    return OrderRequest(ticker=ticker, book_side=side, price_cc=price_cc, size_centi=size_centi, **changes)


def placed(
    venue: SimulatedExchange, account: str, order: OrderRequest, at_us: int = START_US
) -> tuple[CreateResponse, list[SimulationEvent]]:
    """Place an order that must be accepted."""
    response, events = venue.place(account, order, at_us)
    assert isinstance(response, CreateResponse), response
    return response, events


def of_kind(events: Iterable[SimulationEvent], kind: type[T]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


def opened_exchange(balance_micros: int) -> SimulatedExchange:
    """Make an exchange with one market and the accounts ``me`` and ``other``."""
    made = synthetic_exchange(7)
    made.lifecycle.add_market(metadata(), START_US)
    for name in ("me", "other"):
        made.open_account(name, balance_micros)
    return made


def under_way(venue: SimulatedExchange, account: str) -> int:
    """Return the cash in micro-dollars that has left one shard and has not arrived at the other."""
    transfers = venue.queries.shard_transfers(account)
    return sum(one.amount_micros for one in transfers if one.status is TransferStatus.PENDING)
