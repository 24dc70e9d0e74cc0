"""``status``, ``why``, ``halt`` and ``resume`` where every service is a process of its own.

No process knows the whole there, so the sources themselves are asked, within a window of time: the ledger for money and
holds, the exchange by signed REST for fills and for the comparison, Kafka's topics for what was observed, decided and
sent. What can't be known is null, never 0: the traders' seed, the model of each process, changes of books; and without
the exchange's key (``policy`` and ``observation`` have none), or its answer, all that only the exchange tells.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from truebook.bus.kafka_reading import count_since, read_topic
from truebook.clock import MICROS, ExchangeClock, SystemClock
from truebook.evidence.records import Snapshot
from truebook.kalshi.port import ExchangeError, RestClient
from truebook.kalshi.rest import HttpRestClient
from truebook.kalshi.signing import load_signer
from truebook.ledger.facts import OPENED
from truebook.ledger.port import LedgerStore, View
from truebook.ledger.reconcile import Difference, Kind
from truebook.ledger.redis_lease import RedisLease
from truebook.ledger.redis_store import RedisStore
from truebook.ledger.valuation import Levels
from truebook.messages.codec import DecodeError, decode
from truebook.messages.envelope import Message
from truebook.messages.fills import FillBooked
from truebook.messages.orderbook import BookDelta, PublicTrade
from truebook.messages.topics import ACTIONS, DEAD_LETTERS, FILLS, MARKETS, OBSERVATIONS, ORDERBOOK, ORDERS, Topic
from truebook.runtime.settings import TruebookSettings
from truebook_services.embedded.evidence import answer
from truebook_services.embedded.statistics import Statistics
from truebook_services.embedded.summary import account_figures, summarise
from truebook_services.operator.api import HOLD, HOLD_KEEPING_ORDERS, OWNER, CancelAll, release_for_operator
from truebook_services.operator.client import OperatorError
from truebook_services.reconciler.compare import read_both
from truebook_services.serving.settings import exchange_address, kafka_connection, redis_address

SENDER: Final = "execution"
"""Whose lease tells that somebody trades."""
CANCEL_WITHIN_S: Final = 10.0
DIFFERS_FOR_S: Final = 15.0
COMPARE_AGAIN_S: Final = 0.5
LEAST_ROUNDS: Final = 4
NOT_KNOWN: Final = ("seed", "model", "deltas", "public_trades", "stale_books")
OF_EXCHANGE: Final = ("fills", "fills_by_basis", "fills_by_side", "filled_markets", "settlements")
TRANSIENT: Final = frozenset({Kind.UNKNOWN_ORDER, Kind.FOREIGN_ORDER})
"""Orders on their way: no fault of the books while trading goes on."""

Read = Callable[[Topic, int], AsyncIterator[Message]]
"""A topic's messages since a time in microseconds, 0 for all."""


@dataclass(frozen=True)
class Sources:
    """What can be asked from here; ``rest`` is null where this process has no key for the exchange."""

    settings: TruebookSettings
    ledger: LedgerStore
    rest: RestClient | None
    clock: ExchangeClock

    async def read(self, topic: Topic, since_us: int) -> AsyncIterator[Message]:
        """The topic's messages since then; what can't be decoded lies in ``dead_letters`` already."""
        connection, partitions = kafka_connection(self.settings), self.settings.kafka_partitions
        async for record in read_topic(connection, topic, partitions, since_us=since_us):
            try:
                yield decode(topic, record.value)
            except DecodeError:
                continue

    async def take_time(self) -> RestClient | None:
        """Set the clock by the exchange's; answers the way there, null without a key or an answer."""
        if self.rest is not None:
            try:
                self.clock.observe(await self.rest.exchange_time_us())
            except ExchangeError:
                return None
        return self.rest

    async def cancel_all(self) -> None:
        """Cancel every order of the account, with a key; raises ``ExchangeError``."""
        assert self.rest is not None, "there is no key to cancel with"
        await self.take_time()
        await self.rest.cancel_all()


@asynccontextmanager
async def open_sources(settings: TruebookSettings) -> AsyncIterator[Sources]:
    """Connect to ledger and exchange while entered; raises what can't be reached or is refused, by name."""
    clock = ExchangeClock(SystemClock())
    async with AsyncExitStack() as stack:
        ledger = await RedisStore.connect(
            redis_address(settings), settings.account, password=settings.redis_password()
        )  # fmt: skip
        stack.push_async_callback(ledger.aclose)
        rest: RestClient | None = None
        if settings.key_file is not None and settings.key_file.exists():
            rest = HttpRestClient(
                f"{exchange_address(settings)}/trade-api/v2", load_signer(*settings.credentials()), clock
            )  # fmt: skip
            stack.push_async_callback(rest.aclose)
        yield Sources(settings, ledger, rest, clock)


async def status(settings: TruebookSettings, window_s: float) -> dict[str, Any]:
    """The summary of the last ``window_s`` seconds, or of the time since the account was opened if that is less."""
    async with open_sources(settings) as sources:
        rest = await sources.take_time()
        now_us = sources.clock.now_us()
        since_us = max(await sources.ledger.watermark(OPENED), now_us - int(window_s * MICROS))
        statistics, counts = await _count(sources, since_us)
        view = await sources.ledger.view()
        compared = None if rest is None else await lasting_differences(rest, sources.ledger)
        summary = summarise(
            statistics, view, compared, seconds=(now_us - since_us) / MICROS, seed=0, model="",
            market_data=str(settings.market_data),
        )  # fmt: skip
        return {
            **summary,
            **dict.fromkeys((*NOT_KNOWN, *OF_EXCHANGE)),
            "markets": len(statistics.chosen),
            "observations": counts[OBSERVATIONS.name],
            "actions": counts[ACTIONS.name],
            "dead_letters": counts[DEAD_LETTERS.name],
            **await _worth(view, rest),
            **({} if rest is None else await _booked(rest, since_us)),
            "at_us": now_us,
            "alive": await _somebody_sends(settings),
        }


async def why(settings: TruebookSettings, ticker: str | None, window_s: float) -> dict[str, Any]:
    """The funnel of the last ``window_s`` seconds and, for a ticker, what became of its last decisions."""
    async with open_sources(settings) as sources:
        await sources.take_time()
        now_us = sources.clock.now_us()
        told = await replay(sources.read, ticker, now_us - int(window_s * MICROS))
        account = (await sources.ledger.view(())).account
        funnel = told.evidence.funnel(sources.clock.now_us())
        market = told.evidence.market(ticker) if ticker is not None else None
        return {
            **answer(Snapshot(at_us=now_us, funnel=funnel, markets=()), market),
            "mode": account.mode,
            "holds": [f"{hold.name} ({hold.mode}, by {hold.owner})" for hold in account.holds],
            "alive": await _somebody_sends(settings),
        }


async def halt(settings: TruebookSettings, *, keep_orders: bool) -> dict[str, Any]:
    """Hold all trading, then cancel what rests; raises ``OperatorError`` where orders may still rest."""
    async with open_sources(settings) as sources:
        cancel_all = None if sources.rest is None else sources.cancel_all
        return await stop_trading(sources.ledger, cancel_all, keep_orders=keep_orders)


async def stop_trading(ledger: LedgerStore, cancel_all: CancelAll | None, *, keep_orders: bool) -> dict[str, Any]:
    """As the operator's API does it: hold first, so that nothing new is sent whatever becomes of the cancelling.

    ``cancel_all`` is null without the exchange's key: it is left to execution, which cancels under every such hold.
    """
    result = await ledger.hold(HOLD_KEEPING_ORDERS if keep_orders else HOLD, "halted", OWNER)
    if result != "held":
        raise OperatorError(f"the hold was not placed: {result}; see the holds in `truebook status`")
    if keep_orders:
        return {"result": result, "orders": "kept"}
    if cancel_all is None:
        return {"result": result, "orders": "left to execution: there is no key here to cancel with"}
    try:
        async with asyncio.timeout(CANCEL_WITHIN_S):
            await cancel_all()
    except (ExchangeError, TimeoutError) as error:
        told = str(error) or f"no answer within {CANCEL_WITHIN_S} s"
        raise OperatorError(
            f"not all orders are cancelled: {told}; the hold stands, but orders may rest: repeat the halt"
        ) from error
    return {"result": result, "orders": "cancelled"}


async def resume(settings: TruebookSettings, hold: str | None) -> dict[str, Any]:
    """Release the operator's holds, or the named one that the ledger placed."""
    async with open_sources(settings) as sources:
        return {"result": await release_for_operator(sources.ledger, hold)}


async def lasting_differences(
    rest: RestClient, ledger: LedgerStore, within_s: float = DIFFERS_FOR_S, again_s: float = COMPARE_AGAIN_S
) -> tuple[Difference, ...]:
    """What differs each time that both are read, for so long. While orders fly the two are never read at one moment,
    and a fill is at the exchange before it is in the ledger: what is gone the next time is no difference."""
    loop = asyncio.get_running_loop()
    deadline, rounds = loop.time() + within_s, 0
    lasting: dict[tuple[str, int], Difference] = {}
    while rounds < LEAST_ROUNDS or loop.time() < deadline:
        found = {
            (each.what, each.amount): each
            for each in (await read_both(rest, ledger, attempts=1)).differences()
            if each.kind not in TRANSIENT
        }
        lasting = {key: each for key, each in found.items() if rounds == 0 or key in lasting}
        rounds += 1
        if not lasting:
            break
        await asyncio.sleep(again_s)
    return tuple(lasting.values())


async def replay(read: Read, ticker: str | None, since_us: int) -> Statistics:
    """Go through what the topics keep since then; a book counts from its first snapshot on.

    Topic after topic, since most of it is only counted; the messages of ``ticker`` are taken in the order of time, so
    that each decision meets its observation, its orders and its fills. A fill counts once, whoever has booked it: the
    fill listener tells of those that the reconciler had found first, and of some again after a restart.
    """
    statistics = Statistics()
    own: list[Message] = []
    told: set[str] = set()
    for topic in (MARKETS, ORDERBOOK, OBSERVATIONS, ACTIONS, ORDERS, FILLS):
        async for message in read(topic, 0 if topic is MARKETS else since_us):
            if isinstance(message, FillBooked):
                if message.id in told or (message.exchange_us or 0) < since_us:
                    continue
                told.add(message.id)
                if message.answer == "duplicate":
                    message = msgspec.structs.replace(message, answer="applied")
            if message.ticker == ticker:
                own.append(message)
            elif not isinstance(message, BookDelta | PublicTrade) or message.ticker in statistics.books:
                statistics.count(message)
    for message in sorted(own, key=lambda each: each.produced_us):
        statistics.count(message)
    return statistics


async def _count(sources: Sources, since_us: int) -> tuple[Statistics, dict[str, int]]:
    """What the topics tell of orders and markets, and how many records the others got since then."""
    statistics = Statistics()
    for topic, from_us in ((MARKETS, 0), (ORDERS, since_us)):
        async for message in sources.read(topic, from_us):
            statistics.count(message)
    settings = sources.settings
    return statistics, await count_since(
        kafka_connection(settings), (OBSERVATIONS, ACTIONS, DEAD_LETTERS), settings.kafka_partitions, since_us
    )


async def _booked(rest: RestClient, since_us: int) -> dict[str, Any]:
    """Fills and settlements since then, in the exchange's own words."""
    fills = [fill for fill in await rest.fills(min_us=since_us) if fill.created_us >= since_us]
    settlements = [each for each in await rest.settlements(min_us=since_us) if each.settled_us >= since_us]
    return {
        "fills": len(fills),
        "fills_by_basis": dict(sorted(Counter(fill.basis or "untold" for fill in fills).items())),
        "fills_by_side": dict(sorted(Counter(str(fill.book_side) for fill in fills).items())),
        "filled_markets": len({fill.ticker for fill in fills}),
        "settlements": len(settlements),
    }


async def _worth(view: View, rest: RestClient | None) -> dict[str, Any]:
    """The ledger's figures, with positions valued by the exchange's books of now; null where they can't be read."""
    held = [market.ticker for market in view.markets if market.position_centi and market.settlement_cc is None]
    books: dict[str, tuple[Levels, Levels]] | None = None
    if rest is not None:
        books = await _books(rest, held)
    figures = account_figures(view, books or {})
    if held and books is None:
        figures |= dict.fromkeys(("unrealised_micros", "unsaleable_centi", "equity_micros"))
    return figures


async def _books(rest: RestClient, tickers: Sequence[str]) -> dict[str, tuple[Levels, Levels]] | None:
    """The books of these markets; null where the exchange does not give one of them."""
    books: dict[str, tuple[Levels, Levels]] = {}
    for ticker in tickers:
        try:
            book = await rest.book(ticker)
        except ExchangeError:
            return None
        books[ticker] = (book.bids, book.asks)
    return books


async def _somebody_sends(settings: TruebookSettings) -> bool:
    """Whether an execution holds the lease: without one nothing is sent."""
    lease = RedisLease(
        redis_address(settings), settings.account, name=SENDER, owner="", lasts_s=0, password=settings.redis_password()
    )  # fmt: skip
    try:
        return await lease.is_held()
    finally:
        await lease.aclose()
