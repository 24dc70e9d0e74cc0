"""Recomputes a day's sums from the exchange's REST alone: decimals of the raw responses, no code of the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx

from truebook.clock import Clock
from truebook.kalshi.signing import Signer

PREFIX = "/trade-api/v2"
MICROS = 1_000_000


@dataclass
class Day:
    """Sums of one day, in dollars."""

    fills: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    """By trade id: ticker, price, count and fee, as the exchange writes them."""
    costs: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    returned: Decimal = Decimal(0)
    settlements: dict[str, Decimal] = field(default_factory=dict)
    closing: Decimal = Decimal(0)


async def read_all(url: str, signer: Signer, clock: Clock, path: str, name: str) -> list[Any]:
    """Read all pages of one of the account's lists."""
    rows: list[Any] = []
    async with httpx.AsyncClient(base_url=url) as http:
        cursor = ""
        while True:
            headers = signer.headers("GET", PREFIX + path, clock.now_us() // 1000)
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            body = (await http.get(PREFIX + path, headers=headers, params=query)).raise_for_status().json()
            rows += body[name] if name else [body]
            cursor = body.get("cursor") or ""
            if not cursor:
                return rows


def recompute(opening: Decimal, fills: Iterable[Any], settlements: Iterable[Any], borders: list[int]) -> list[Day]:
    """Return the days between the borders (in microseconds): cash after each, of fills and settlements in their order.

    A sale of YES at p buys NO at 1 - p; a YES and a NO contract of one market return a dollar.
    """
    days = [Day() for _ in borders[1:]]
    events = [(_us(fill["created_time"]), 0, fill) for fill in fills]
    events += [(_us(one["settled_time"]), 1, one) for one in settlements]
    held: dict[str, list[Decimal]] = {}
    cash = opening
    for at_us, kind, row in sorted(events, key=lambda event: event[:2]):
        number = next(number for number, end in enumerate(borders[1:]) if at_us < end)
        day = days[number]
        if kind == 0:
            price, count, fee = (Decimal(row[name]) for name in ("yes_price_dollars", "count_fp", "fee_cost"))
            is_bid = row["book_side"] == "bid"
            sides = held.setdefault(row["ticker"], [Decimal(0), Decimal(0)])
            pairs = min(sides)
            sides[0 if is_bid else 1] += count
            returned, cost = min(sides) - pairs, count * (price if is_bid else 1 - price)
            day.fills[row["trade_id"]] = (row["ticker"], row["yes_price_dollars"], row["count_fp"], row["fee_cost"])
            day.costs += cost
            day.fees += fee
            day.returned += returned
            cash += returned - cost - fee
        else:
            yes, no = held.pop(row["ticker"])
            value = Decimal(row["value"]) / 100
            paid = (yes - no) * value if yes > no else (no - yes) * (1 - value)
            day.settlements[row["ticker"]] = paid
            cash += paid
        for later in days[number:]:
            later.closing = cash
    for number, day in enumerate(days):
        if not day.fills and not day.settlements:
            day.closing = days[number - 1].closing if number else opening
    return days


def micros(dollars: Decimal) -> int:
    """Return exact micro-dollars."""
    value = dollars * MICROS
    assert value == int(value), f"{dollars} is finer than a micro-dollar"
    return int(value)


def _us(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * MICROS + moment.microsecond
