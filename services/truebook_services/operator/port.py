"""The operator's port: what an operator reads and does, the same however Truebook runs.

Three backends implement it: ``client`` calls the HTTP API of a running process, ``cluster`` reads Kafka, Redis and the
exchange where every service is a process of its own, ``stopped`` works on the ledger while nothing runs. ``connect``
chooses one. Commands, pages and agents use this port only.

OperatorError        the request was refused or failed; the message states why, ``hint`` what to do
├── NotRunning       nothing serves the API at that address
├── NothingRecorded  nothing has run with these settings yet
├── HoldRefused      the ledger did not place or release the trading hold
├── OthersRun        a halt of an idle account while other systems run
├── NotResponding    a process runs but its API can't be called
├── RequestRefused   a request that can't be done here, or with these arguments; nothing was changed
└── CancelFailed     the trading hold is placed, but orders may still rest at the exchange
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from truebook.evidence.records import Funnel, MarketRecord
from truebook.ledger.valuation import AccountValues
from truebook.ledger.verbs import Mode
from truebook_services.operator.requests import Request, ResultT

WINDOW_S: Final = 600.0
MAX_WINDOW_S: Final = 3_600.0
"""The topics keep no more."""


class OperatorError(Exception):
    """The request was refused or failed."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"{problem}; {hint}")
        self.problem = problem
        self.hint = hint


class NotRunning(OperatorError):
    """Nothing serves the API at that address."""


class NothingRecorded(OperatorError):
    """Nothing has run with these settings yet."""


class HoldRefused(OperatorError):
    """The ledger did not place or release the trading hold."""


class OthersRun(OperatorError):
    """A halt of an idle account while other systems run: ``running`` names them."""

    def __init__(self, problem: str, running: Sequence[str]) -> None:
        names = "; ".join(running)
        super().__init__(
            f"{problem}, but these systems run: {names}", "halt one with --folder FOLDER, or each with --all"
        )
        self.running = tuple(running)


class NotResponding(OperatorError):
    """A process runs but its API can't be called."""


class RequestRefused(OperatorError):
    """A request can't be done here, or with these arguments."""


class CancelFailed(OperatorError):
    """The trading hold is placed, but orders may still rest at the exchange."""


STATUS_CODES: Final[Mapping[type[OperatorError], int]] = {HoldRefused: 409, RequestRefused: 422, CancelFailed: 502}
"""The HTTP status of these errors in the API; of every other, 500."""


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """How many orders had which outcome; ``refused``: by reason, before they were sent.

    Of a run in one process, all but ``kept`` and ``refused`` are read from the ledger's journal; ``cancelled`` then are
    all that ended without filling completely, by a cancel or their lifetime.
    """

    sent: int = 0
    acknowledged: int = 0
    rejected: int = 0
    cancelled: int = 0
    unknown: int = 0
    resolved: int = 0
    kept: int = 0
    refused: Mapping[str, int] = {}


class ModelFailure(msgspec.Struct, frozen=True, kw_only=True):
    """An automatic change of the model in use; null is not known in this way of running."""

    model: str
    """The model that exceeded a limit."""
    sha256: str
    since_us: int | None
    by: str | None
    """The service that made the change."""
    reason: str | None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Median and 99th percentile in milliseconds; null where nothing was measured."""

    p50: float | None
    p99: float | None


class Status(AccountValues, frozen=True, kw_only=True):
    """The account's values and what was counted in ``seconds``; null is not known in this way of running."""

    seconds: float
    seed: int | None
    model: str | None
    model_stopped: ModelFailure | None = None
    """Why no model decides; null where one does."""
    model_rolled_back: ModelFailure | None = None
    """The newest automatic roll-back, until another model is activated."""
    market_data: str
    markets: int
    deltas: int | None
    public_trades: int | None
    stale_books: Mapping[str, int] | None
    observations: int
    decisions: int | None = None
    """All decisions of the policy, up to those of the last second."""
    actions: int
    """The decisions that were published one by one: all but most of those that change nothing."""
    orders: Orders
    fills: int | None
    fills_by_basis: Mapping[str, int] | None
    fills_by_side: Mapping[str, int] | None
    filled_markets: int | None
    settlements: int | None
    dead_letters: int
    skipped_messages: int | None = 0
    """Messages that newer ones had replaced before they were counted, on a busy machine; the counts lack them."""
    ledger_equals_exchange: bool | None
    """Null while the two have not been compared."""
    differences: tuple[str, ...]
    tick_to_order_ms: Latency
    adjusted_in_run_micros: int | None = None
    """The part of the adjustments that this run recorded; null is not known. Corrected amounts are no difference."""
    at_us: int
    not_traded: str | None = None
    """Why no order was sent; null where one was, or where it is not known."""
    history_sha256: str | msgspec.UnsetType = msgspec.UNSET
    """Digest of a recording's orders and fills, at the end of the run."""
    alive: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether a process sends orders now; unset in the summary of a run."""
    crashed: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether the last run did not end in order: its counters are lost, those shown are of the run before. Only while
    nothing runs."""


def may_be_consistent(status: Status) -> bool:
    """Whether no value contradicts the exchange; open orders do only while nothing runs that tracks them."""
    return (
        status.conservation_error_micros == 0
        and status.ledger_equals_exchange is not False
        and (status.alive is True or not (status.reserved_micros or status.unresolved_orders))
    )


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """The funnel of the last hour or of the requested window, and the record of one market.

    ``market`` is null where none was requested or nothing is known of it; ``mode`` and ``holds`` are null while nothing
    runs.
    """

    at_us: int
    funnel: Funnel
    market: MarketRecord | None = None
    mode: str | None = None
    holds: tuple[str, ...] | None = None
    alive: bool = False


class AfterHalt(StrEnum):
    """What a halt does with the orders that rest at the exchange."""

    CANCELLED = "cancelled"
    KEPT = "kept"
    LEFT_TO_EXECUTION = "left_to_execution"
    """There is no exchange key here; ``execution`` cancels them under the trading hold."""
    NOT_CANCELLED = "not_cancelled"
    """Nothing runs; they expire, or are cancelled by the next run."""


class HaltResult(msgspec.Struct, frozen=True, kw_only=True):
    """``result`` is the ledger's outcome: ``held``. ``still_running`` names the other systems, if there are any."""

    result: str
    orders: AfterHalt
    still_running: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class HaltAllResult(msgspec.Struct, frozen=True, kw_only=True):
    """By system: the result of its halt, or the problem."""

    halted: Mapping[str, HaltResult]
    failed: Mapping[str, str]


class RemainingHold(msgspec.Struct, frozen=True, kw_only=True):
    """A trading hold that a resume did not end. ``reason`` completes the sentence "in force while ..."."""

    name: str
    mode: Mode
    owner: str
    reason: str


class ResumeResult(msgspec.Struct, frozen=True, kw_only=True):
    """``result`` is the ledger's outcome: ``released``, or ``no_hold`` where there was none.

    ``may_trade``: no remaining hold restricts trading. The one that the end of a run leaves does not count, since the
    next run releases it.
    """

    result: str
    mode: Mode
    """The account's mode now."""
    remaining: tuple[RemainingHold, ...]
    may_trade: bool


class Operator(Protocol):
    """All methods raise ``OperatorError``, and what the backend's own sources raise (ledger, exchange, Kafka)."""

    async def status(self, window_s: float = WINDOW_S) -> Status:
        """Report the account and what was counted: since the start of a run, or in the last ``window_s`` seconds."""
        ...

    async def why(self, ticker: str | None = None, window_s: float = WINDOW_S) -> Why:
        """Explain where quotes were dropped, and what became of the last decisions in one market.

        Covers the last hour; where services are processes of their own, the last ``window_s`` seconds.
        """
        ...

    async def halt(self, *, keep_orders: bool = False) -> HaltResult:
        """Hold all trading, then cancel all orders unless ``keep_orders``."""
        ...

    async def resume(self, hold: str | None = None) -> ResumeResult:
        """Release the operator's trading holds, or the named one if the ledger placed it."""
        ...

    async def perform(self, request: Request[ResultT]) -> ResultT:
        """Handle one of ``requests``."""
        ...
