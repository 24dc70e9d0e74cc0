"""The profit of each fill, and its sums by market, side, role, hour of the day and basis. Pure.

A fill's profit is measured against what its contracts were worth in the end: the settlement value, else the sale value
of the open position. The fills of a market so add up to the market's profit to the micro-dollar, whatever closed them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import NamedTuple

import msgspec

from truebook.backtest.result import Fill, MarketResult, PassResult, PassSummary
from truebook.messages.envelope import BookSide
from truebook.money import ONE_DOLLAR_CC, no_price


class FillProfit(NamedTuple):
    """A fill and its profit before fees."""

    fill: Fill
    gross_micros: int


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The fills that share a property. ``turnover`` is the cost of the contracts that they bought, on either leg."""

    key: str
    fills: int = 0
    size_centi: int = 0
    turnover_micros: int = 0
    gross_micros: int = 0
    """Profit before fees."""
    fees_micros: int = 0
    net_micros: int = 0


class MarketProfit(msgspec.Struct, frozen=True, kw_only=True):
    """The profit of one market: realized and unrealized, less fees. Null where its open position has no known value."""

    ticker: str
    event: str
    fills: int
    turnover_micros: int
    gross_micros: int | None
    fees_micros: int
    net_micros: int | None
    position_centi: int
    outcome_cc: int | None
    market_volume_centi: int


def market_profits(result: PassResult | PassSummary) -> tuple[MarketProfit, ...]:
    """Return the profit of every market with a fill."""
    return tuple(
        MarketProfit(
            ticker=each.ticker, event=each.event, fills=each.fills, turnover_micros=each.turnover_micros,
            gross_micros=gross_micros(each), fees_micros=each.fees_micros, net_micros=net_micros(each),
            position_centi=each.position_centi, outcome_cc=each.outcome_cc,
            market_volume_centi=each.market_volume_centi,
        )
        for each in result.markets
        if each.fills
    )  # fmt: skip


def gross_micros(market: MarketResult) -> int | None:
    """Return a market's profit before fees; None where its open position has no known value."""
    return None if market.unrealized_micros is None else market.realized_micros + market.unrealized_micros


def net_micros(market: MarketResult) -> int | None:
    """Return a market's profit after fees; None where its open position has no known value."""
    gross = gross_micros(market)
    return None if gross is None else gross - market.fees_micros


def fill_profits(result: PassResult) -> tuple[FillProfit, ...]:
    """Return the profit of each fill in an event whose profit is known, in the order of markets and time.

    A fraction of a micro-dollar, which an open position's value per contract may have, is added to the last fill.
    """
    by_market: dict[str, list[Fill]] = defaultdict(list)
    for fill in result.fills:
        by_market[fill.ticker].append(fill)
    profits: list[FillProfit] = []
    unvalued = unvalued_events(result.markets)
    for market in result.markets:
        fills, total_micros = by_market.get(market.ticker, []), gross_micros(market)
        if not fills or total_micros is None or market.event in unvalued:
            continue
        final_cc = _final_cc(market, fills[-1])
        own = [_profit_micros(fill, final_cc) for fill in fills]
        rounding_micros = total_micros - sum(own)
        if abs(rounding_micros) <= len(fills):
            own[-1] += rounding_micros
        profits += map(FillProfit, fills, own)
    return tuple(profits)


def by_side(profits: Iterable[FillProfit]) -> tuple[Group, ...]:
    """Sum up by what was bought."""
    return grouped(profits, lambda fill: "YES bought" if fill.side is BookSide.BID else "NO bought")


def by_role(profits: Iterable[FillProfit]) -> tuple[Group, ...]:
    """Sum up by the kind of fee: maker or taker."""
    return grouped(profits, role_of)


def by_hour(profits: Iterable[FillProfit]) -> tuple[Group, ...]:
    """Sum up by the fill's hour of the day in UTC."""
    return grouped(profits, lambda fill: f"{datetime.fromtimestamp(fill.at_us // 1_000_000, UTC):%H}:00")


def by_basis(profits: Iterable[FillProfit]) -> tuple[Group, ...]:
    """Sum up by how the simulation filled the order."""
    return grouped(profits, lambda fill: str(fill.basis))


def role_of(fill: Fill) -> str:
    """Return the fill's role."""
    return "taker" if fill.is_taker else "maker"


def grouped(profits: Iterable[FillProfit], key: Callable[[Fill], str]) -> tuple[Group, ...]:
    """Sum up fills by a key, sorted by it."""
    members: dict[str, list[FillProfit]] = defaultdict(list)
    for each in profits:
        members[key(each.fill)].append(each)
    return tuple(_group(name, members[name]) for name in sorted(members))


def net_by_event(markets: Sequence[MarketResult]) -> dict[str, int]:
    """Return the profit of each event with a fill, sorted: the independent draws of a result.

    The outcomes of an event's markets depend on each other, so they are one draw. Events with an unknown profit are
    left out (see ``unvalued_events``).
    """
    totals: dict[str, int] = defaultdict(int)
    for market in markets:
        if market.fills:
            totals[market.event] += net_micros(market) or 0
    unvalued = unvalued_events(markets)
    return {event: total for event, total in sorted(totals.items()) if event not in unvalued}


def unvalued_events(markets: Iterable[MarketResult]) -> frozenset[str]:
    """Return the events with a position that has no known value."""
    return frozenset(market.event for market in markets if net_micros(market) is None)


def _group(key: str, members: Sequence[FillProfit]) -> Group:
    gross, fees = sum(each.gross_micros for each in members), sum(each.fill.fee_micros for each in members)
    return Group(
        key=key,
        fills=len(members),
        size_centi=sum(each.fill.size_centi for each in members),
        turnover_micros=sum(cost_micros(each.fill) for each in members),
        gross_micros=gross,
        fees_micros=fees,
        net_micros=gross - fees,
    )


def cost_micros(fill: Fill) -> int:
    """Return the cost of the contracts that a fill bought: YES at its price, NO at the rest of the dollar."""
    price_cc = fill.price_cc if fill.side is BookSide.BID else no_price(fill.price_cc)
    return price_cc * fill.size_centi


def _profit_micros(fill: Fill, final_cc: Fraction) -> int:
    sign = 1 if fill.side is BookSide.BID else -1
    return round(sign * (final_cc - fill.price_cc) * fill.size_centi)


def _final_cc(market: MarketResult, last: Fill) -> Fraction:
    """Return the value of a YES contract in the end. Of a closed position any value gives the same sum."""
    if market.cost_micros and market.position_centi and market.unrealized_micros is not None:
        value_cc = Fraction(market.cost_micros + market.unrealized_micros, abs(market.position_centi))
        return value_cc if market.position_centi > 0 else ONE_DOLLAR_CC - value_cc
    if market.outcome_cc is not None:
        return Fraction(market.outcome_cc)
    return Fraction(last.price_cc) if last.mid_half_cc is None else Fraction(last.mid_half_cc, 2)
