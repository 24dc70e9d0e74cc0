"""A full disk: the server refuses writes, and all acknowledged ones exist once there is space again."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from support.ledger_verbs import a_reserve, opened
from truebook.ledger.port import StoreUnavailable
from truebook.ledger.redis.bundled import BundledServer, BundledServerError, find_program
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import RESERVED

ROOM_BYTES = 50_000


@pytest.fixture(autouse=True)
def server_and_limits() -> None:
    if not hasattr(resource, "prlimit"):
        pytest.skip("this system can't limit another process's files, which simulates a full disk")
    try:
        find_program()
    except BundledServerError as error:
        pytest.skip(str(error))


def leave_room(folder: Path, pid: int) -> None:
    """Limit the growth of the server's log."""
    limit = max(file.stat().st_size for file in folder.rglob("*.aof")) + ROOM_BYTES
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, limit))


async def test_a_full_disk_loses_no_acknowledged_write(tmp_path: Path) -> None:
    server = await BundledServer.start(tmp_path)
    store = await RedisStore.connect(server.url, "sim-main")
    await opened(store)
    leave_room(tmp_path, server.pid)
    acknowledged: list[str] = []
    with pytest.raises(StoreUnavailable):
        while True:
            name = f"o{len(acknowledged)}"
            assert await store.apply(a_reserve(name, ticker=name, size_centi=1)) == RESERVED
            acknowledged.append(name)
    await store.aclose()
    await server.stop()
    assert len(acknowledged) > 10

    again = await BundledServer.start(tmp_path)  # a new process has no limit
    store = await RedisStore.connect(again.url, "sim-main")
    try:
        orders = {order.order_id for market in (await store.view()).markets for order in market.orders}
        assert orders >= set(acknowledged)
        assert orders <= {*acknowledged, f"o{len(acknowledged)}"}, "at most the one without a response exists too"
        assert (await store.view()).conservation_error_micros == 0
        assert await store.apply(a_reserve("after", ticker="after", size_centi=1)) == RESERVED
    finally:
        await store.aclose()
        await again.stop()
