"""The ledger in Redis or Valkey: each verb is one Lua script, so that it happens whole or not at all.

This module passes a verb's arguments on and reads the answer; what the verbs do stands in ``lua/`` and, as their
specification, in ``rules_*.py``. Views are made by the same functions as those of the rules, from the same records.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from redis.asyncio import Redis

from truebook.ledger import rules_view
from truebook.ledger.keys import SCHEMA, LedgerKeys
from truebook.ledger.port import (
    Acknowledge,
    AdoptedPosition,
    Close,
    JournalEnd,
    JournalEntry,
    LedgerStore,
    Limits,
    OrderView,
    Reserve,
    RestorableStore,
    SettleFill,
    StoreCorrupt,
    View,
)
from truebook.ledger.redis_connection import connection_pool, one_connection
from truebook.ledger.redis_errors import translating
from truebook.ledger.redis_line import Line
from truebook.ledger.redis_records import account_of, fills_of, market_of, order_of
from truebook.ledger.scripts import SCRIPT_NAMES, source
from truebook.ledger.verbs import (
    VERB_OF,
    Adjust,
    AdvanceWatermark,
    Arguments,
    Forget,
    Hold,
    MarkUnknown,
    NextNumber,
    OpenAccount,
    RaiseEpoch,
    Release,
    SettleMarket,
)
from truebook.messages.ids import is_ours

Argument = str | int


class RedisStore(RestorableStore):
    """One account in a Redis or Valkey server. Make it by ``connect``."""

    def __init__(self, client: Redis, account: str, *, restorer: str = "") -> None:
        self._client = client
        self._account = account
        self._restorer = restorer
        self._restoring: RedisStore | None = None
        self._line = Line(client, once=bool(restorer))
        self.keys = LedgerKeys(account)
        self._scripts = {name: client.register_script(source(name, restorer)) for name in SCRIPT_NAMES}
        self.incarnation = ""
        """The name of this history; a server that lost its data begins another one."""

    @classmethod
    async def connect(cls, url: str, account: str, *, password: str | None = None) -> RedisStore:
        """Connect to ``redis://``, ``rediss://`` or ``unix://``; an empty server begins a new history.

        Raises StoreUnavailable where it can't be reached, StoreCorrupt where another schema is stored, LedgerError
        where the server refuses the user.
        """
        store = cls(Redis.from_pool(connection_pool(url, password)), account)
        try:
            await store._begin()
        except BaseException:
            await store.aclose()
            raise
        return store

    async def _begin(self) -> None:
        schema, incarnation = await self._run("begin", "", "", SCHEMA, uuid.uuid4().hex)
        if schema.decode() != SCHEMA:
            raise StoreCorrupt(
                f"the ledger at {self.keys.prefix}* is of schema {schema.decode()}, this program knows {SCHEMA}: "
                "run the version that wrote it, or begin a new account"
            )
        self.incarnation = incarnation.decode()

    async def _run(self, script: str, exchange_order_id: str, *arguments: Argument | bytes) -> Any:
        (reply,) = await self._run_all((script, exchange_order_id, *arguments))
        return reply

    async def _run_all(self, *calls: tuple[Any, ...]) -> list[Any]:
        """Run scripts on one journey, each as (script, exchange_order_id, *arguments); others may run in between."""
        with translating():
            return await self._line.call(*[
                (self._scripts[script], self.keys.for_script(exchange_order_id), arguments)
                for script, exchange_order_id, *arguments in calls
            ])  # fmt: skip

    async def _verb(self, verb: Arguments, *arguments: Argument, exchange_order_id: str = "") -> str:
        """Run a verb's script: its arguments as JSON for the journal, then one by one."""
        reply = await self._run(VERB_OF[type(verb)], exchange_order_id, msgspec.json.encode(verb), *arguments)
        answer: str = reply.decode()
        return answer

    async def open_account(self, balance_micros: int, positions: tuple[AdoptedPosition, ...]) -> str:
        flat: list[Argument] = []
        for adopted in positions:
            flat += adopted.ticker, adopted.event, adopted.position_centi, adopted.cost_micros
        return await self._verb(OpenAccount(balance_micros=balance_micros, positions=positions), balance_micros, *flat)

    async def reserve(self, order: Reserve) -> str:
        return await self._verb(
            order,
            order.order_id,
            order.nonce,
            order.ticker,
            order.event,
            int(order.exclusive),
            order.book_side,
            order.price_cc,
            order.size_centi,
            int(order.reduce_only),
            order.fee_rate_ppm,
            order.deadline_us,
            order.now_us,
            order.partition,
            order.epoch,
            "" if order.reference_cc is None else order.reference_cc,
            order.send_by_us,
            order.expires_us,
        )

    async def acknowledge(self, news: Acknowledge) -> str:
        return await self._verb(
            news,
            news.order_id,
            news.exchange_order_id,
            news.ticker,
            news.filled_centi,
            news.remaining_centi,
            int(is_ours(news.order_id)),
            exchange_order_id=news.exchange_order_id,
        )

    async def settle_fill(self, fill: SettleFill) -> str:
        return await self._verb(
            fill,
            fill.trade_id,
            fill.order_id,
            fill.ticker,
            fill.book_side,
            fill.price_cc,
            fill.size_centi,
            fill.fee_micros,
            exchange_order_id=fill.order_id,
        )

    async def close(self, news: Close) -> str:
        exchange_order_id = news.exchange_order_id or ""
        return await self._verb(
            news, news.order_id, exchange_order_id, news.filled_centi, exchange_order_id=exchange_order_id
        )

    async def mark_unknown(self, order_id: str) -> str:
        return await self._verb(MarkUnknown(order_id=order_id), order_id)

    async def settle_market(self, ticker: str, settlement_cc: int) -> str:
        return await self._verb(SettleMarket(ticker=ticker, settlement_cc=settlement_cc), ticker, settlement_cc)

    async def adjust(self, adjust_id: str, amount_micros: int, kind: str, reason: str) -> str:
        news = Adjust(adjust_id=adjust_id, amount_micros=amount_micros, kind=kind, reason=reason)
        return await self._verb(news, adjust_id, amount_micros, kind)

    async def hold(self, name: str, mode: str, owner: str) -> str:
        return await self._verb(Hold(name=name, mode=mode, owner=owner), name, mode, owner)

    async def release(self, name: str, owner: str) -> str:
        return await self._verb(Release(name=name, owner=owner), name, owner)

    async def set_limits(self, limits: Limits) -> str:
        flat: list[Argument] = []
        for name, value in msgspec.structs.asdict(limits).items():
            if value is not None:
                flat += name, value
        return await self._verb(limits, *flat)

    async def raise_epoch(self, partition: int, epoch: int) -> str:
        return await self._verb(RaiseEpoch(partition=partition, epoch=epoch), partition, epoch)

    async def next_number(self, name: str) -> int:
        return int(await self._verb(NextNumber(name=name), name))

    async def view(self, tickers: tuple[str, ...] | None = None) -> View:
        if tickers is None:
            return _view(await self._run("view", "", "", "all"))
        return _view(await self._run("view", "", "", "named", *dict.fromkeys(tickers)))

    async def look(self, order_ids: tuple[str, ...], ticker: str) -> tuple[tuple[OrderView | None, ...], View]:
        *orders, view = await self._run_all(
            *(("order", "", "", "client", order_id) for order_id in order_ids), ("view", "", "", "named", ticker)
        )
        return tuple(map(_order_view, orders)), _view(view)

    async def order(self, order_id: str) -> OrderView | None:
        return await self._look_up("client", order_id)

    async def order_of_exchange_id(self, exchange_order_id: str) -> OrderView | None:
        return await self._look_up("exchange", exchange_order_id)

    async def _look_up(self, kind: str, its_id: str) -> OrderView | None:
        return _order_view(await self._run("order", "", "", kind, its_id))

    async def parked_fills(self) -> tuple[SettleFill, ...]:
        return fills_of(await self._run("parked_fills", "", ""))

    async def journal(self, after_seq: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        with translating():
            entries: Any = await self._client.xrange(self.keys["journal"], min=f"{after_seq + 1}-0", count=limit)
        return tuple(
            JournalEntry(
                seq=int(entry_id.partition(b"-")[0]),
                incarnation=self.incarnation,
                verb=fields[b"verb"].decode(),
                arguments=msgspec.Raw(fields[b"arguments"]),
                result=fields[b"result"].decode(),
            )
            for entry_id, fields in entries
        )

    async def trim_journal(self, through_seq: int) -> int:
        with translating():
            return int(await self._client.xtrim(self.keys["journal"], minid=f"{through_seq + 1}-0", approximate=False))

    async def watermark(self, name: str) -> int:
        with translating():
            return int(await self._client.hget(self.keys["watermarks"], name) or 0)

    async def advance_watermark(self, name: str, to_us: int) -> int:
        return int(await self._verb(AdvanceWatermark(name=name, to_us=to_us), name, to_us))

    async def forget(self, terminal_before_us: int) -> int:
        return int(await self._verb(Forget(terminal_before_us=terminal_before_us), terminal_before_us))

    async def journal_end(self) -> JournalEnd:
        incarnation, seq, first_kept, is_fenced = await self._run("journal_end", "", "")
        return JournalEnd(
            incarnation=incarnation.decode(), seq=int(seq), first_kept=int(first_kept), fenced=is_fenced == b"1"
        )

    async def fence(self, incarnation: str, seq: int) -> LedgerStore | None:
        restorer = f"restorer-{uuid.uuid4().hex}"
        if await self._run("fence", "", "", restorer, incarnation, seq) != b"fenced":
            return None
        self.incarnation = incarnation
        client = Redis.from_pool(one_connection(self._client.connection_pool))
        store = self._restoring = RedisStore(client, self._account, restorer=restorer)
        store.incarnation = incarnation
        with translating():
            for script in store._scripts.values():
                await client.script_load(script.script)
        return store

    async def unfence(self) -> None:
        if self._restoring is not None:
            await self._run("unfence", "", "", self._restoring._restorer)
            await self._restoring.aclose()

    async def aclose(self) -> None:
        """Close the connections; the server and its data stay."""
        if self._restoring is not None:
            await self._restoring.aclose()
        await self._line.aclose()
        await self._client.aclose()


def _view(reply: Any) -> View:
    account, holds, shown = reply
    markets = [rules_view.market_view(market_of(market), map(order_of, orders)) for market, orders in shown]
    return View(account=account_of(account, holds), markets=tuple(sorted(markets, key=lambda m: m.ticker)))


def _order_view(reply: Any) -> OrderView | None:
    if not reply:
        return None
    order = order_of(reply[0])
    market = market_of(reply[1]) if reply[1] else None
    return rules_view.view_of_order(order, market, [order_of(record) for record in reply[2]])
