"""What is kept of one market beside its book and its evidence, and its row and detail made of all of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final

from truebook.book.replica import BookReplica
from truebook.evidence.records import MarketRecord
from truebook.ledger.port import MarketView, OrderView
from truebook.ledger.valuation import position_cost, realized_profit, sale_value
from truebook.live.thinning import Thinned
from truebook.live.views import Level, MarketDetail, MarketRow, OpenOrder, OwnFill, PricePoint
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import BEFORE_CLOSE, MarketMetadata
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason

MAX_LEVELS: Final = 50
MAX_PRICES: Final = 240
PRICE_EVERY_US: Final = 2_000_000
MAX_MIDS: Final = 30
MID_EVERY_US: Final = 10_000_000
MAX_FILLS: Final = 100
BOTH_SIDES: Final = 2


class LiveMarket:
    """One market. ``changed`` is the number of the version with its last change."""

    __slots__ = (
        "changed", "decisions", "fair_ppm", "fills", "last_cc", "metadata", "mids", "observation", "of_ledger",
        "price_due_us", "prices", "probability_us", "selected", "stale", "stale_since_us", "ticker", "updated_us",
        "updates",
    )  # fmt: skip

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker
        self.changed = 0
        self.decisions = 0
        self.metadata: MarketMetadata | None = None
        self.selected = False
        self.last_cc: int | None = None
        self.stale: Reason | None = Reason.NO_SNAPSHOT
        self.stale_since_us: int | None = None
        self.updated_us: int | None = None
        self.updates = 0
        self.mids: deque[int | None] = deque(maxlen=MAX_MIDS)
        self.prices: Thinned[PricePoint] = Thinned(MAX_PRICES, PRICE_EVERY_US)
        self.price_due_us = 0
        self.fills: deque[OwnFill] = deque(maxlen=MAX_FILLS)
        self.of_ledger: MarketView | None = None
        self.observation: Observation | None = None
        self.fair_ppm: int | None = None
        """The newest probability that was decided on; None once it was counted at the settlement."""
        self.probability_us = 0

    @property
    def is_shown(self) -> bool:
        """Whether the market is among the rows: until it has ended, and while it has a position or orders."""
        has_ended = self.metadata is not None and self.metadata.status not in BEFORE_CLOSE
        return self.is_held or not has_ended

    @property
    def is_held(self) -> bool:
        held = self.of_ledger
        return held is not None and (bool(held.orders) or (held.position_centi != 0 and held.settlement_cc is None))

    def sample_price(self, replica: BookReplica | None, at_us: int) -> None:
        """Add the best prices to the history."""
        self.price_due_us = at_us + PRICE_EVERY_US
        bid, ask = best_of(replica)
        self.prices.add(PricePoint(at_us, bid and bid[0], ask and ask[0]))

    def sample_mid(self, replica: BookReplica | None) -> None:
        """Add the mid price to those of the last minutes."""
        bid, ask = best_of(replica)
        self.mids.append(None if bid is None or ask is None else (bid[0] + ask[0]) // BOTH_SIDES)

    def row(self, replica: BookReplica | None, record: MarketRecord | None, *, has_ledger: bool) -> MarketRow:
        """Return its line; ``has_ledger``: the ledger was read, so a market that it lacks has no position."""
        bid, ask = best_of(replica)
        held, metadata = self.of_ledger, self.metadata
        is_settled = held is not None and held.settlement_cc is not None
        return MarketRow(
            ticker=self.ticker, event="" if metadata is None else metadata.event,
            status="" if metadata is None else str(metadata.status), selected=self.selected,
            exclusion=None if record is None or self.selected else record.exclusion,
            bid_cc=bid and bid[0], bid_centi=bid and bid[1], ask_cc=ask and ask[0], ask_centi=ask and ask[1],
            last_cc=self.last_cc, stale=None if self.stale is None else str(self.stale),
            stale_since_us=self.stale_since_us, updated_us=self.updated_us,
            close_us=None if metadata is None else metadata.close_us,
            position_centi=(0 if held is None or is_settled else held.position_centi) if has_ledger else None,
            open_orders=(0 if held is None else len(held.orders)) if has_ledger else None,
            updates=self.updates, decisions=self.decisions,
            last_reason=None if record is None else record.last_reason, mids=tuple(self.mids),
        )  # fmt: skip

    def detail(
        self, replica: BookReplica | None, record: MarketRecord | None, orders: Sequence[OpenOrder], now_us: int, *,
        has_ledger: bool,
    ) -> MarketDetail:  # fmt: skip
        """Return the market in full."""
        held = self.of_ledger
        bids, more_bids = _levels(replica, BookSide.BID, held)
        asks, more_asks = _levels(replica, BookSide.ASK, held)
        cost = 0 if held is None else position_cost(held)
        return MarketDetail(
            at_us=now_us, row=self.row(replica, record, has_ledger=has_ledger), bids=bids, asks=asks,
            more_levels=more_bids + more_asks, prices=tuple(self.prices), fills=tuple(reversed(self.fills)),
            decisions=() if record is None else tuple(reversed(record.decisions)),
            counted={} if record is None else dict(record.counted),
            refused={} if record is None else dict(record.refused), orders=tuple(orders),
            position_cost_micros=cost if has_ledger else None,
            realized_micros=(0 if held is None else realized_profit(held)) if has_ledger else None,
            unrealized_micros=_unrealized(held, replica, cost) if has_ledger else None,
            fees_micros=(0 if held is None else held.fees_micros) if has_ledger else None,
            settlement_cc=None if self.metadata is None else self.metadata.settlement_cc,
        )  # fmt: skip


def best_of(replica: BookReplica | None) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return the best bid and ask with their sizes; None on an empty side, and while the book is stale."""
    if replica is None or replica.stale is not None:
        return None, None
    return replica.book.best(BookSide.BID), replica.book.best(BookSide.ASK)


def open_order(order: OrderView, action_id: str | None) -> OpenOrder:
    """Return an order of the ledger as the page lists it."""
    return OpenOrder(
        client_order_id=order.order_id, exchange_order_id=order.exchange_order_id, ticker=order.ticker,
        book_side=order.book_side, price_cc=order.price_cc, size_centi=order.size_centi,
        remaining_centi=order.remaining_centi, state=str(order.state), reduce_only=order.reduce_only,
        reserved_us=order.reserved_us, expires_us=order.expires_us, action_id=action_id,
    )  # fmt: skip


def _levels(
    replica: BookReplica | None, side: BookSide, held: MarketView | None
) -> tuple[tuple[Level, ...], int]:  # fmt: skip
    """Return the best levels of a side with our own orders, and how many levels are left out."""
    if replica is None or replica.stale is not None:
        return (), 0
    own: Counter[int] = Counter()
    for order in () if held is None else held.orders:
        if order.book_side is side and order.exchange_order_id is not None:
            own[order.price_cc] += order.remaining_centi
    listed = tuple(
        Level(price_cc=price_cc, size_centi=size_centi, own_centi=own[price_cc], ahead_centi=None)
        for price_cc, size_centi in replica.book.levels(side, MAX_LEVELS)
    )
    return listed, replica.book.level_count(side) - len(listed)


def _unrealized(held: MarketView | None, replica: BookReplica | None, cost: int) -> int | None:
    if held is None or held.settlement_cc is not None or not held.position_centi:
        return 0
    if replica is None or replica.stale is not None:
        return None
    book = replica.book
    sale, _ = sale_value(held.position_centi, book.levels(BookSide.BID), book.levels(BookSide.ASK))
    return sale - cost
