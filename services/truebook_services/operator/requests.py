"""The operator's requests beside status, why, halt and resume: each declared once, with its arguments and result.

The declaration drives the HTTP API and its client; ``perform`` has the rule of each. Amounts are integers with the unit
in the name, in results too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar

import msgspec

from truebook.ledger.outcomes import AdjustOutcome, BindOutcome
from truebook.ledger.port import Marks, OrderView
from truebook.ledger.valuation import AccountValues
from truebook.ledger.verbs import Limits
from truebook.messages.envelope import BookSide
from truebook.messages.fills import ReportOutcome
from truebook.models.guard import Drawdown
from truebook.models.pointer import Failure
from truebook.statement.records import Statement

ResultT = TypeVar("ResultT", bound=msgspec.Struct)

MAX_FILLS: Final = 1_000


class Request(msgspec.Struct, Generic[ResultT], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of one request."""

    NAME: ClassVar[str]
    """Its path in the HTTP API."""
    RESULT: ClassVar[type[Any]]
    TIMEOUT_S: ClassVar[float] = 20.0
    """How long a client waits for the result."""


class LimitsReport(msgspec.Struct, frozen=True, kw_only=True):
    """The account's limits; null is no limit. ``marks`` is null while no limit of losses is set, or none was marked."""

    limits: Limits
    marks: Marks | None = None


class ChangeLimits(Request[LimitsReport], frozen=True, kw_only=True):
    """Set the named limits, null clears one; the others stay. Without a name it only reports them."""

    NAME = "limits"
    RESULT = LimitsReport

    changes: Mapping[str, int | None] = {}


class TransferReport(msgspec.Struct, frozen=True, kw_only=True):
    """``result`` is the ledger's outcome: ``adjusted``, or ``duplicate`` for a repeated ``transfer_id``."""

    result: AdjustOutcome
    transfer_id: str
    """As recorded: the exchange's, if a recognized transfer is in its lists."""
    amount_micros: int
    cash_micros: int
    """Available cash afterwards."""


class Transfer(Request[TransferReport], frozen=True, kw_only=True):
    """Deposit into the simulated exchange and the ledger, once by its id; a negative amount is a withdrawal."""

    NAME = "transfer"
    RESULT = TransferReport

    transfer_id: str
    amount_micros: int
    recognize: bool = False
    """Record what was moved at the exchange's own pages: it must be all that differs."""
    interest: bool = False
    """Record it as interest, not as a deposit."""


class RebindReport(msgspec.Struct, frozen=True, kw_only=True):
    """``result`` is the ledger's outcome: ``bound`` or ``unchanged``. ``is_proven``: the exchange shows our orders."""

    result: BindOutcome
    exchange: str
    former: str
    is_proven: bool


class Rebind(Request[RebindReport], frozen=True, kw_only=True):
    """Bind the ledger to this exchange and key: after the account's key was replaced."""

    NAME = "rebind"
    RESULT = RebindReport

    confirm: bool = False
    """Bind it also without proof that it is the same account."""


class OrderList(msgspec.Struct, frozen=True, kw_only=True):
    orders: tuple[OrderView, ...]


class ListOrders(Request[OrderList], frozen=True, kw_only=True):
    """List the open orders: reserved, unknown, acknowledged, closing."""

    NAME = "orders"
    RESULT = OrderList

    ticker: str | None = None


class RecordedFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill as the ledger recorded it; ``outcome`` is ``parked`` while its order is not known."""

    ledger_seq: int
    trade_id: str
    exchange_order_id: str
    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int
    outcome: ReportOutcome
    exchange_us: int | None
    """The exchange's time of the trade; null where an earlier version recorded it without."""


class FillList(msgspec.Struct, frozen=True, kw_only=True):
    """Fills, newest first. ``is_complete``: there are no earlier ones of this account."""

    fills: tuple[RecordedFill, ...]
    is_complete: bool


class ListFills(Request[FillList], frozen=True, kw_only=True):
    """List the newest fills in the part of the journal that the ledger keeps."""

    NAME = "fills"
    RESULT = FillList

    ticker: str | None = None
    limit: int = 100


class PositionValues(msgspec.Struct, frozen=True, kw_only=True):
    """One market: its position, and what it has earned. Null where no book is known."""

    ticker: str
    event: str
    position_centi: int
    cost_micros: int
    realized_micros: int
    unrealized_micros: int | None
    unsaleable_centi: int | None
    fees_micros: int
    settlement_cc: int | None


class PositionList(msgspec.Struct, frozen=True, kw_only=True):
    positions: tuple[PositionValues, ...]


class ListPositions(Request[PositionList], frozen=True, kw_only=True):
    """List the open positions."""

    NAME = "positions"
    RESULT = PositionList

    ticker: str | None = None


class Pnl(msgspec.Struct, frozen=True, kw_only=True):
    """The account's values, and those of each market that was ever traded."""

    account: AccountValues
    markets: tuple[PositionValues, ...]


class ShowPnl(Request[Pnl], frozen=True, kw_only=True):
    """Report realized and unrealized profit of the account and per market."""

    NAME = "pnl"
    RESULT = Pnl


class ShowStatement(Request[Statement], frozen=True, kw_only=True):
    """Make the statement of one day from the journal: balances, fills, settlements, fees, profit, and the checks."""

    NAME = "statement"
    RESULT = Statement
    TIMEOUT_S = 300.0

    day: str | None = None
    """YYYY-MM-DD, ``today`` (null too) or ``yesterday``."""
    zone: str | None = None
    """The time zone of the day; null: that of the daily loss limit, ``reconciler.day_zone``."""


class ReconcileReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a round of reconciliation recorded and found.

    ``recorded`` counts fills, orders, settlements and adjustments that were recorded meanwhile, by any service;
    ``differences`` are those of every comparison of some seconds. ``errors_of_totals`` are by name what the ledger's
    totals differ by from the sums of their parts, in micro-dollars.
    """

    equal: bool
    differences: tuple[str, ...]
    ledger_seq: int
    recorded: Mapping[str, int]
    errors_of_totals: Mapping[str, int]


class Reconcile(Request[ReconcileReport], frozen=True, kw_only=True):
    """Reconcile now: look up every open order, record what is missing, then compare ledger and exchange.

    Differences that remain are left to the reconciler, which halts for those that last.
    """

    NAME = "reconcile"
    RESULT = ReconcileReport


class OpenPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position that a flatten could not close, and why."""

    ticker: str
    position_centi: int
    cause: str


class FlattenReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was closed and what is still open; ``hold`` stays in force until `truebook resume`."""

    closed: tuple[str, ...]
    remaining: tuple[OpenPosition, ...]
    hold: str


class Flatten(Request[FlattenReport], frozen=True, kw_only=True):
    """Stop opening positions in the whole account, cancel such orders, and close the named positions, or all.

    No order is priced more than ``max_slip_cc`` (1/100 cent) beyond the best level.
    """

    NAME = "flatten"
    RESULT = FlattenReport

    tickers: tuple[str, ...] = ()
    max_slip_cc: int = 500


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the registry; ``refused`` states why it can't be used, else it is null."""

    name: str
    is_active: bool
    is_shadow: bool = False
    is_previous: bool = False
    """Whether a roll-back returns to it."""
    sha256: str | None = None
    layout: str | None = None
    output: str | None = None
    trained: str | None = None
    has_check_rows: bool | None = None
    refused: str | None = None


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """All models. ``stopped`` and ``rolled_back`` are the newest automatic changes; ``drawdown`` is kept while the
    operator has set a limit."""

    models: tuple[ListedModel, ...]
    stopped: Failure | None = None
    rolled_back: Failure | None = None
    drawdown: Drawdown | None = None


class ListModels(Request[ModelList], frozen=True, kw_only=True):
    """List the bundled and the added models of the registry."""

    NAME = "models"
    RESULT = ModelList


class ActivateModel(Request[ListedModel], frozen=True, kw_only=True):
    """Make a model the active one; running services follow within a second, except a run with a model of its own."""

    NAME = "activate_model"
    RESULT = ListedModel

    name: str
    instead_of: str | None = None
    """Only if this model is active still: another operator may have switched meanwhile."""


class RollBackModel(Request[ListedModel], frozen=True, kw_only=True):
    """Make the previously active model active again, with the same bytes."""

    NAME = "roll_back_model"
    RESULT = ListedModel

    instead_of: str | None = None
    """Only if this model is active still: another operator may have switched meanwhile."""


REQUESTS: Final[dict[str, type[Request[Any]]]] = {request.NAME: request for request in Request.__subclasses__()}
