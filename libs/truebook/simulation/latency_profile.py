"""Latency profiles: the way of a call to the exchange and back, slow calls, and lists that lag behind the engine.

One description for the simulated exchange and for backtests, which use the way out alone. The values of ``home`` and
``hosted`` are those of clients that measured the round trip; how it is divided is not known, so the ways are apart.
"""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median_low
from typing import Final, NamedTuple

import msgspec

from truebook.decoding import UNREADABLE
from truebook.messages.ids import digest
from truebook.simulation.latency import Latency

_PPM: Final = 1_000_000
_MAX_US: Final = 60_000_000


class LatencyError(ValueError):
    """A latency that cannot be read; the message states what is valid."""


class CallDelay(NamedTuple):
    """Delays of one call in microseconds: of a read on its way out, of an order beyond its latency, of the response."""

    read_us: int = 0
    extra_us: int = 0
    response_us: int = 0


class LatencyProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Microseconds; a jitter is added uniformly between 0 and its value. A file has these fields as JSON."""

    order_us: int = 0
    """The way out of an order, and of a change of one."""
    cancel_us: int = 0
    jitter_us: int = 0
    """The largest addition to both."""
    response_us: int = 0
    """The way back of every delivery."""
    response_jitter_us: int = 0
    slow_ppm: int = 0
    """The share of slow calls in millionths; which of its ways is slow is drawn for each."""
    slow_us: int = 0
    """What a slow call takes in addition."""
    slow_jitter_us: int = 0
    list_lag_us: int = 0
    """How long a change of an account is missing in its lists."""
    list_lag_jitter_us: int = 0
    round_trips_us: tuple[int, ...] = ()
    """Measured times from call to response, one of which is drawn for each call, in place of ``order_us`` to
    ``response_jitter_us``."""
    out_ppm: int = 500_000
    """The share of a measured round trip that is the way out."""

    def __post_init__(self) -> None:
        fields = [getattr(self, name) for name in self.__struct_fields__ if name != "round_trips_us"]
        if not all(0 <= value <= _MAX_US for value in (*fields, *self.round_trips_us)):
            raise ValueError(f"a latency is between 0 and {_MAX_US} microseconds")
        if max(self.slow_ppm, self.out_ppm) > _PPM:
            raise ValueError(f"a share is at most {_PPM} millionths")

    def latency(self, seed: int) -> Latency:
        """Return the way out of orders and cancels."""
        if not self.round_trips_us:
            return Latency(seed=seed, order_us=self.order_us, cancel_us=self.cancel_us, jitter_us=self.jitter_us)
        ways_us = [each_us * self.out_ppm // _PPM for each_us in self.round_trips_us]
        middle_us = median_low(ways_us)
        offsets_us = tuple(way_us - middle_us for way_us in ways_us)
        return Latency(seed=seed, order_us=middle_us, cancel_us=middle_us, offsets_us=offsets_us)

    def delay(self, seed: int, number: int) -> CallDelay:
        """Draw the delays of a call by its number, beside the latency of its order."""
        if not self.has_responses:
            return CallDelay()
        drawn = int(digest("call", seed, number), 16)
        first, second, third = drawn % 1_000_003, drawn // 2**40 % 1_000_003, drawn // 2**80 % 1_000_003
        if self.round_trips_us:
            # The number decides, not the order's id: a read has none, and a run has few orders per measured time.
            whole_us = self.round_trips_us[first % len(self.round_trips_us)]
            out_us = whole_us * self.out_ppm // _PPM
            back_us = whole_us - out_us
        else:
            out_us = self.order_us + first % (self.jitter_us + 1)
            back_us = self.response_us + second % (self.response_jitter_us + 1)
        if third % _PPM >= self.slow_ppm:
            return CallDelay(out_us, 0, back_us)
        slow_us = self.slow_us + second % (self.slow_jitter_us + 1)
        if third % 2:
            return CallDelay(out_us + slow_us, slow_us, back_us)
        return CallDelay(out_us, 0, back_us + slow_us)

    def list_lag(self, seed: int, number: int) -> int:
        """Draw how long the change with that number is missing in lists, in microseconds."""
        if not self.list_lag_jitter_us:
            return self.list_lag_us
        return self.list_lag_us + int(digest("list", seed, number), 16) % (self.list_lag_jitter_us + 1)

    @property
    def has_responses(self) -> bool:
        """Whether responses are delayed."""
        return bool(self.round_trips_us or self.response_us or self.response_jitter_us or self.slow_ppm)


PROFILES: Final = {
    # 90 to 110 ms to the response; 1 % of calls beyond half a second; lists 0.3 to 1.5 s behind.
    "home": LatencyProfile(
        order_us=50_000, cancel_us=50_000, jitter_us=20_000, response_us=40_000, slow_ppm=10_000, slow_us=450_000,
        slow_jitter_us=1_000_000, list_lag_us=300_000, list_lag_jitter_us=1_200_000,
    ),
    # 4 to 8 ms to the response.
    "hosted": LatencyProfile(
        order_us=3_000, cancel_us=3_000, jitter_us=3_000, response_us=1_000, response_jitter_us=1_000, slow_ppm=10_000,
        slow_us=500_000, slow_jitter_us=1_000_000, list_lag_us=300_000, list_lag_jitter_us=1_200_000,
    ),
}  # fmt: skip
_MILLISECONDS: Final = re.compile(r"(\d{1,5})(?:\.(\d{1,3}))?ms")


def read_profile(name: str) -> LatencyProfile:
    """Return a named profile, a fixed way out such as 100ms, or the profile of a JSON file; raises ``LatencyError``."""
    if name in PROFILES:
        return PROFILES[name]
    if fixed := _MILLISECONDS.fullmatch(name):
        fixed_us = int(fixed[1]) * 1_000 + int((fixed[2] or "").ljust(3, "0"))
        return LatencyProfile(order_us=fixed_us, cancel_us=fixed_us)
    known = ", ".join(PROFILES)
    try:
        return msgspec.json.decode(Path(name).read_bytes(), type=LatencyProfile)
    except OSError as error:
        raise LatencyError(f"{name}: {error.strerror}; give {known}, a time such as 100ms, or a file") from error
    except UNREADABLE as error:
        example = '{"order_us": 50000, "cancel_us": 50000, "jitter_us": 20000}, or {"round_trips_us": [104000, 98000]}'
        raise LatencyError(f"{name}: {error}; it has {example}") from error
