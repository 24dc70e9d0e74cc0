"""The operator's port where every service is a process of its own, over Kafka.

No process has everything there, so the sources are read within a window of time: the ledger for money and holds, the
exchange's signed REST for fills and for the comparison, Kafka's topics for what was observed, decided and sent. Values
that can't be known are null, never 0: the seed, counts of book changes; and without an
exchange key (``policy`` and ``observation`` have none) or a response, all values that only the exchange has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import msgspec

from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.reading import count_since, read_topic
from truebook.clock import MICROS, ExchangeClock, SystemClock
from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.exchange_reports import OPENED
from truebook.ledger.port import LedgerStore, LedgerView
from truebook.ledger.redis.lease import RedisLease
from truebook.ledger.trading_holds import FLATTEN
from truebook.ledger.valuation import Levels
from truebook.messages.actions import Action
from truebook.messages.codec import DecodeError, decode
from truebook.messages.envelope import Message, Source
from truebook.messages.fills import FillRecorded, ReportOutcome
from truebook.messages.market_metadata import BEFORE_CLOSE
from truebook.messages.orderbook import BookDelta, PublicTrade
from truebook.messages.refusals import DecisionsCounted
from truebook.messages.topics import (
    ACTIONS,
    DEAD_LETTERS,
    FILLS,
    MARKETS,
    OBSERVATIONS,
    ORDERBOOK,
    ORDERS,
    REFUSALS,
    Topic,
)  # fmt: skip
from truebook.runtime.settings import TruebookSettings
from truebook_services.operator.differences import lasting_differences
from truebook_services.operator.exchange import exchange_client, responding
from truebook_services.operator.flatten import ActionSender
from truebook_services.operator.holds import halt_trading, resume_trading
from truebook_services.operator.model_failures import described, model_stopped, read_pointer
from truebook_services.operator.model_requests import Models
from truebook_services.operator.perform import Sources, operator_context, perform
from truebook_services.operator.port import WINDOW_S, HaltResult, Operator, ResumeResult, Status, Why
from truebook_services.operator.requests import Request, ResultT
from truebook_services.operator.statements import Statements
from truebook_services.operator.statistics import Statistics
from truebook_services.operator.status import RunInfo, status_of, why_of
from truebook_services.serving.ledger import connect_ledger
from truebook_services.serving.settings import kafka_connection, redis_address

SENDER: Final = "execution"
"""The service whose lease shows that orders are being sent."""
NOT_KNOWN: Final = ("seed", "deltas", "public_trades", "stale_books", "skipped_messages", "decisions")
MODEL_WINDOW_US: Final = 5 * MICROS
"""The newest decisions, whose model is the one in use."""
OF_EXCHANGE: Final = ("fills", "fills_by_basis", "fills_by_side", "filled_markets", "settlements")

Read = Callable[[Topic, int], AsyncIterator[Message]]
"""Reads a topic's messages since a time in microseconds, 0 for all."""


class ClusterOperator(Operator):
    """Reads ledger, exchange and topics; ``rest`` is None where this process has no exchange key."""

    def __init__(
        self, settings: TruebookSettings, ledger: LedgerStore, rest: RestClient | None, clock: ExchangeClock
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._rest = rest
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: TruebookSettings) -> AsyncIterator[ClusterOperator]:
        """Connect to ledger and exchange while entered; raises what can't be reached or is refused."""
        clock = ExchangeClock(SystemClock())
        async with AsyncExitStack() as stack:
            ledger = await connect_ledger(settings, stack)
            ledger.now_us = clock.now_us
            rest = await stack.enter_async_context(exchange_client(settings, clock))
            yield cls(settings, ledger, rest, clock)

    async def status(self, window_s: float = WINDOW_S) -> Status:
        """Report the last ``window_s`` seconds, or the time since the account was opened if that is shorter."""
        rest = await self._set_clock()
        now_us = self._clock.now_us()
        since_us = max(await self._ledger.watermark(OPENED), now_us - int(window_s * MICROS))
        statistics, counts = await self._count(since_us)
        view = await self._ledger.view()
        compared = None if rest is None else await lasting_differences(rest, self._ledger)
        decided = [each async for each in decisions(self._read, now_us - MODEL_WINDOW_US)]
        pointer = read_pointer(self._settings.models_path)
        info = RunInfo(
            seconds=round((now_us - since_us) / MICROS, 1), at_us=now_us, market_data=str(self._settings.market_data),
            model=model_in_use(decided), model_stopped=model_stopped(decided, pointer),
            model_rolled_back=described(None if pointer is None else pointer.rolled_back),
        )  # fmt: skip
        books = None if rest is None else await _books(rest, view)
        changes: dict[str, Any] = dict.fromkeys((*NOT_KNOWN, *OF_EXCHANGE))
        if rest is not None:
            changes |= await _exchange_counts(rest, since_us)
        return msgspec.structs.replace(
            status_of(statistics, view, books, compared, info),
            **changes,
            markets=len(statistics.selected),
            observations=counts[OBSERVATIONS.name],
            actions=counts[ACTIONS.name],
            dead_letters=counts[DEAD_LETTERS.name],
            alive=await self._is_sending(),
        )

    async def why(self, ticker: str | None = None, window_s: float = WINDOW_S) -> Why:
        await self._set_clock()
        statistics = await replay(self._read, ticker, self._clock.now_us() - int(window_s * MICROS))
        account = (await self._ledger.view(())).account
        why = why_of(statistics.evidence, ticker, self._clock.now_us(), account)
        return msgspec.structs.replace(why, alive=await self._is_sending())

    async def halt(self, *, keep_orders: bool = False) -> HaltResult:
        return await halt_trading(
            self._ledger, None if self._rest is None else self._cancel_all, keep_orders=keep_orders
        )  # fmt: skip

    async def resume(self, hold: str | None = None) -> ResumeResult:
        return await resume_trading(self._ledger, hold)

    async def perform(self, request: Request[ResultT]) -> ResultT:
        rest = await self._set_clock()
        context = operator_context(self._settings, self._clock)
        return await perform(
            request,
            Sources(
                ledger=self._ledger, rest=rest, read_books=self._read_books, sender=self._sender(),
                context=context, models=Models.of(self._settings),
                statements=Statements.of_topic(self._settings, context),
            ),
        )  # fmt: skip

    def _sender(self) -> ActionSender:
        async def publish(records: Sequence[tuple[str, bytes]]) -> None:
            bus = await KafkaBus.connect(kafka_connection(self._settings))
            try:
                await bus.publish_many(ACTIONS, records)
            finally:
                await bus.aclose()

        settings = self._settings
        return ActionSender(
            account=settings.account, strategy=settings.strategy, source=Source(settings.market_data),
            now_us=self._clock.now_us, publish=publish,
        )  # fmt: skip

    async def _read_books(self, view: LedgerView) -> dict[str, tuple[Levels, Levels]] | None:
        return None if self._rest is None else await _books(self._rest, view)

    async def _read(self, topic: Topic, since_us: int) -> AsyncIterator[Message]:
        """Read a topic's messages since then; skips unreadable ones, which are in ``dead_letters``."""
        connection, partitions = kafka_connection(self._settings), self._settings.kafka_partitions
        async for record in read_topic(connection, topic, partitions, since_us=since_us):
            try:
                yield decode(topic, record.value)
            except DecodeError:
                continue

    async def _count(self, since_us: int) -> tuple[Statistics, dict[str, int]]:
        """Read markets and orders, and count the records of the topics that need not be read."""
        statistics = Statistics()
        for topic, from_us in ((MARKETS, 0), (ORDERS, since_us)):
            async for message in self._read(topic, from_us):
                statistics.count(message)
        connection, partitions = kafka_connection(self._settings), self._settings.kafka_partitions
        return statistics, await count_since(connection, (OBSERVATIONS, ACTIONS, DEAD_LETTERS), partitions, since_us)

    async def _set_clock(self) -> RestClient | None:
        """Set the clock by the exchange's; returns the REST client, None without a key or a response."""
        return await responding(self._rest, self._clock)

    async def _cancel_all(self) -> None:
        assert self._rest is not None, "no key to cancel with"
        await self._set_clock()
        await self._rest.cancel_all()

    async def _is_sending(self) -> bool:
        """Whether an ``execution`` has the lease: without one nothing is sent."""
        lease = RedisLease(
            redis_address(self._settings), self._settings.account, name=SENDER, owner="", lasts_s=0,
            password=self._settings.redis_password(),
        )  # fmt: skip
        try:
            return await lease.is_held()
        finally:
            await lease.aclose()


async def decisions(read: Read, since_us: int) -> AsyncIterator[Action | DecisionsCounted]:
    """Iterate over policy's decisions since then: the published ones, and the counted ones that change nothing."""
    async for action in read(ACTIONS, since_us):
        if isinstance(action, Action) and action.model != FLATTEN.name:
            yield action
    async for counted in read(REFUSALS, since_us):
        if isinstance(counted, DecisionsCounted):
            yield counted


def model_in_use(decided: Sequence[Action | DecisionsCounted]) -> str | None:
    """Return the model of all of these decisions; None without any, or while processes use several."""
    models = {each.model for each in decided}
    return models.pop() if len(models) == 1 else None


async def replay(read: Read, ticker: str | None, since_us: int) -> Statistics:
    """Count what the topics keep since then; a book counts from its first snapshot on.

    Topics are read one after the other, since most messages are only counted. Those of ``ticker`` are counted in the
    order of time, so that each decision finds its observation, its orders and its fills. A fill counts once: the fill
    listener publishes those that the reconciler had recorded as duplicates, and some again after a restart.
    """
    statistics = Statistics()
    own: list[Message] = []
    fill_ids: set[str] = set()
    for topic in (MARKETS, ORDERBOOK, OBSERVATIONS, REFUSALS, ACTIONS, ORDERS, FILLS):
        async for message in read(topic, 0 if topic is MARKETS else since_us):
            if isinstance(message, FillRecorded):
                if message.id in fill_ids or (message.exchange_us or 0) < since_us:
                    continue
                fill_ids.add(message.id)
                if message.outcome is ReportOutcome.DUPLICATE:
                    message = msgspec.structs.replace(message, outcome=ReportOutcome.APPLIED)
            if message.ticker == ticker:
                own.append(message)
            elif not isinstance(message, BookDelta | PublicTrade) or message.ticker in statistics.books:
                statistics.count(message)
    for message in sorted(own, key=lambda each: each.produced_us):
        statistics.count(message)
    return statistics


async def _exchange_counts(rest: RestClient, since_us: int) -> dict[str, Any]:
    """Count the exchange's own fills and settlements since then."""
    fills = [fill for fill in await rest.fills(min_us=since_us) if fill.created_us >= since_us]
    settlements = [each for each in await rest.settlements(min_us=since_us) if each.settled_us >= since_us]
    return {
        "fills": len(fills),
        "fills_by_basis": dict(sorted(Counter(fill.basis or "unknown" for fill in fills).items())),
        "fills_by_side": dict(sorted(Counter(str(fill.book_side) for fill in fills).items())),
        "filled_markets": len({fill.ticker for fill in fills}),
        "settlements": len(settlements),
    }


async def _books(rest: RestClient, view: LedgerView) -> dict[str, tuple[Levels, Levels]] | None:
    """Read the exchange's books of the unclosed markets with a position; None where one can't be read."""
    held: Sequence[str] = [m.ticker for m in view.markets if m.position_centi and m.settlement_cc is None]
    books: dict[str, tuple[Levels, Levels]] = {}
    try:
        for market in await rest.markets(tickers=held) if held else ():
            if market.status in BEFORE_CLOSE:
                book = await rest.book(market.ticker)
                books[market.ticker] = (book.bids, book.asks)
    except ExchangeError:
        return None
    return books
