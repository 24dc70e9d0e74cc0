"""The venue's markets: facts, fee rates, recent trades, and a bound on how many ended ones are remembered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

import msgspec

from truebook.messages.facts import MarketFacts, MarketStatus
from truebook.simulation.events import Traded
from truebook.venue.fees import UnsupportedFee, maker_rate_ppm, taker_rate_ppm
from truebook.venue.lifecycle import may_become

TRADES_PER_MARKET = 1_000
TRADES_IN_ALL = 5_000
ENDED_MARKETS = 500
"""Finalised markets that no account traded in are forgotten beyond this number."""


class MarketRecord:
    """One market of the venue; one whose fee can't be computed is shown but takes no orders."""

    __slots__ = ("_facts", "maker_ppm", "taker_ppm", "takes_orders", "trades", "used", "volume_centi")

    def __init__(self, facts: MarketFacts) -> None:
        self._facts = facts
        try:
            self.taker_ppm = taker_rate_ppm(facts.fee_type, facts.fee_multiplier_ppm)
            self.maker_ppm = maker_rate_ppm(facts.fee_type, facts.fee_multiplier_ppm)
            self.takes_orders = True
        except UnsupportedFee:
            self.taker_ppm = self.maker_ppm = 0
            self.takes_orders = False
        self.volume_centi = facts.volume_centi
        self.trades: deque[Traded] = deque(maxlen=TRADES_PER_MARKET)
        self.used = False
        """Whether an account (not a synthetic trader) ever had an order here."""

    @property
    def facts(self) -> MarketFacts:
        if self._facts.volume_centi != self.volume_centi:
            self._facts = msgspec.structs.replace(self._facts, volume_centi=self.volume_centi)
        return self._facts

    @property
    def status(self) -> MarketStatus:
        return self._facts.status

    def become(self, status: MarketStatus, settlement_cc: int | None = None) -> None:
        """Move along the life cycle; a step that it does not know is a bug of the caller."""
        assert may_become(self._facts.status, status), (self._facts.ticker, self._facts.status, status)
        value_cc = self._facts.settlement_cc if settlement_cc is None else settlement_cc
        self._facts = msgspec.structs.replace(self._facts, status=status, settlement_cc=value_cc)

    def replace_facts(self, facts: MarketFacts) -> None:
        """Take other facts of the same market; fees and volume stay."""
        self._facts = facts


class MarketRecords:
    """All markets of the venue by ticker, in the order in which they were added."""

    def __init__(self) -> None:
        self._by_ticker: dict[str, MarketRecord] = {}
        self._trades: deque[Traded] = deque(maxlen=TRADES_IN_ALL)
        self._ended: deque[str] = deque()

    def add(self, facts: MarketFacts) -> MarketRecord:
        """Add a market; raises ``ValueError`` where the ticker exists already."""
        if facts.ticker in self._by_ticker:
            raise ValueError(f"market {facts.ticker} exists already")
        record = self._by_ticker[facts.ticker] = MarketRecord(facts)
        return record

    def get(self, ticker: str) -> MarketRecord | None:
        return self._by_ticker.get(ticker)

    def __getitem__(self, ticker: str) -> MarketRecord:
        return self._by_ticker[ticker]

    def __iter__(self) -> Iterator[MarketRecord]:
        return iter(self._by_ticker.values())

    def traded(self, trade: Traded) -> Traded:
        """Remember a public trade, and answer it."""
        record = self._by_ticker[trade.ticker]
        record.volume_centi += trade.size_centi
        record.trades.append(trade)
        self._trades.append(trade)
        return trade

    def trades(self, ticker: str | None, limit: int) -> list[Traded]:
        """List recent trades, newest first, of one market or of all."""
        if ticker is None:
            return list(islice(reversed(self._trades), limit))
        record = self._by_ticker.get(ticker)
        return [] if record is None else list(islice(reversed(record.trades), limit))

    def ended(self, ticker: str) -> list[str]:
        """Note that a market is final; answers the tickers that are forgotten for it."""
        if not self._by_ticker[ticker].used:
            self._ended.append(ticker)
        forgotten = []
        while len(self._ended) > ENDED_MARKETS:
            oldest = self._ended.popleft()
            del self._by_ticker[oldest]
            forgotten.append(oldest)
        return forgotten
