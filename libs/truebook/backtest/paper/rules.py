"""What determines a paper account, in the units of calculation."""

from __future__ import annotations

import msgspec

from truebook.backtest.engine.settings import ExecutionRules
from truebook.ledger.verbs import Limits
from truebook.messages.identity import Identity
from truebook.observation.builder import ObservationLimits
from truebook.simulation.latency import Latency


class PaperRules(msgspec.Struct, frozen=True, kw_only=True):
    """The same for all accounts of a comparison."""

    identity: Identity
    balance_micros: int
    limits: Limits = Limits()
    latency: Latency
    max_age_us: int
    """A decision is valid until its book's confirmed time plus this."""
    throttle_us: int
    """Shortest interval between two observations of a market."""
    observation: ObservationLimits
    execution: ExecutionRules
    retention_us: int
    """Ended orders and settled markets are kept in the ledger for this long."""
