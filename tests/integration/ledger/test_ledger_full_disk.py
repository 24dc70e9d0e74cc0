"""A disk that is full: the server writes no more, and what it had answered is there when there is room again."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from support.ledger_verbs import a_reserve, opened
from truebook.ledger.bundled import BundledServer, BundledServerError, find_program
from truebook.ledger.port import StoreUnavailable
from truebook.ledger.redis_store import RedisStore

ROOM_BYTES = 50_000


@pytest.fixture(autouse=True)
def server_and_limits() -> None:
    if not hasattr(resource, "prlimit"):
        pytest.skip("this system can't limit another process's files, which stands for a full disk here")
    try:
        find_program()
    except BundledServerError as error:
        pytest.skip(str(error))


def leave_room(folder: Path, pid: int) -> None:
    """Let the server's log grow a little further, and no more."""
    limit = max(file.stat().st_size for file in folder.rglob("*.aof")) + ROOM_BYTES
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, limit))


async def test_a_full_disk_refuses_and_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    server = await BundledServer.start(tmp_path)
    store = await RedisStore.connect(server.url, "sim-main")
    await opened(store)
    leave_room(tmp_path, server.pid)
    answered: list[str] = []
    with pytest.raises(StoreUnavailable):
        while True:
            name = f"o{len(answered)}"
            assert await store.reserve(a_reserve(name, ticker=name, size_centi=1)) == "reserved"
            answered.append(name)
    await store.aclose()
    await server.stop()
    assert len(answered) > 10

    again = await BundledServer.start(tmp_path)  # a new process has no limit: there is room
    store = await RedisStore.connect(again.url, "sim-main")
    try:
        orders = {order.order_id for market in (await store.view()).markets for order in market.orders}
        assert orders >= set(answered)
        assert orders <= {*answered, f"o{len(answered)}"}, "at most the one without an answer is there too"
        assert (await store.view()).account.conservation_error_micros == 0
        assert await store.reserve(a_reserve("after", ticker="after", size_centi=1)) == "reserved"
    finally:
        await store.aclose()
        await again.stop()
