"""Writes a whole account into Redis, in the form in which the scripts store it: for a restore from an anchor.

The account's hash is emptied first and written last. If the process ends in between, the account counts as empty, and
the next restore begins from scratch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from truebook.ledger.redis.keys import LedgerKeys
from truebook.ledger.redis.records import MARKS
from truebook.ledger.rules.state import LedgerState
from truebook.ledger.verbs import Limits, Mode

_CHUNK: Final = 1_000
_pack: Final = msgspec.msgpack.Encoder().encode
_KEPT: Final = frozenset({"account", "fills:", "meta"})
_Command = tuple[Any, ...]


async def load_state(client: Redis, keys: LedgerKeys, state: LedgerState, seq: int, restorer: str) -> None:
    """Replace the account by that state after the journal entry ``seq``; it stays locked by the restorer."""
    async with client.pipeline(transaction=True) as pipe:
        pipe.delete(keys["account"], keys["journal"])
        pipe.hset(keys["account"], "restorer", restorer)
        await pipe.execute()
    # The fills before the keys that name them.
    exchange_ids: Any = await client.hkeys(keys["exchange_ids"])
    parked: Any = await client.smembers(keys["parked"])
    await _run(client, (("DEL", _fills_key(keys, each.decode())) for each in {*exchange_ids, *parked}))
    await _run(client, (("DEL", keys[name]) for name in keys.NAMES if name not in _KEPT))
    await _run(client, _commands(keys, state))
    await client.hset(keys["account"], mapping=_account(state, seq))


def _commands(keys: LedgerKeys, state: LedgerState) -> Iterator[_Command]:
    hashes: Mapping[str, Mapping[str, str | bytes]] = {
        "holds": {name: f"{mode}:{owner}" for name, (mode, owner) in state.holds.items()},
        "epochs": {str(partition): str(epoch) for partition, epoch in state.epochs.items()},
        "counters": {name: str(number) for name, number in state.counters.items()},
        "watermarks": {name: str(at_us) for name, at_us in state.watermarks.items()},
        "adjusts": {name: _record(adjust) for name, adjust in state.adjusts.items()},
        "open_transfers": {one.transfer_id: _record(one) for one in state.transfers.values() if one.state.is_open},
        "transfers": {one.transfer_id: _record(one) for one in state.transfers.values() if not one.state.is_open},
        "transfer_ids": state.transfer_ids,
        "orders": {order_id: _record(order) for order_id, order in state.orders.items()},
        "exchange_ids": state.exchange_ids,
        "markets": {ticker: _record(market) for ticker, market in state.markets.items()},
        "events": {name: _record(event) for name, event in state.events.items()},
        "refusals": {
            order_id: _pack({**_fields(refusal.request), "applied_centi": 0, "reason": refusal.reason})
            for order_id, refusal in state.refusals.items()
        },
    }
    for name, fields in hashes.items():
        yield from (("HSET", keys[name], field, value) for field, value in fields.items())
    for exchange_order_id, fills in state.fills.items():
        key = _fills_key(keys, exchange_order_id)
        yield from (("HSET", key, trade_id, _record(fill)) for trade_id, fill in fills.items())
        if any(fill.parked for fill in fills.values()):
            yield "SADD", keys["parked"], exchange_order_id
    yield from (("SADD", keys["live"], ticker) for ticker in state.live)
    for order_id, order in state.orders.items():
        if order.ended_us is not None:
            yield "ZADD", keys["ended"], order.ended_us, order_id
    for order_id, refusal in state.refusals.items():
        yield "ZADD", keys["refusal_deadlines"], refusal.request.deadline_us, order_id
    yield from (("RPUSH", keys["grants"], at_us) for at_us in state.grants_us)


def _account(state: LedgerState, seq: int) -> dict[Any, Any]:
    fields: dict[Any, Any] = {name: str(value) for name, value in _fields(state.totals).items()}
    marks = (0, 0, 0, 0) if state.marks is None else msgspec.structs.astuple(state.marks)
    fields |= {name.decode(): str(value) for name, value in zip(MARKS, marks, strict=True)}
    severest = Mode.severest((name, mode) for name, (mode, _) in state.holds.items())
    fields |= {"opened": str(int(state.opened)), "clock_us": str(state.clock_us), "hold_mode": str(severest)}
    if state.exchange:
        fields["exchange"] = state.exchange
    if state.limits != Limits():
        fields["limits"] = _pack(state.limits)
    if state.shards:
        fields["shards"] = _pack({str(index): _fields(shard) for index, shard in state.shards.items()})
    return fields | {"seq": str(seq), "live_seq": str(seq)}


def _record(value: msgspec.Struct) -> bytes:
    """Encode every field: the scripts count on zeros, and take nil for absent."""
    return _pack(_fields(value))


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def _fills_key(keys: LedgerKeys, exchange_order_id: str) -> str:
    return f"{keys['fills:']}{exchange_order_id}"


async def _run(client: Redis, commands: Iterable[_Command]) -> None:
    left = iter(commands)
    while chunk := list(islice(left, _CHUNK)):
        async with client.pipeline(transaction=False) as pipe:
            for command in chunk:
                pipe.execute_command(*command)
            await pipe.execute()
