"""The rule of each request, on the sources that a backend has: the one implementation that all backends share."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from truebook.bus.memory.bus import MemoryBus
from truebook.clock import Clock
from truebook.kalshi.port import NotFound, RestClient
from truebook.ledger.outcomes import SetLimitsOutcome
from truebook.ledger.port import LedgerStore, LedgerView, MarketView
from truebook.ledger.valuation import Books, account_values, held_markets, position_cost, realized_profit, sale_value
from truebook.ledger.verbs import LIMIT_NAMES, SettleFill
from truebook.messages.envelope import Source
from truebook.messages.fills import ReportOutcome
from truebook.runtime.context import Context
from truebook.runtime.logs import logger
from truebook.runtime.metrics import Metrics
from truebook.runtime.settings import TruebookSettings
from truebook.statement.records import Statement
from truebook_services.operator.differences import lasting_differences
from truebook_services.operator.flatten import ActionSender, flatten
from truebook_services.operator.model_requests import Models
from truebook_services.operator.port import RequestRefused
from truebook_services.operator.requests import (
    MAX_FILLS,
    ActivateModel,
    ChangeLimits,
    FillList,
    Flatten,
    FlattenReport,
    LimitsReport,
    ListedModel,
    ListFills,
    ListModels,
    ListOrders,
    ListPositions,
    ModelList,
    OrderList,
    Pnl,
    PositionList,
    PositionValues,
    Rebind,
    RebindReport,
    Reconcile,
    ReconcileReport,
    RecordedFill,
    Request,
    ResultT,
    RollBackModel,
    ShowPnl,
    ShowStatement,
    Transfer,
    TransferReport,
)
from truebook_services.operator.statements import Statements, show_statement
from truebook_services.operator.transfer import rebind, transfer
from truebook_services.reconciler.round import repair

JOURNAL_PAGE: Final = 1_000
KNOWN_MARKETS: Final = "`truebook pnl` lists the markets that were traded"
NO_EXCHANGE: Final = "set TRUEBOOK_EXCHANGE_URL, TRUEBOOK_KEY_ID and TRUEBOOK_KEY_FILE, or run it where a system runs"


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a backend has; ``rest`` is None without a running exchange or a key."""

    ledger: LedgerStore
    rest: RestClient | None
    read_books: Callable[[LedgerView], Awaitable[Books | None]]
    """Returns the books that value positions; None where they can't be read."""
    sender: ActionSender | None
    """None where nothing runs that sends orders."""
    context: Context
    models: Models
    statements: Statements | None = None
    """None where nothing keeps a journal."""


def operator_context(settings: TruebookSettings, clock: Clock) -> Context:
    """Return what an operator's process passes to the reconciler's code: nothing is published or exported."""
    return Context(
        service="operator", account=settings.account, strategy=settings.strategy, source=Source(settings.market_data),
        clock=clock, bus=MemoryBus(), metrics=Metrics("operator"), log=logger("operator"),
    )  # fmt: skip


async def perform(request: Request[ResultT], sources: Sources) -> ResultT:
    """Handle one request; raises ``OperatorError`` and what the sources raise."""
    handler: Callable[[Any, Sources], Awaitable[Any]] = _HANDLERS[type(request)]
    result: ResultT = await handler(request, sources)
    return result


async def _change_limits(request: ChangeLimits, sources: Sources) -> LimitsReport:
    """Change limits; those changed here are the operator's from then on, also where the settings had set them."""
    limits = (await sources.ledger.view(())).account.limits
    unknown = sorted(set(request.changes) - set(LIMIT_NAMES))
    if unknown:
        raise RequestRefused(f"no such limit: {', '.join(unknown)}", f"known: {', '.join(LIMIT_NAMES)}")
    if request.changes:
        from_settings = tuple(name for name in limits.from_settings if name not in request.changes)
        limits = msgspec.structs.replace(limits, **request.changes, from_settings=from_settings)
        if await sources.ledger.apply(limits) is not SetLimitsOutcome.SET:
            raise RequestRefused("a limit is out of range; nothing was changed", "limits are 0 or more")
    account = (await sources.ledger.view(())).account
    return LimitsReport(limits=account.limits, marks=account.marks)


async def _transfer(request: Transfer, sources: Sources) -> TransferReport:
    return await transfer(request, sources.ledger, _exchange(sources, "the exchange's balance can't be changed"))


async def _rebind(request: Rebind, sources: Sources) -> RebindReport:
    return await rebind(request, sources.ledger, _exchange(sources, "the exchange's identity can't be read"))


def _exchange(sources: Sources, problem: str) -> RestClient:
    if sources.rest is None:
        raise RequestRefused(f"{problem} from here", NO_EXCHANGE)
    return sources.rest


async def _list_orders(request: ListOrders, sources: Sources) -> OrderList:
    view = await _view(sources, request.ticker)
    return OrderList(orders=tuple(order for market in view.markets for order in market.orders))


async def _list_fills(request: ListFills, sources: Sources) -> FillList:
    if not 0 < request.limit <= MAX_FILLS:
        raise RequestRefused(f"at most {MAX_FILLS} fills at once", "request fewer")
    found: deque[RecordedFill] = deque(maxlen=request.limit)
    first_seq, after_seq, count = 0, 0, 0
    while entries := await sources.ledger.journal(after_seq, JOURNAL_PAGE):
        first_seq, after_seq = first_seq or entries[0].seq, entries[-1].seq
        for entry in entries:
            if entry.verb != SettleFill.VERB:
                continue
            fill, outcome = msgspec.json.decode(entry.arguments, type=SettleFill), ReportOutcome(entry.result)
            if request.ticker in (None, fill.ticker):
                count += 1
                found.append(_recorded(entry.seq, fill, outcome))
    if request.ticker is not None and not found:
        await _view(sources, request.ticker)
    is_complete = first_seq <= 1 and count <= request.limit
    return FillList(fills=tuple(reversed(found)), is_complete=is_complete)


def _recorded(seq: int, fill: SettleFill, outcome: ReportOutcome) -> RecordedFill:
    return RecordedFill(
        ledger_seq=seq, trade_id=fill.trade_id, exchange_order_id=fill.order_id, ticker=fill.ticker,
        book_side=fill.book_side, price_cc=fill.price_cc, size_centi=fill.size_centi, fee_micros=fill.fee_micros,
        outcome=outcome, exchange_us=fill.exchange_us or None,
    )  # fmt: skip


async def _list_positions(request: ListPositions, sources: Sources) -> PositionList:
    view = await _view(sources, request.ticker)
    books = await sources.read_books(view)
    return PositionList(positions=tuple(_values(market, books) for market in held_markets(view).values()))


async def _show_pnl(_: ShowPnl, sources: Sources) -> Pnl:
    view = await sources.ledger.view()
    books = await sources.read_books(view)
    markets = [
        market for market in view.markets if market.yes_bought_centi or market.no_bought_centi or market.pruned_markets
    ]
    return Pnl(account=account_values(view, books), markets=tuple(_values(market, books) for market in markets))


async def _show_statement(request: ShowStatement, sources: Sources) -> Statement:
    async def read_books() -> Books | None:
        return await sources.read_books(await sources.ledger.view())

    return await show_statement(request, sources.statements, sources.context.clock.now_us(), read_books)


async def _reconcile(_: Reconcile, sources: Sources) -> ReconcileReport:
    rest = _exchange(sources, "ledger and exchange can't be compared")
    if not (await sources.ledger.view(())).account.opened:
        raise RequestRefused("the account is not opened yet", "start the system: the reconciler opens it")
    recorded = await repair(sources.context, rest, sources.ledger)
    found = await lasting_differences(rest, sources.ledger)
    view = await sources.ledger.view()
    return ReconcileReport(
        equal=not found, differences=tuple(str(each) for each in found), ledger_seq=view.account.ledger_seq,
        recorded=recorded, errors_of_totals=view.errors_of_totals,
    )  # fmt: skip


async def _flatten(request: Flatten, sources: Sources) -> FlattenReport:
    if sources.rest is None or sources.sender is None:
        raise RequestRefused("no order can be sent from here", NO_EXCHANGE)
    for ticker in request.tickers:
        await _view(sources, ticker)
    return await flatten(request, sources.ledger, sources.rest, sources.read_books, sources.sender)


async def _list_models(_: ListModels, sources: Sources) -> ModelList:
    return await sources.models.list()


async def _activate_model(request: ActivateModel, sources: Sources) -> ListedModel:
    return await sources.models.activate(request)


async def _roll_back_model(request: RollBackModel, sources: Sources) -> ListedModel:
    return await sources.models.roll_back(request)


async def _view(sources: Sources, ticker: str | None) -> LedgerView:
    """Read the whole ledger or one market; raises ``RequestRefused`` for a market that does not exist.

    A market that the ledger lacks exists if the exchange lists it or, while nothing runs, if the last run had its book.
    """
    view = await sources.ledger.view(None if ticker is None else (ticker,))
    if ticker is None or view.markets:
        return view
    if sources.rest is not None:
        try:
            await sources.rest.market(ticker)
        except NotFound:
            raise RequestRefused(f"no market {ticker}: the exchange does not list it", KNOWN_MARKETS) from None
        return view
    books = await sources.read_books(view)
    if books is not None and ticker not in books:
        raise RequestRefused(f"no market {ticker} in the ledger or in the last run", KNOWN_MARKETS)
    return view


def _values(market: MarketView, books: Books | None) -> PositionValues:
    cost, is_open = position_cost(market), market.settlement_cc is None and market.position_centi != 0
    book = (books or {}).get(market.ticker)
    sale, unsaleable = sale_value(market.position_centi, *book) if is_open and book is not None else (0, 0)
    is_valued = book is not None or not is_open
    return PositionValues(
        ticker=market.ticker, event=market.event, position_centi=market.position_centi if is_open else 0,
        cost_micros=cost, realized_micros=realized_profit(market), fees_micros=market.fees_micros,
        unrealized_micros=sale - cost if is_valued else None, unsaleable_centi=unsaleable if is_valued else None,
        settlement_cc=market.settlement_cc,
    )  # fmt: skip


_HANDLERS: Final[Mapping[type[Request[Any]], Callable[[Any, Sources], Awaitable[Any]]]] = {
    ChangeLimits: _change_limits,
    Transfer: _transfer,
    Rebind: _rebind,
    ListOrders: _list_orders,
    ListFills: _list_fills,
    ListPositions: _list_positions,
    ShowPnl: _show_pnl,
    ShowStatement: _show_statement,
    Reconcile: _reconcile,
    Flatten: _flatten,
    ListModels: _list_models,
    ActivateModel: _activate_model,
    RollBackModel: _roll_back_model,
}
