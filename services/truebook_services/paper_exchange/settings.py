"""What can be set of the simulated exchange; every field has a default that works on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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
    latency_us: int = Field(default=0, ge=0, le=10_000_000)
    """How long an order is under way before the engine sees it."""
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
