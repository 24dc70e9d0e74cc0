"""The user's own inputs, by market and name, each valid until a stated time. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from truebook.features.layout import FeatureError
from truebook.messages.ids import digest
from truebook.messages.reasons import Reason
from truebook.messages.signals import Signal


class SignalTable:
    """The newest value of each (market, name), at most ``most`` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._signals: dict[tuple[str, str], Signal] = {}

    def __len__(self) -> int:
        return len(self._signals)

    def take(self, signal: Signal, now_us: int) -> bool:
        """Take a value, unless a newer one is known; answer whether anything changed."""
        key = (signal.ticker, signal.name)
        known = self._signals.get(key)
        if known is not None and known.as_of_us > signal.as_of_us:
            return False
        self._signals.pop(key, None)
        self._signals[key] = signal
        if len(self._signals) > self._most:
            self._shrink(now_us)
        return known is None or known.value != signal.value or known.valid_until_us != signal.valid_until_us

    def read(self, ticker: str, names: Iterable[str], now_us: int) -> dict[str, float]:
        """Answer the values of these names; raises ``FeatureError`` (``signal_missing``, ``signal_expired``)."""
        values = {}
        for name in names:
            signal = self._signals.get((ticker, name))
            if signal is None:
                raise FeatureError(Reason.SIGNAL_MISSING, name)
            if now_us >= signal.valid_until_us:
                raise FeatureError(Reason.SIGNAL_EXPIRED, name)
            values[name] = signal.value
        return values

    def _shrink(self, now_us: int) -> None:
        self._signals = {key: signal for key, signal in self._signals.items() if now_us < signal.valid_until_us}
        while len(self._signals) > self._most:
            del self._signals[next(iter(self._signals))]


def signals_digest(values: dict[str, float]) -> str:
    """Name the values that went into an observation; empty where there were none."""
    return digest(*(part for name in sorted(values) for part in (name, repr(values[name])))) if values else ""
