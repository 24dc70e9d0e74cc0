"""Settings of the simulated exchange; every field has a default that suits a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, field_validator, model_validator

from truebook.runtime.settings import Section
from truebook.simulation.latency import Latency
from truebook.simulation.latency_profile import LatencyProfile, read_profile
from truebook.simulation.recorded.queue import QueueModel
from truebook.simulation.synthetic.presets import Preset
from truebook.simulation.venue.shard_plan import ShardPlan
from truebook.venue.rate_tiers import AutoRouteCharge, Tier

PRIVATE_TIER: Final[Tier] = "premier"
"""Rate tier of an exchange with one client: ``truebook exchange``, and ``truebook run`` with its execution."""
CAPTURE_LATENCY_US: Final = 50_000
CAPTURE_JITTER_US: Final = 20_000


class PaperExchangeSettings(Section):
    """One simulated exchange. The settings that determine its history (markets, preset, shards, capture) are fixed once
    its journal exists; the seed, the balance and further accounts may change at a restart."""

    host: str = "127.0.0.1"
    """Address to bind: loopback, unless the exchange runs in a container of its own."""
    port: int = Field(default=0, ge=0, le=65_535)
    """Port to bind; 0 takes any free one. ``truebook exchange`` and the container use 18080."""
    markets: int = Field(default=50, ge=1, le=2_000)
    """Number of markets that the synthetic traders keep open, beside the named ones if both are set."""
    tickers: tuple[str, ...] = ()
    """Tickers of named markets, in place of the synthetic ones, or beside them if ``markets`` is set too."""
    preset: Preset = Preset.GOLD15M
    """Kind of synthetic markets: fitted to recorded ones, or ``easy`` ones for demonstrations, where joining the best
    price earns."""
    seed: int = 1
    """Seed of the synthetic traders, of outcomes, ids and latency. Another one at a restart is that of later events."""
    account: str = "sim-main"
    """Name of the exchange's first account."""
    accounts: tuple[str, ...] = ()
    """Names of further accounts (letters, digits, -), each with the same opening balance and an own key pair, which
    is made and kept in the state folder. A restart may add some; none is ever closed."""
    balance_micros: int = Field(default=1_000_000_000, ge=0)
    """Opening balance of each account. Another one at a restart deposits the difference, or withdraws it."""
    key_id: str | None = None
    """Id of the API key of the account; without it and ``public_key_file``, a key pair is made and kept."""
    public_key_file: Path | None = None
    """PEM file with the RSA or Ed25519 public key of ``key_id``."""
    verify_signatures: bool = True
    """False checks only the key id: for runs on virtual time, where signatures only cost time."""
    capture: Path | None = None
    """A recording whose books replace the synthetic traders."""
    capture_times: Literal["recorded", "now"] = "recorded"
    """``now``: every time of the recording is shifted, so that it begins when the exchange starts."""
    mirror: str | None = None
    """Address of another exchange whose books and trades replace the synthetic traders; a restart keeps nothing."""
    speed: float = Field(default=1.0, gt=0)
    """Replay speed of the recording, as a multiple of real time."""
    latency_profile: str = ""
    """``home`` or ``hosted``, a time such as ``100ms``, or a JSON file of measured latencies: ways out and back, slow
    calls and lists that lag; empty: the next three settings, and no way back."""
    order_latency_us: int | None = Field(default=None, ge=0, le=10_000_000)
    """Time from the receipt of an order to its execution, in exchange time; default 50 ms with a recording, else 0.
    With a latency profile, this and the next two settings are its way out instead."""
    cancel_latency_us: int | None = Field(default=None, ge=0, le=10_000_000)
    """The same for cancels; default: that of orders."""
    latency_jitter_us: int | None = Field(default=None, ge=0, le=10_000_000)
    """Largest random addition to both, drawn from the seed; default 20 ms with a recording, else 0."""
    shards: tuple[str, ...] = ()
    """Further exchange shards: an index from 0 to 100, then the series whose new events go there, such as
    ``2:SIMCUP+SIMRATE``. Each account has its opening balance on shard 0, where all other series are."""
    groups_trigger_above_limit: bool = False
    """True: an order group is triggered once its fills exceed its limit, not when they reach it; the sources differ."""
    transfer_delay_ms: int = Field(default=1_000, ge=0, le=600_000)
    """Time from the acceptance of a transfer between shards to its arrival."""
    transfer_jitter_ms: int = Field(default=1_000, ge=0, le=600_000)
    """Largest random addition to it, drawn from the seed."""
    unfunded_shard_status: Literal[400, 404] = 400
    """Status of an order on a shard where the account never had cash: 400 has the account's id in the code; the
    sources differ."""
    used_transfer_id_status: Literal[400, 409] = 409
    """Status of a transfer whose client id was accepted before: Kalshi does not document it."""
    auto_route: AutoRouteCharge = "all_shards"
    """Write buckets that a single write without a shard is charged to: ``unscoped`` as in August 2026, or also those of
    all further shards."""
    queue: QueueModel = QueueModel.PESSIMISTIC
    """Queue model of a recording: whether cancelled size was ahead of our orders or behind them."""
    tier: Tier = "basic"
    """Usage tier of the account: its rate limits."""
    state_folder: Path | None = Path(".truebook/exchange")
    """Folder of journal and keys; None keeps everything in memory and needs ``key_id`` with its public key."""
    journal_sync_ms: int = Field(default=50, ge=0, le=60_000)
    """Longest time from a response until its effects are on disk: a killed exchange loses nothing, but a machine that
    loses power may lose so much. 0: they are on disk before the response, which then waits for the disk."""
    journal_segment_bytes: int = Field(default=32 * 2**20, ge=2**16)
    """Size at which a segment of the journal is closed and compressed."""
    journal_max_bytes: int = Field(default=2 * 2**30, ge=0)
    """Size of the closed segments; beyond it the oldest ones are removed, and the exchange can be continued only by the
    version that wrote its checkpoints."""
    faults: tuple[str, ...] = ()
    """Scheduled faults, such as ``lost_ack@every=7``: see ``truebook.simulation.faults``."""
    operator_token: str | None = Field(default=None, min_length=1)
    """Token of the page ``/simulated`` and of the operator's requests below it; by default one is made in the state
    folder. Without either they do not exist."""
    late_fill_delay_ms: int = Field(default=1_000, ge=0)
    """Delay of a fill by the fault ``late_fill``."""
    signature_max_age_s: float = Field(default=15.0, gt=0)
    """Age at which a signature expires."""
    signature_max_ahead_s: float = Field(default=60.0, gt=0)
    """How far in the future a signature's time may be."""
    liquidity_reward_cents: int = Field(default=0, ge=0, le=10_000_000)
    """Daily reward that the incentive programme of each longer market lists; it is not paid. 0: no programmes."""
    history_after_s: int = Field(default=60 * 86_400, ge=1)
    """Age at which settled markets, their trades and fills move to the historical endpoints; ended orders do after two
    weeks at the latest."""
    spec: Literal["3.30", "3.34"] = "3.34"
    """Version of the exchange's OpenAPI document that is served; fields and parameters that came later are ignored."""
    emit_liquidity_dollars: bool = True
    """Send ``liquidity_dollars`` of markets: the exchange removed it in October 2026, some clients need it."""
    first_data_delay_ms: int = Field(default=100, ge=0, le=5_000)
    """Delay from ``subscribed`` to the first snapshot: some clients drop frames while they subscribe to more."""
    snapshot_includes_empty_sides: bool = False
    """Send both sides of a snapshot, as some clients require; the exchange omits an empty one."""
    settlement_delay_ms: int = Field(default=2_000, ge=0)
    """Time from the determination of a market to its payout."""
    tick_interval_ms: int = Field(default=20, ge=1, le=1_000)
    """Interval at which due market events are applied and published."""
    heartbeat_s: float = Field(default=10.0, gt=0)
    """Interval of WebSocket pings."""
    max_queued_frames: int = Field(default=10_000, ge=10)
    """Frames queued for a slow reader; the subscription whose frame exceeds it ends with error 25."""

    @field_validator("shards")
    @classmethod
    def _shards_are_a_plan(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        ShardPlan.parse(value)
        return value

    def described_markets(self, seed: int) -> str:
        """Describe the market data in a few words."""
        if self.capture is not None:
            return f"recording {self.capture.name}, speed {self.speed:g}"
        if self.mirror is not None:
            return f"mirror of {self.mirror}"
        return f"synthetic markets {self.preset.value}, seed {seed}"

    @property
    def transfer_latency(self) -> Latency:
        """How long transfers between shards take."""
        return Latency(seed=self.seed, order_us=self.transfer_delay_ms * 1000, jitter_us=self.transfer_jitter_ms * 1000)

    @field_validator("latency_profile")
    @classmethod
    def _check_profile(cls, name: str) -> str:
        if name:
            read_profile(name)
        return name

    @model_validator(mode="after")
    def _has_one_way_out(self) -> PaperExchangeSettings:
        if not self.latency_profile or self.order_latency_us is not None:
            return self
        for name in ("cancel_latency_us", "latency_jitter_us"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"{name} has no effect beside latency_profile = {self.latency_profile!r}, which has a way out of "
                    f"its own: remove it, or set order_latency_us too, which replaces that way out"
                )
        return self

    @property
    def profile(self) -> LatencyProfile:
        """The latency profile of these settings; without one, no way back and lists without a lag."""
        return read_profile(self.latency_profile) if self.latency_profile else LatencyProfile()

    @property
    def latency(self) -> Latency:
        """The way out of orders and cancels by these settings."""
        if self.latency_profile and self.order_latency_us is None:
            return self.profile.latency(self.seed)
        fixed_us, jitter_us = (CAPTURE_LATENCY_US, CAPTURE_JITTER_US) if self.capture is not None else (0, 0)
        order_us = fixed_us if self.order_latency_us is None else self.order_latency_us
        return Latency(
            seed=self.seed,
            order_us=order_us,
            cancel_us=order_us if self.cancel_latency_us is None else self.cancel_latency_us,
            jitter_us=jitter_us if self.latency_jitter_us is None else self.latency_jitter_us,
        )
