"""The user's signals by market and name, each valid until a stated time. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from truebook.clock import MICROS
from truebook.features.layout import FeatureError
from truebook.messages.ids import digest
from truebook.messages.reasons import Reason
from truebook.messages.signals import Signal, record_key

MAX_AHEAD_US = 60 * MICROS
MAX_VALID_US = 366 * 86_400 * MICROS
"""Times further ahead are in another unit (nanoseconds), and would keep out right values or be valid for years."""


def key_error(signal: Signal, key: str) -> str:
    """Return what is wrong with the key of a signal's record, and what to do; empty if nothing is."""
    expected = record_key(signal.ticker, signal.name)
    if key == expected:
        return ""
    return f"the record's key is {key!r}: publish it under {expected!r}, so that no other signal replaces it"


def time_error(signal: Signal, now_us: int) -> str:
    """Return what is wrong with a signal's times, and what to do; empty if nothing is."""
    unit = "publish exchange time in microseconds"
    if signal.as_of_us > now_us + MAX_AHEAD_US:
        return f"as_of_us {signal.as_of_us} is over {MAX_AHEAD_US // MICROS} s ahead of {now_us}: {unit}"
    if signal.valid_until_us > now_us + MAX_VALID_US:
        return f"valid_until_us {signal.valid_until_us} is over a year ahead of {now_us}: {unit}"
    return ""


class SignalTable:
    """The newest value of each (market, name), at most ``max_signals`` of them; a value of None deletes."""

    def __init__(self, max_signals: int) -> None:
        self._max_signals = max_signals
        self._signals: dict[str, Signal] = {}

    def __len__(self) -> int:
        return len(self._signals)

    def take(self, signal: Signal, now_us: int) -> bool:
        """Store a value, unless a newer one is stored; returns whether the value or its validity changed."""
        key = record_key(signal.ticker, signal.name)
        known = self._signals.get(key)
        if known is not None and known.as_of_us > signal.as_of_us:
            return False
        self._signals.pop(key, None)
        self._signals[key] = signal
        if len(self._signals) > self._max_signals:
            self._shrink(now_us)
        return known is None or known.value != signal.value or known.valid_until_us != signal.valid_until_us

    def delete(self, key: str) -> None:
        """Delete the signal of a record key: the topic has an empty record (a tombstone) for it."""
        self._signals.pop(key, None)

    def read(self, ticker: str, names: Iterable[str], now_us: int) -> dict[str, float]:
        """Return the values of these names; raises ``FeatureError`` (``signal_missing``, ``signal_expired``)."""
        values = {}
        for name in names:
            signal = self._signals.get(record_key(ticker, name))
            if signal is None or signal.value is None:
                raise FeatureError(Reason.SIGNAL_MISSING, name)
            if now_us >= signal.valid_until_us:
                raise FeatureError(Reason.SIGNAL_EXPIRED, name)
            values[name] = signal.value
        return values

    def _shrink(self, now_us: int) -> None:
        self._signals = {key: signal for key, signal in self._signals.items() if now_us < signal.valid_until_us}
        while len(self._signals) > self._max_signals:
            del self._signals[next(iter(self._signals))]


def signals_digest(values: dict[str, float]) -> str:
    """Return a digest of the values used for an observation; empty without values."""
    return digest(*(part for name in sorted(values) for part in (name, repr(values[name])))) if values else ""
