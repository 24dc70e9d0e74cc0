"""What can be set of the simulated exchange; every field has a default that works on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from truebook.simulation.latency import Latency
from truebook.simulation.recorded_queue import QueueModel

CAPTURE_LATENCY_US: Final = 50_000
CAPTURE_JITTER_US: Final = 20_000

Tier = Literal["basic", "advanced", "expert", "premier", "paragon", "prime", "prestige"]


class PaperExchangeSettings(BaseModel):
    """One simulated exchange. What shapes its history (seed, markets, capture, balance) is fixed by its journal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """The address to bind: loopback, unless the exchange is a container of its own."""
    port: int = Field(default=0, ge=0, le=65_535)
    """0 takes any free port; the command ``truebook exchange`` uses 18080."""
    markets: int = Field(default=50, ge=1, le=2_000)
    """How many markets the synthetic traders keep open at a time."""
    tickers: tuple[str, ...] = ()
    """Names of markets to open first; the rest is named by the traders."""
    seed: int = 1
    account: str = "sim-main"
    balance_micros: int = Field(default=1_000_000_000, ge=0)
    """What the account starts with: $1000.00."""
    key_id: str | None = None
    public_key_file: Path | None = None
    """The public key (PEM, RSA or Ed25519) that belongs to ``key_id``; without both, a pair is made and kept."""
    verify_signatures: bool = True
    """False looks at the key id alone: for runs under a virtual clock, where signatures only cost time."""
    capture: Path | None = None
    """A recorded session whose books take the place of the synthetic traders."""
    speed: float = Field(default=1.0, gt=0)
    """How fast the capture is replayed; the composition root gives the same number to its clock."""
    order_latency_us: int | None = Field(default=None, ge=0, le=10_000_000)
    """How long an order is under way, in the exchange's time; by default 50 ms with a capture, else not at all."""
    cancel_latency_us: int | None = Field(default=None, ge=0, le=10_000_000)
    """How long a cancellation is under way; by default as long as an order."""
    latency_jitter_us: int | None = Field(default=None, ge=0, le=10_000_000)
    """What each of both may take longer, drawn by the seed; by default 20 ms with a capture, else nothing."""
    queue: QueueModel = QueueModel.PESSIMISTIC
    """In a capture: where those stand that cancel, before our orders or behind them."""
    tier: Tier = "basic"
    state_folder: Path | None = Path(".truebook/exchange")
    """Where journal and keys lie; none keeps everything in memory (and needs ``key_id`` with its public key)."""
    faults: tuple[str, ...] = ()
    """Faults by schedule, such as ``lost_ack@every=7``: see ``truebook.simulation.faults``."""
    late_fill_ms: int = Field(default=1_000, ge=0)
    """How long a ``late_fill`` is held back."""
    clock_behind_s: float = Field(default=15.0, gt=0)
    """How old a signature may be."""
    clock_ahead_s: float = Field(default=60.0, gt=0)
    """How far in the future a signature may lie."""
    emit_liquidity_dollars: bool = True
    """Some clients still require the field that the exchange removed in October 2026; to the others it is harmless."""
    first_data_after_ms: int = Field(default=100, ge=0, le=5_000)
    """From a ``subscribed`` to the first snapshot: some clients drop what arrives while they subscribe to more."""
    snapshot_always_both_sides: bool = False
    """Some clients require both sides in a snapshot; the exchange leaves an empty one out."""
    settlement_delay_ms: int = Field(default=2_000, ge=0)
    """From the determination of a market to its payout."""
    pump_ms: int = Field(default=20, ge=1, le=1_000)
    """How often due events of the market are applied and told."""
    heartbeat_s: float = Field(default=10.0, gt=0)
    stream_queue: int = Field(default=10_000, ge=10)
    """Frames that may wait for a slow reader; the subscription whose frame finds it full ends with error 25."""

    @property
    def latency(self) -> Latency:
        """The latency that these settings mean."""
        fixed_us, jitter_us = (CAPTURE_LATENCY_US, CAPTURE_JITTER_US) if self.capture is not None else (0, 0)
        order_us = fixed_us if self.order_latency_us is None else self.order_latency_us
        return Latency(
            seed=self.seed,
            order_us=order_us,
            cancel_us=order_us if self.cancel_latency_us is None else self.cancel_latency_us,
            jitter_us=jitter_us if self.latency_jitter_us is None else self.latency_jitter_us,
        )
