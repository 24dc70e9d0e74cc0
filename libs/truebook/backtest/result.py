"""The result of a backtest as values: what ``result.json`` contains, and what the report and ``truebook compare`` read.

One backtest replays one recording with one model. It has up to three passes, which differ only in the queue model, i.e.
in the assumption about the queue ahead of a resting order; together they are the error band of every value. Variants
are the same passes with other sizes or another latency. A result of a run that was interrupted is marked ``partial``:
it ends at ``data.reached_us``.

Units are those of the ledger: ``_micros`` micro-dollars, ``_cc`` 1/10,000 dollar on the YES leg, ``_centi`` 1/100
contract, ``_us`` microseconds since 1970 (UTC, exchange time), ``_ppm`` millionths. A value is null where it is not
known; nothing is estimated.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from truebook.backtest.errors import UnreadableResult
from truebook.decision.strategy import Output
from truebook.decoding import UNREADABLE
from truebook.files import write_atomically
from truebook.messages.envelope import BookSide
from truebook.models.history import Switch
from truebook.simulation.events import Basis
from truebook.simulation.recorded.queue import QueueModel
from truebook.venue.account import OrderStatus

FORMAT: Final = 1
"""Version of the file's format; a reader refuses another one."""
RESULT: Final = "result.json"
"""Name of the file in the folder of a backtest."""
MARK_OUTS_S: Final = (1, 10, 60)
"""Seconds after a fill at which ``Fill.mark_outs_half_cc`` reads the mid price."""


class DataInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a backtest."""

    name: str
    """The last part of the path."""
    sha256: str
    """Digest of the recorded files: two results are comparable only if it is the same."""
    from_us: int
    to_us: int
    """The requested window, or the recording's own (of a partial result: what was reached); ``to_us`` included."""
    reached_us: int
    """Time of the last event that was applied."""
    markets: tuple[str, ...]
    """Sorted tickers."""
    events: int
    """Number of applied recorded events."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The model of a backtest, by its metadata."""

    name: str
    sha256: str
    layout: str
    layout_hash: str
    output: Output
    trained: str = ""


class BacktestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What determines the result beside data and model. Equal settings give equal results on every machine."""

    seed: int
    balance_micros: int
    """Cash at the start, of all accounts together."""
    order_latency_us: int
    cancel_latency_us: int
    jitter_us: int
    """The latency of each order is the fixed part plus a share of the jitter that the seed and its id determine."""
    throttle_us: int
    """Shortest interval between two observations of a market."""
    order_lifetime_us: int
    """Lifetime of a resting order without an expiry of its own."""
    size_ppm: int = 1_000_000
    """Factor of the model's sizes and of the cash, in millionths: for the capacity of a strategy."""
    latency: str = ""
    """Name of the latency profile, if it has one."""
    accounts: int = 1
    """Number of accounts that were added up: above 1 for markets that were traded separately."""


class EquityPoint(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The account at one moment. Exact: ``equity`` = ``cash`` + ``reserved`` + sale value of the positions."""

    at_us: int
    equity_micros: int | None
    """Null while a position has no known value: its book is stale or has no level (after a gap in the recording, until
    the next snapshot), or its market ended without an outcome. Size that the book has no buyers for counts as 0.
    """
    cash_micros: int
    reserved_micros: int
    """Cash reserved for open orders, their worst fees included."""
    exposure_micros: int
    """Cost of the open positions: the most that they can lose."""
    fees_micros: int
    """Fees paid so far."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order that the exchange accepted, with its outcome."""

    ticker: str
    order_id: str
    """The exchange's id."""
    client_order_id: str
    side: BookSide
    price_cc: int
    size_centi: int
    filled_centi: int
    status: OrderStatus
    last_update_reason: str | None
    decided_us: int
    """When it was decided and sent."""
    created_us: int
    """When it was executed at the exchange: after the latency."""
    ended_us: int | None
    """When it ended; null while it rests."""
    expires_us: int | None
    queue_ahead_centi: int | None = None
    """Displayed size at its price when it came to rest; null for one that never rested."""


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill of an order."""

    at_us: int
    ticker: str
    trade_id: str
    order_id: str
    side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int
    is_taker: bool
    basis: Basis
    mid_half_cc: int | None
    """Best bid + best ask at the fill, in half units of 1/10,000 dollar (``mid_half_cc`` / 2 is the mid price)."""
    mark_outs_half_cc: tuple[int | None, ...] = ()
    """Best bid + best ask after each of ``MARK_OUTS_S``; null where the book was not two-sided, or the data end."""


class MarketResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one market brought."""

    ticker: str
    event: str
    position_centi: int
    """The position at the end, before the settlement of an ended market: + YES, − NO."""
    cost_micros: int
    """Cost of a position that is still open."""
    realized_micros: int
    """Profit of closed pairs and of the payout, before fees."""
    unrealized_micros: int | None
    """Sale value less cost of an open position; null where it is not known."""
    fees_micros: int
    outcome_cc: int | None
    """Settlement value on the YES leg; null without a recorded outcome."""
    bought_centi: int
    """Contracts bought on either leg; a sale of YES is a purchase of NO."""
    turnover_micros: int
    """Their cost."""
    fills: int
    market_volume_centi: int
    """Size of all recorded trades."""


class Prediction(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One output of a model with ``yes_probability``, beside the market's own price."""

    at_us: int
    ticker: str
    probability_ppm: int
    mid_half_cc: int
    """Best bid + best ask, as in ``Fill.mid_half_cc``; / 20,000 is the market's probability."""
    outcome_cc: int | None
    """The market's recorded outcome; null if it has none in the data."""


class AccountResult(msgspec.Struct, frozen=True, kw_only=True):
    """The account's final values, as the summary of ``truebook run`` names them."""

    deposits_micros: int
    cash_micros: int
    reserved_micros: int
    position_cost_micros: int
    realized_micros: int
    unrealized_micros: int | None
    fees_micros: int
    equity_micros: int | None
    """Null where a position has no known value: see ``unvalued_markets``."""
    unvalued_markets: tuple[str, ...] = ()
    ledger_equals_exchange: bool = True
    """Whether cash and positions of the ledger and of the simulated exchange are equal to the micro-dollar."""


class PassResult(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over the data under one queue model. Lists are in the order of time."""

    queue: QueueModel
    account: AccountResult
    equity: tuple[EquityPoint, ...]
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    markets: tuple[MarketResult, ...]
    """Sorted by ticker; every market of the data, also those without an order."""
    refusals: dict[str, int]
    """Number of refused observations, decisions and targets by reason (``docs/reasons.md``); ``rejected`` are orders
    that the exchange refused."""
    outcomes: dict[str, int]
    """Number of order events by outcome: ``sent``, ``acknowledged``, ``rejected``, ``cancelled``, ``kept``, …"""
    observations: int
    decisions: int
    """Observations that the model decided, those without a target included."""
    targets: int
    """Quotes that the decisions contain."""
    predictions: tuple[Prediction, ...] = ()
    switches: tuple[Switch, ...] = ()
    """Changes of the model, in a backtest by the history of a registry; ``model`` of the result is the first one."""

    def summary(self) -> PassSummary:
        """Return the pass without its single orders, fills and predictions."""
        return PassSummary(
            queue=self.queue, account=self.account, equity=self.equity, markets=self.markets, refusals=self.refusals,
            orders=len(self.orders), orders_with_fill=sum(each.filled_centi > 0 for each in self.orders),
            size_centi=sum(each.size_centi for each in self.orders),
            filled_centi=sum(each.filled_centi for each in self.orders), fills=len(self.fills),
        )  # fmt: skip


class PassSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One pass of a variant: as ``PassResult``, with numbers of orders and fills in their place."""

    queue: QueueModel
    account: AccountResult
    equity: tuple[EquityPoint, ...]
    markets: tuple[MarketResult, ...]
    refusals: dict[str, int]
    orders: int
    orders_with_fill: int
    """At least in part."""
    size_centi: int
    """Of all orders."""
    filled_centi: int
    """Of all orders."""
    fills: int


class VariantResult(msgspec.Struct, frozen=True, kw_only=True):
    """The same data and model with other sizes or another latency."""

    settings: BacktestSettings
    passes: tuple[PassSummary, ...]


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result: the content of ``result.json``."""

    format: int = FORMAT
    data: DataInfo
    model: ModelInfo
    settings: BacktestSettings
    passes: tuple[PassResult, ...]
    """In the order pessimistic, realistic, optimistic, as far as they were requested."""
    variants: tuple[VariantResult, ...] = ()
    """Further passes of the same reading of the data."""
    partial: bool = False
    """Whether the run was interrupted."""
    seconds: float = 0.0
    """Duration of the run on the machine's clock; no part of what must be equal."""

    def of(self, queue: QueueModel) -> PassResult | None:
        """Return the pass under that queue model, if there is one."""
        return next((one for one in self.passes if one.queue is queue), None)


def write_result(folder: Path, result: BacktestResult) -> Path:
    """Write ``result.json`` atomically; raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULT
    write_atomically(path, msgspec.json.encode(result))
    return path


def read_result(path: Path) -> BacktestResult:
    """Read a result from its file or folder; raises ``UnreadableResult``."""
    file = path / RESULT if path.is_dir() else path
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UnreadableResult(f"{file}: {error.strerror}: give the folder that `truebook backtest` wrote") from error
    try:
        version = msgspec.json.decode(content, type=_Version).format
        if version != FORMAT:
            raise UnreadableResult(f"{file}: format {version} is not {FORMAT}: run the backtest again")
        return msgspec.json.decode(content, type=BacktestResult)
    except UNREADABLE as error:
        raise UnreadableResult(f"{file}: no result of a backtest: {error}") from error


class _Version(msgspec.Struct):
    format: int
