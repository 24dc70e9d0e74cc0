"""The verbs that can change an account, each declared once: name, arguments, result, decision or not.

The declaration drives both stores, the journal and its replay. Each verb has one rule in ``rules/`` (a function of its
name) and one script ``lua/<name>.lua``, which reads these arguments as JSON. Expected outcomes are values, not errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Generic, TypeVar

import msgspec

from truebook.ledger.outcomes import DUPLICATE_ACTION as DUPLICATE_ACTION
from truebook.ledger.outcomes import RESERVED as RESERVED
from truebook.ledger.outcomes import (
    AdjustOutcome,
    BindOutcome,
    HoldOutcome,
    MarkOutcome,
    OpenOutcome,
    RaiseEpochOutcome,
    ReleaseOutcome,
    SetLimitsOutcome,
    TransferOutcome,
    order_result,
)
from truebook.ledger.outcomes import Mode as Mode
from truebook.ledger.outcomes import OrderResult as OrderResult
from truebook.ledger.outcomes import OrderState as OrderState
from truebook.ledger.outcomes import ReserveOutcome as ReserveOutcome
from truebook.ledger.outcomes import ReserveResult as ReserveResult
from truebook.ledger.outcomes import TransferState as TransferState
from truebook.ledger.outcomes import shard_scope as shard_scope
from truebook.messages.envelope import BookSide
from truebook.messages.fills import ReportOutcome
from truebook.venue.shards import DEFAULT_SHARD, ShardCash

ResultT = TypeVar("ResultT")


class Verb(msgspec.Struct, Generic[ResultT], frozen=True, kw_only=True):
    """The arguments of one verb, as the journal stores and the script reads them."""

    VERB: ClassVar[str]
    """Its name in the journal, of its rule and of its script."""
    RESULT: ClassVar[Any]
    """The callable that reads the result from its text form; raises ValueError."""
    IS_DECISION: ClassVar[bool] = False
    """A decision is refused while the server is out of memory; a fact is not."""

    def read_result(self, text: str) -> ResultT:
        """Read this verb's result from its text form; raises ValueError."""
        result: ResultT = type(self).RESULT(text)
        return result

    def fills_of(self) -> str:
        """Return the exchange order id whose fills the verb reads or changes; empty: of none."""
        return ""


class AdoptedPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position that the account held before the ledger was opened, adopted at its cost."""

    ticker: str
    event: str
    position_centi: int
    cost_micros: int
    exchange_index: int = DEFAULT_SHARD


class OpenAccount(Verb[OpenOutcome], frozen=True, kw_only=True):
    """Open the account with the exchange's available balances and the positions adopted at their cost."""

    VERB = "open_account"
    RESULT = OpenOutcome

    balance_micros: int
    """On shard 0."""
    positions: tuple[AdoptedPosition, ...] = ()
    exchange: str = ""
    """The identity of the exchange and its account (``RestClient.identity``); empty: not bound to one."""
    shards: tuple[ShardCash, ...] = ()
    """The balances on all other shards, each at most once."""
    recorded_us: int = 0


class Reserve(Verb[ReserveResult], frozen=True, kw_only=True):
    """Request the right to send one order.

    The order's content, which a repeated id must match, is all but ``nonce``, ``event``, ``exclusive``, ``now_us``,
    ``partition``, ``epoch``, ``reference_cc``, ``model`` and ``exchange_index``, which is the market's. ``send_by_us``
    and ``expires_us`` are content where given (not 0).
    """

    VERB = "reserve"
    RESULT = ReserveResult.parse
    IS_DECISION = True

    order_id: str
    nonce: str
    ticker: str
    event: str
    exclusive: bool
    book_side: BookSide
    price_cc: int
    size_centi: int
    reduce_only: bool
    fee_rate_ppm: int
    deadline_us: int
    now_us: int
    partition: int
    epoch: int
    reference_cc: int | None = None
    send_by_us: int = 0
    expires_us: int = 0
    exchange_index: int = DEFAULT_SHARD
    """The market's shard, whose cash the order needs: the same in all reserves and fills of a market."""
    model: str = ""
    """The model that decided, kept in the journal for the statement; empty: not known."""


class Acknowledge(Verb[OrderResult], frozen=True, kw_only=True):
    """The exchange accepted an order; ``remaining_centi`` 0 makes ``filled_centi`` final."""

    VERB = "acknowledge"
    RESULT = order_result

    order_id: str
    exchange_order_id: str
    ticker: str
    filled_centi: int
    remaining_centi: int

    def fills_of(self) -> str:
        return self.exchange_order_id


class SettleFill(Verb[ReportOutcome], frozen=True, kw_only=True):
    """The exchange reported a fill; ``order_id`` is the exchange's. Key: (trade_id, order_id).

    ``exchange_us``, the exchange's time of the trade (0: not recorded), is kept in the journal and is not content.
    """

    VERB = "settle_fill"
    RESULT = ReportOutcome

    trade_id: str
    order_id: str
    ticker: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int
    exchange_us: int = 0
    exchange_index: int = DEFAULT_SHARD

    def fills_of(self) -> str:
        return self.order_id


class Close(Verb[OrderResult], frozen=True, kw_only=True):
    """The exchange reported an order as terminal, or rejected it (filled 0). ``exchange_order_id`` None: not given."""

    VERB = "close"
    RESULT = order_result

    order_id: str
    exchange_order_id: str | None
    filled_centi: int

    def fills_of(self) -> str:
        return self.exchange_order_id or ""


class MarkUnknown(Verb[OrderResult], frozen=True, kw_only=True):
    """The outcome of a send is not known."""

    VERB = "mark_unknown"
    RESULT = order_result

    order_id: str


class SettleMarket(Verb[ReportOutcome], frozen=True, kw_only=True):
    """One YES contract of a market paid ``settlement_cc``, 0..10,000."""

    VERB = "settle_market"
    RESULT = ReportOutcome

    ticker: str
    settlement_cc: int
    recorded_us: int = 0


class Adjust(Verb[AdjustOutcome], frozen=True, kw_only=True):
    """Add an amount, once by its id; ``reason`` is kept in the journal and is not content."""

    VERB = "adjust"
    RESULT = AdjustOutcome

    adjust_id: str
    amount_micros: int
    kind: str
    """An ``AdjustKind``; any other is invalid."""
    reason: str
    exchange_index: int = DEFAULT_SHARD
    """The shard on which the amount counts."""
    recorded_us: int = 0


class Hold(Verb[HoldOutcome], frozen=True, kw_only=True):
    """Place a named reason not to trade freely, or change the mode of one's own.

    A name of the form ``NAME@TICKER`` applies to that market only.
    """

    VERB = "hold"
    RESULT = HoldOutcome

    name: str
    mode: Mode
    owner: str
    recorded_us: int = 0


class Release(Verb[ReleaseOutcome], frozen=True, kw_only=True):
    """End a hold; only its owner may."""

    VERB = "release"
    RESULT = ReleaseOutcome

    name: str
    owner: str
    recorded_us: int = 0


class Limits(Verb[SetLimitsOutcome], frozen=True, kw_only=True, omit_defaults=True):
    """Replace the whole record of limits; None is no limit. The limits of losses apply to the marks of the equity."""

    VERB = "set_limits"
    RESULT = SetLimitsOutcome

    price_collar_cc: int | None = None
    order_size_centi: int | None = None
    orders_per_minute: int | None = None
    open_orders: int | None = None
    market_centi: int | None = None
    event_loss_micros: int | None = None
    total_loss_micros: int | None = None
    cash_floor_micros: int | None = None
    daily_loss_micros: int | None = None
    drawdown_micros: int | None = None
    from_settings: tuple[str, ...] = ()
    """The limits that the settings set; an operator set the others."""


LIMIT_NAMES: Final = tuple(name for name in Limits.__struct_fields__ if name != "from_settings")


class MarkEquity(Verb[MarkOutcome], frozen=True, kw_only=True):
    """The account's profit at the marks of now: its equity less all deposits. Checked against the limits of losses."""

    VERB = "mark_equity"
    RESULT = MarkOutcome

    day: int
    """Number of the trading day; one before the day of the last mark counts as that day."""
    profit_micros: int


class RaiseEpoch(Verb[RaiseEpochOutcome], frozen=True, kw_only=True):
    """Refuse decisions of that partition with a smaller epoch from now on."""

    VERB = "raise_epoch"
    RESULT = RaiseEpochOutcome

    partition: int
    epoch: int


class NextNumber(Verb[int], frozen=True, kw_only=True):
    """Increment a named counter and return its new value; no value is returned twice."""

    VERB = "next_number"
    RESULT = int

    name: str


class BindExchange(Verb[BindOutcome], frozen=True, kw_only=True):
    """Bind the open account to its exchange, if it is bound to ``former`` now (empty: to none)."""

    VERB = "bind_exchange"
    RESULT = BindOutcome

    exchange: str
    """The identity of the exchange and its account (``RestClient.identity``)."""
    former: str = ""


class AdvanceWatermark(Verb[int], frozen=True, kw_only=True):
    """A sweep of that name is complete up to ``to_us`` of exchange time; returns the watermark: it never decreases."""

    VERB = "advance_watermark"
    RESULT = int

    name: str
    to_us: int


class Prune(Verb[int], frozen=True, kw_only=True):
    """Drop orders that ended before a time, with their fills, and add up markets that settled before another one, and
    ended transfers that were requested before a third one; returns how many of all four.

    The last two times are 0 (none) in journals of earlier versions.
    """

    VERB = "prune"
    RESULT = int

    terminal_before_us: int
    settled_before_us: int = 0
    transfers_before_us: int = 0


class RequestTransfer(Verb[TransferOutcome], frozen=True, kw_only=True):
    """Take cash from a shard's available cash before its transfer to another shard is requested from the exchange."""

    VERB = "request_transfer"
    RESULT = TransferOutcome
    IS_DECISION = True

    transfer_id: str
    """The caller's id; the exchange executes a transfer of that id once."""
    from_shard: int
    to_shard: int
    amount_micros: int
    now_us: int


class ReportTransfer(Verb[TransferOutcome], frozen=True, kw_only=True):
    """What the exchange has proved about a transfer between shards; of an unknown id: a transfer that others made."""

    VERB = "report_transfer"
    RESULT = TransferOutcome

    transfer_id: str
    exchange_transfer_id: str
    """Empty: not known; required unless the transfer was refused."""
    from_shard: int
    to_shard: int
    amount_micros: int
    status: str
    """``accepted``, ``arrived`` or ``refused``; any other is invalid."""
    now_us: int


TIMED: Final = (OpenAccount, SettleMarket, Adjust, Hold, Release)
"""The verbs without a time of their own: the store that applies one sets ``recorded_us``, the time of its clock.

It is kept in the journal and is not content. 0: not recorded, as in journals of earlier versions.
"""


def timed(verb: Verb[ResultT], now_us: Callable[[], int] | None) -> Verb[ResultT]:
    """Return the verb with the time at which it is recorded, if it has such a field that is not set."""
    if now_us is None or getattr(verb, "recorded_us", -1) != 0:
        return verb
    return msgspec.structs.replace(verb, recorded_us=now_us())


def time_of(verb: Verb[Any]) -> int:
    """Return the time that a verb names, in microseconds of the exchange's clock; 0 without one."""
    if isinstance(verb, SettleFill):
        return verb.exchange_us
    if isinstance(verb, AdvanceWatermark):
        return verb.to_us
    if isinstance(verb, Reserve | RequestTransfer | ReportTransfer):
        return verb.now_us
    return verb.recorded_us if isinstance(verb, TIMED) else 0


VERBS: Final[dict[str, type[Verb[Any]]]] = {verb.VERB: verb for verb in Verb.__subclasses__()}
