"""The simulated exchange's markets: metadata, fee rates, recent trades, and a bound on ended markets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

import msgspec

from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.simulation.events import Traded
from truebook.venue.fees import UnsupportedFee, maker_rate_ppm, taker_rate_ppm
from truebook.venue.lifecycle import may_become, may_reopen

TRADES_PER_MARKET = 1_000
TRADES_IN_ALL = 5_000
ENDED_MARKETS = 500
"""Limit of finalized markets kept without any account's order; the oldest are dropped."""
USED_MARKETS = 2_000
"""The same for those with an account's order: an hour of fifty synthetic markets has nine hundred."""


class MarketRecord:
    """One market. With an unsupported fee type it is listed but takes no orders."""

    __slots__ = (
        "_metadata", "maker_ppm", "shard", "taker_ppm", "takes_orders", "ticker", "trades", "used", "volume_centi",
    )  # fmt: skip

    def __init__(self, metadata: MarketMetadata) -> None:
        self._metadata = metadata
        self.ticker = metadata.ticker
        self.shard = metadata.exchange_index
        """Where its orders and their cash are."""
        self._read_fees()
        self.volume_centi = metadata.volume_centi
        self.trades: deque[Traded] = deque(maxlen=TRADES_PER_MARKET)
        self.used = False
        """Whether an account (not a synthetic trader) ever had an order in this market."""

    @property
    def metadata(self) -> MarketMetadata:
        if self._metadata.volume_centi != self.volume_centi:
            self._metadata = msgspec.structs.replace(self._metadata, volume_centi=self.volume_centi)
        return self._metadata

    @property
    def status(self) -> MarketStatus:
        return self._metadata.status

    def become(self, status: MarketStatus, settlement_cc: int | None = None) -> None:
        """Change the status; an impossible transition is a bug of the caller."""
        before = self._metadata.status
        assert may_become(before, status) or may_reopen(before, status), (self._metadata.ticker, before, status)
        value_cc = self._metadata.settlement_cc if settlement_cc is None else settlement_cc
        self._metadata = msgspec.structs.replace(self._metadata, status=status, settlement_cc=value_cc)

    def replace_fees(self, multiplier_ppm: int) -> None:
        """Replace the fee multiplier, and the rates that follow from it."""
        self._metadata = msgspec.structs.replace(self._metadata, fee_multiplier_ppm=multiplier_ppm)
        self._read_fees()

    def _read_fees(self) -> None:
        fee_type, multiplier_ppm = self._metadata.fee_type, self._metadata.fee_multiplier_ppm
        try:
            self.taker_ppm = taker_rate_ppm(fee_type, multiplier_ppm)
            self.maker_ppm = maker_rate_ppm(fee_type, multiplier_ppm)
            self.takes_orders = True
        except UnsupportedFee:
            self.taker_ppm = self.maker_ppm = 0
            self.takes_orders = False

    def replace_metadata(self, metadata: MarketMetadata) -> None:
        """Replace the metadata; fee rates and volume are kept."""
        self._metadata = metadata


class MarketRecords:
    """All markets by ticker, in the order in which they were added."""

    def __init__(self) -> None:
        self._by_ticker: dict[str, MarketRecord] = {}
        self._trades: deque[Traded] = deque(maxlen=TRADES_IN_ALL)
        self._ended: deque[str] = deque()
        self._used: deque[str] = deque()

    def add(self, metadata: MarketMetadata) -> MarketRecord:
        """Add a market; raises ``ValueError`` where the ticker exists already."""
        if metadata.ticker in self._by_ticker:
            raise ValueError(f"market {metadata.ticker} exists already")
        record = self._by_ticker[metadata.ticker] = MarketRecord(metadata)
        return record

    def get(self, ticker: str) -> MarketRecord | None:
        return self._by_ticker.get(ticker)

    def __getitem__(self, ticker: str) -> MarketRecord:
        return self._by_ticker[ticker]

    def __iter__(self) -> Iterator[MarketRecord]:
        return iter(self._by_ticker.values())

    def record_trade(self, trade: Traded) -> None:
        """Keep a public trade and add it to the volume."""
        record = self._by_ticker[trade.ticker]
        record.volume_centi += trade.size_centi
        record.trades.append(trade)
        self._trades.append(trade)

    def trades(self, ticker: str | None, limit: int) -> list[Traded]:
        """List recent trades, newest first, of one market or of all."""
        if ticker is None:
            return list(islice(reversed(self._trades), limit))
        record = self._by_ticker.get(ticker)
        return [] if record is None else list(islice(reversed(record.trades), limit))

    def finalize(self, ticker: str) -> list[str]:
        """Mark a market as final and return the tickers that are dropped to keep the limit."""
        ended, limit = (self._used, USED_MARKETS) if self._by_ticker[ticker].used else (self._ended, ENDED_MARKETS)
        ended.append(ticker)
        dropped = []
        while len(ended) > limit:
            oldest = ended.popleft()
            del self._by_ticker[oldest]
            dropped.append(oldest)
        return dropped
