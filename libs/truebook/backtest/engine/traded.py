"""What the trading of a simulated account reads: its rules, and the books on which it trades."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from truebook.backtest.engine.settings import ExecutionRules
from truebook.ledger.verbs import Limits
from truebook.messages.identity import Identity
from truebook.observation.markets import ObservedMarket


class TradingRules(Protocol):
    """Whose orders are sent, and how."""

    @property
    def identity(self) -> Identity: ...
    @property
    def execution(self) -> ExecutionRules: ...


class OpeningRules(Protocol):
    """With what an account is opened."""

    @property
    def balance_micros(self) -> int: ...
    @property
    def limits(self) -> Limits: ...


class TradedBooks(Protocol):
    """The books by ticker, and how recently each was confirmed. Times are exchange time in microseconds."""

    @property
    def markets(self) -> Mapping[str, ObservedMarket]: ...

    def is_fresh(self, ticker: str, within_us: int, now_us: int) -> bool: ...

    def age_us(self, ticker: str, now_us: int, started_us: int) -> int: ...
