"""Values the account from the ledger's sums, and what the marks for the limits of losses value; outside the money path.

The ledger keeps sums of what was bought on each leg and never reduces them. From them follow the average cost of the
open position, and realized and unrealized profit. Identity, exact to the micro-dollar:

    equity = deposits + adjustments + rounding + interest + realized + unrealized − fees
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from truebook.clock import MICROS
from truebook.ledger.port import AccountView, LedgerView, MarketView, OrderView, ShardTransferView, ShardView
from truebook.ledger.verbs import Limits
from truebook.messages.envelope import BookSide, Source
from truebook.messages.market_metadata import BEFORE_CLOSE, MarketMetadata
from truebook.money import ONE_DOLLAR_CC, PAIR_MICROS_PER_CENTI

Levels = Sequence[tuple[int, int]]
"""(price_cc, size_centi) of one book side on the YES leg, best first."""
Book = tuple[Levels, Levels]
"""(bids, asks)."""
Books = Mapping[str, Book]
"""By ticker."""
FROM_LEDGER: Final = (
    "deposits_micros", "adjustments_micros", "interest_micros", "cash_micros", "overdrawn_micros", "reserved_micros",
    "fees_micros", "mode",
)  # fmt: skip


class AccountValues(msgspec.Struct, frozen=True, kw_only=True):
    """The account's values as status, summary and gauges report them; null where a position has no known book."""

    deposits_micros: int
    adjustments_micros: int
    interest_micros: int = 0
    cash_micros: int
    """Of all exchange shards."""
    overdrawn_micros: int
    reserved_micros: int
    in_transit_micros: int = 0
    """On its way between exchange shards."""
    shards: tuple[ShardView, ...] = ()
    """Cash by exchange shard; empty: all is on shard 0."""
    transfers: tuple[ShardTransferView, ...] = ()
    """Transfers between shards that are under way."""
    position_cost_micros: int
    realized_micros: int
    unrealized_micros: int | None
    unsaleable_centi: int | None
    """The part of the positions that the books have no buyers for: valued at 0."""
    unvalued_markets: tuple[str, ...] = ()
    """Markets with a position whose value is unknown: without a known book, or ended without an outcome."""
    fees_micros: int
    equity_micros: int | None
    conservation_error_micros: int
    mode: str
    holds: tuple[str, ...]
    unresolved_orders: tuple[str, ...]
    """Client ids of the orders whose outcome at the exchange is not known."""


def position_cost(market: MarketView) -> int:
    """Return the cost of the open position at its leg's average price, rounded down; 0 once the market has settled."""
    if market.settlement_cc is not None or market.position_centi == 0:
        return 0
    if market.position_centi > 0:
        return market.yes_cost_micros * market.position_centi // market.yes_bought_centi
    return market.no_cost_micros * -market.position_centi // market.no_bought_centi


def realized_profit(market: MarketView) -> int:
    """Return what closed pairs and the payout brought beyond their cost, before fees."""
    pairs = min(market.yes_bought_centi, market.no_bought_centi) * PAIR_MICROS_PER_CENTI
    return pairs + market.payout_micros - (market.yes_cost_micros + market.no_cost_micros - position_cost(market))


def sale_value(position_centi: int, bids: Levels, asks: Levels) -> tuple[int, int]:
    """Return what selling the position now would bring, level by level, before fees: (micros, centi without buyer).

    A YES position is sold into the bids; a NO position is sold by buying YES from the asks, for $1 − price each.
    """
    left, micros = abs(position_centi), 0
    for price_cc, size_centi in bids if position_centi > 0 else asks:
        if left == 0:
            break
        sold = min(left, size_centi)
        micros += sold * (price_cc if position_centi > 0 else ONE_DOLLAR_CC - price_cc)
        left -= sold
    return micros, left


def is_seen(book: Book, source: Source) -> bool:
    """Return whether a book shows what a position is worth.

    A recorded book without any level may be that of a market that was not seen, as after a gap: its value is unknown.
    On an exchange it is a market without quotes: the position can't be sold, and counts as 0.
    """
    return source is not Source.CAPTURE or bool(book[0] or book[1])


def without_orders(levels: Levels, orders: Iterable[OrderView], side: BookSide) -> Levels:
    """Return a book side without the account's own orders: no position can be sold to them."""
    own: Counter[int] = Counter()
    for order in orders:
        if order.book_side is side and order.exchange_order_id is not None:
            own[order.price_cc] += order.remaining_centi
    others = ((price_cc, size_centi - own[price_cc]) for price_cc, size_centi in levels)
    return tuple((price_cc, size_centi) for price_cc, size_centi in others if size_centi > 0)


def held_markets(view: LedgerView) -> dict[str, MarketView]:
    """Return the unsettled markets with a position, by ticker."""
    return {market.ticker: market for market in view.markets if market.position_centi and market.settlement_cc is None}


class _Positions(NamedTuple):
    """The positions of all markets together; of those with an unknown value, only the cost."""

    cost_micros: int
    sale_micros: int
    unsaleable_centi: int
    unvalued: tuple[str, ...]


def _positions(view: LedgerView, books: Books | None) -> _Positions:
    cost = sale = unsaleable = 0
    unvalued: list[str] = []
    for market in view.markets:
        cost += position_cost(market)
        if market.settlement_cc is None and market.position_centi:
            book = (books or {}).get(market.ticker)
            if book is None:
                unvalued.append(market.ticker)
                continue
            micros, left = sale_value(market.position_centi, *book)
            sale += micros
            unsaleable += left
    return _Positions(cost, sale, unsaleable, tuple(sorted(unvalued)))


def equity_micros(view: LedgerView, books: Books | None) -> int | None:
    """Return ``AccountValues.equity_micros``; a view of the live markets is sufficient."""
    positions = _positions(view, books)
    return None if positions.unvalued else view.account.owned_micros + positions.sale_micros


def account_values(
    view: LedgerView, books: Books | None, *, conservation_error_micros: int | None = None
) -> AccountValues:  # fmt: skip
    """Value the account; ``books`` maps the ticker of an open market with a known book to (bids, asks).

    A position in another market has no known value, and then the account has none; ``books`` is None where none can be
    read. A view of the live markets is sufficient with the error of the last audit, which no such view shows: what the
    others have realized is in the account's totals.
    """
    account, positions = view.account, _positions(view, books)
    is_valued = not positions.unvalued
    if conservation_error_micros is None:
        conservation_error_micros = view.conservation_error_micros
    return AccountValues(
        **{name: getattr(account, name) for name in FROM_LEDGER},
        conservation_error_micros=conservation_error_micros,
        position_cost_micros=positions.cost_micros,
        realized_micros=account.pairs_micros + account.payouts_micros - account.costs_micros + positions.cost_micros,
        unrealized_micros=positions.sale_micros - positions.cost_micros if is_valued else None,
        unsaleable_centi=positions.unsaleable_centi if is_valued else None,
        unvalued_markets=positions.unvalued,
        equity_micros=account.owned_micros + positions.sale_micros if is_valued else None,
        holds=hold_labels(account),
        in_transit_micros=account.in_transit_micros,
        shards=account.shards if len(account.shards) > 1 else (),
        transfers=account.transfers,
        unresolved_orders=tuple(sorted(o.order_id for m in view.markets for o in m.orders if o.state.is_unresolved)),
    )


def hold_labels(account: AccountView) -> tuple[str, ...]:
    """Describe the account's trading holds: name, mode and owner of each."""
    return tuple(f"{hold.name} ({hold.mode}, by {hold.owner})" for hold in account.holds)


def trading_day(at_us: int, zone: ZoneInfo) -> int:
    """Return the number of the day in that time zone: a day has 23 or 25 hours where its clocks change."""
    return datetime.fromtimestamp(at_us // MICROS, zone).toordinal()


def has_loss_limits(limits: Limits) -> bool:
    """Return whether a limit needs marks."""
    return limits.daily_loss_micros is not None or limits.drawdown_micros is not None


def outcome_book(market: MarketView, metadata: MarketMetadata) -> Book | None:
    """Return the outcome of a market as a book that buys the whole position; None without an outcome."""
    if metadata.settlement_cc is None:
        return None
    level = ((metadata.settlement_cc, abs(market.position_centi)),)
    return level, level


def shows_a_book(metadata: MarketMetadata) -> bool:
    """Return whether the exchange still shows the market's book."""
    return metadata.status in BEFORE_CLOSE


def others_book(market: MarketView, bids: Levels, asks: Levels) -> Book:
    """Return a book without the account's own orders, for books that contain them: a recorded one never does."""
    return without_orders(bids, market.orders, BookSide.BID), without_orders(asks, market.orders, BookSide.ASK)
