"""The entries of the exchange's journal: inputs of the engine, from which a restart restores the history."""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.simulation.recorded.queue import QueueModel
from truebook.simulation.synthetic.presets import Preset
from truebook_services.paper_exchange.engine.commands import Command

VERSION: Final = 1
ENGINE: Final = 3
"""Version of the engine and the synthetic traders. Raise it with every change by which the same entries lead to another
history; ``test_paper_engine_version.py`` detects most of them."""


class Configured(msgspec.Struct, frozen=True, kw_only=True, tag="configured"):
    """The first line: the settings that determine the history."""

    v: int = VERSION
    start_us: int
    account: str
    balance_micros: int
    seed: int
    markets: int
    tickers: tuple[str, ...]
    settlement_delay_us: int
    capture: str | None = None
    queue: QueueModel = QueueModel.PESSIMISTIC
    accounts: tuple[str, ...] = ()
    """Further accounts, each with the same opening balance."""
    capture_times: str = "recorded"
    """Whether the recording's times are kept, or shifted to the start."""
    preset: Preset = Preset.EASY
    """The kind of synthetic markets; a history without it is from before there were others."""
    shards: tuple[str, ...] = ()
    """Further shards, as in the settings."""
    groups_trigger_above_limit: bool = False
    named_beside: bool = False
    """Whether the named markets (``tickers``) are beside the synthetic ones (``markets``), or instead of them."""
    engine: int = 0
    """The engine that wrote this history; 0: one from before engines had versions."""


class Commanded(msgspec.Struct, frozen=True, kw_only=True, tag="commanded"):
    """A command, with its time and the number of market events applied before it."""

    at_us: int
    position: int
    command: Command


class Advanced(msgspec.Struct, frozen=True, kw_only=True, tag="advanced"):
    """Time advanced to ``at_us``: an account changed, or the engine executed due events."""

    at_us: int
    position: int


class Resumed(msgspec.Struct, frozen=True, kw_only=True, tag="resumed"):
    """The exchange was down from ``until_us`` to ``at_us``: market events and closes are shifted by the difference."""

    until_us: int
    position: int
    at_us: int


class Reseeded(msgspec.Struct, frozen=True, kw_only=True, tag="reseeded"):
    """Synthetic events that open from now on follow another seed."""

    at_us: int
    position: int
    seed: int


class Continued(msgspec.Struct, frozen=True, kw_only=True, tag="continued"):
    """The first line of a later segment: the settings, and how much of the history is in the segments before."""

    configured: Configured
    after_bytes: int
    after_checksum: int
    after_lines: int


Entry = Configured | Commanded | Advanced | Resumed | Reseeded | Continued
