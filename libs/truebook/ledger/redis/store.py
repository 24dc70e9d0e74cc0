"""The ledger in Redis or Valkey: each verb is one Lua script, applied completely or not at all.

This module passes the verb's arguments as JSON and decodes the reply. The scripts are in ``lua/``, their specification
in ``rules/``. Views are made by the rules' own functions, from the same records.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from truebook.ledger.port import (
    Adjustment,
    Audit,
    JournalEnd,
    JournalEntry,
    LedgerView,
    OrderView,
    RestorableStore,
    RestoringStore,
    ShardTransferView,
    StoreCorrupt,
)
from truebook.ledger.redis.connection import connection_pool, one_connection
from truebook.ledger.redis.errors import translating
from truebook.ledger.redis.keys import SCHEMA, LedgerKeys
from truebook.ledger.redis.loading import load_state
from truebook.ledger.redis.pipelined_connection import Call, PipelinedConnection
from truebook.ledger.redis.records import (
    account_of,
    adjustment_of,
    adjusts_of,
    exclusive_of,
    fills_of,
    holds_of,
    market_of,
    mode_of,
    order_of,
    totals_of,
    transfers_of,
)
from truebook.ledger.redis.scripts import keys_of, script_names, source, takes_several
from truebook.ledger.rules import views
from truebook.ledger.rules.audit import Parts, errors_of_parts
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.verbs import ResultT, SettleFill, Verb, timed

_encode: Final = msgspec.json.Encoder().encode


class RedisStore(RestorableStore, RestoringStore):
    """One account in a Redis or Valkey server. Create it with ``connect``."""

    def __init__(self, client: Redis, account: str, *, restorer: str = "") -> None:
        self._client = client
        self._account = account
        self._restorer = restorer
        self._restoring: RedisStore | None = None
        self._connection = PipelinedConnection(client, once=bool(restorer))
        self.keys = LedgerKeys(account)
        self._scripts = {name: client.register_script(source(name, restorer)) for name in script_names()}
        self._ledger_id = ""
        self.now_us: Callable[[], int] | None = None
        """The clock of the entries that this store makes; None: their times are not recorded. A restorer has none."""

    @property
    def ledger_id(self) -> str:
        return self._ledger_id

    @classmethod
    async def connect(cls, url: str, account: str, *, password: str | None = None) -> RedisStore:
        """Connect to ``redis://``, ``rediss://`` or ``unix://``; an empty server begins a new history.

        Raises StoreUnavailable if it can't be reached, StoreCorrupt if it has another schema, LedgerError if the server
        refuses the user.
        """
        store = cls(Redis.from_pool(connection_pool(url, password)), account)
        try:
            await store._begin()
        except BaseException:
            await store.aclose()
            raise
        return store

    async def _begin(self) -> None:
        for schema, key in self.keys.earlier_schemas().items():
            with translating():
                if await self._client.exists(key):
                    raise self._other_schema(schema)
        schema, ledger_id = await self._run("begin", {"schema": SCHEMA, "ledger_id": uuid.uuid4().hex})
        if schema.decode() != SCHEMA:
            raise self._other_schema(schema.decode())
        self._ledger_id = ledger_id.decode()

    def _other_schema(self, schema: str) -> StoreCorrupt:
        return StoreCorrupt(
            f"the ledger of account {self._account} has schema {schema}, this version requires {SCHEMA}: run the "
            "version that wrote it, or begin a new account"
        )

    async def apply(self, verb: Verb[ResultT]) -> ResultT:
        reply = await self._run(verb.VERB, timed(verb, self.now_us), verb.fills_of())
        try:
            return verb.read_result(reply.decode())
        except ValueError as error:
            raise StoreCorrupt(f"the script {verb.VERB} returned {reply!r}") from error

    async def _run(self, script: str, arguments: Any = None, exchange_order_id: str = "") -> Any:
        (reply,) = await self._run_all((script, arguments, exchange_order_id))
        return reply

    async def _run_all(self, *calls: tuple[str, Any, str]) -> list[Any]:
        """Run scripts in one round trip, each as (script, arguments, exchange order id); others may run in between."""
        with translating():
            return await self._connection.call(*[
                Call(
                    self._scripts[script], self.keys.for_script(keys_of(script), exchange_order_id),
                    _encode(arguments), takes_several(script),
                )
                for script, arguments, exchange_order_id in calls
            ])  # fmt: skip

    async def view(self, tickers: tuple[str, ...] | None = None) -> LedgerView:
        return self._view(
            await self._run("view", {"tickers": None if tickers is None else list(dict.fromkeys(tickers))})
        )

    async def live_view(self) -> LedgerView:
        reply = await self._run("view", {"tickers": None, "live": True})
        return self._view(reply, only_live=True)

    async def audit(self) -> Audit:
        *reply, events, parked, mode, live = await self._run("view", {"tickers": None, "audit": True})
        view, (account, holds, shown, *_) = self._view(reply), reply
        parts = Parts(
            markets=[(market_of(market), [order_of(order) for order in orders]) for market, orders in shown],
            exclusive=exclusive_of(events), parked=parked,
            holds=[(hold.name, hold.mode) for hold in holds_of(holds)], hold_mode=mode_of(mode),
            live=None if live is None else {ticker.decode() for ticker in live},
        )  # fmt: skip
        return Audit(view=view, errors=view.errors_of_totals | errors_of_parts(totals_of(account), parts))

    def _view(self, reply: Any, *, only_live: bool = False) -> LedgerView:
        account, holds, shown, ledger_id, adjusts, open_transfers, ended_transfers = reply
        if ledger_id:  # empty: the server lost its data
            self._ledger_id = ledger_id.decode()
        records = [(market_of(market), orders) for market, orders in shown]
        markets = [
            views.market_view(market, map(order_of, orders))
            for market, orders in records
            if market.is_live or not only_live
        ]
        return LedgerView(
            account=account_of(account, holds, open_transfers),
            markets=tuple(sorted(markets, key=lambda m: m.ticker)),
            inflows=None if adjusts is None else views.inflows(
                adjusts_of(adjusts), transfers_of([*open_transfers, *ended_transfers])
            ),
        )  # fmt: skip

    async def order(self, order_id: str) -> OrderView | None:
        return _order_view(await self._run("order", {"order_id": order_id}))

    async def order_of_exchange_id(self, exchange_order_id: str) -> OrderView | None:
        return _order_view(await self._run("order", {"exchange_order_id": exchange_order_id}))

    async def read_orders_and_market(
        self, order_ids: tuple[str, ...], ticker: str
    ) -> tuple[tuple[OrderView | None, ...], LedgerView]:
        *orders, view = await self._run_all(
            *(("order", {"order_id": order_id}, "") for order_id in order_ids), ("view", {"tickers": [ticker]}, "")
        )
        return tuple(map(_order_view, orders)), self._view(view)

    async def parked_fills(self) -> tuple[SettleFill, ...]:
        return fills_of(await self._run("parked_fills"))

    async def adjustment(self, adjust_id: str) -> Adjustment | None:
        with translating():
            record: Any = await self._client.hget(self.keys["adjusts"], adjust_id)
        return None if record is None else adjustment_of(record)

    async def transfers(self) -> tuple[ShardTransferView, ...]:
        with translating():
            opened: Any = await self._client.hvals(self.keys["open_transfers"])
            ended: Any = await self._client.hvals(self.keys["transfers"])
        by_id = {one.transfer_id: one for one in transfers_of([*opened, *ended])}  # read between both: the ended counts
        return tuple(one for _, one in sorted(by_id.items()))

    async def watermark(self, name: str) -> int:
        with translating():
            return int(await self._client.hget(self.keys["watermarks"], name) or 0)

    async def journal(self, after_seq: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        with translating():
            entries: Any = await self._client.xrange(self.keys["journal"], min=f"{after_seq + 1}-0", count=limit)
        return tuple(
            JournalEntry(
                seq=int(entry_id.partition(b"-")[0]),
                ledger_id=self.ledger_id,
                verb=fields[b"verb"].decode(),
                arguments=msgspec.Raw(fields[b"arguments"]),
                result=fields[b"result"].decode(),
            )
            for entry_id, fields in entries
        )

    async def trim_journal(self, through_seq: int) -> int:
        with translating():
            return int(await self._client.xtrim(self.keys["journal"], minid=f"{through_seq + 1}-0", approximate=False))

    async def journal_end(self) -> JournalEnd:
        ledger_id, seq, first_kept, restoring = await self._run("journal_end")
        return JournalEnd(
            ledger_id=ledger_id.decode(), seq=int(seq), first_kept=int(first_kept), restoring=restoring == b"1"
        )

    async def load(self, state: msgspec.Raw, seq: int) -> None:
        assert self._restorer, "only a restorer may replace the account"
        ledger = Ledger.from_state(self._ledger_id, seq, state)
        with translating():
            await load_state(self._client, self.keys, ledger.state, seq, self._restorer)

    async def begin_restore(self, ledger_id: str, seq: int) -> RestoringStore | None:
        restorer = f"restorer-{uuid.uuid4().hex}"
        reply = await self._run("begin_restore", {"restorer": restorer, "ledger_id": ledger_id, "seq": seq})
        if reply != b"begun":
            return None
        self._ledger_id = ledger_id
        client = Redis.from_pool(one_connection(self._client.connection_pool))
        store = self._restoring = RedisStore(client, self._account, restorer=restorer)
        store._ledger_id = ledger_id
        with translating():
            for script in store._scripts.values():
                await client.script_load(script.script)
        return store

    async def end_restore(self) -> None:
        if self._restoring is not None:
            await self._run("end_restore", {"restorer": self._restoring._restorer})
            await self._restoring.aclose()

    async def aclose(self) -> None:
        """Close the connections; the server and its data stay."""
        if self._restoring is not None:
            await self._restoring.aclose()
        await self._connection.aclose()
        await self._client.aclose()


def _order_view(reply: Any) -> OrderView | None:
    if not reply:
        return None
    order = order_of(reply[0])
    market = market_of(reply[1]) if reply[1] else None
    return views.view_of_order(order, market, [order_of(record) for record in reply[2]])
