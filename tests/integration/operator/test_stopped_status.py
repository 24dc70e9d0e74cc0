"""``truebook status`` while nothing runs: after an orderly end, and after a crash with an order on its way."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.trading_holds import WIND_DOWN
from truebook.ledger.verbs import OpenAccount, Reserve
from truebook.messages.envelope import BookSide
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.port import Status
from truebook_services.operator.run_files import LEDGER
from truebook_services.operator.status import may_be_consistent
from truebook_services.operator.stopped import StoppedOperator


async def status_after(folder: Path, *, ended: bool) -> Status:
    settings = EmbeddedSettings(state_folder=folder)
    settings.state_path.mkdir(parents=True)
    server = await BundledServer.start(settings.state_path / LEDGER)
    try:
        ledger = await RedisStore.connect(server.url, settings.account)
        await ledger.apply(OpenAccount(balance_micros=100_000_000))
        if ended:
            await ledger.apply(WIND_DOWN.place())
        else:
            await ledger.apply(
                Reserve(
                    order_id="tb1-1", nonce="n", ticker="M", event="E", exclusive=False, book_side=BookSide.BID,
                    price_cc=4_000, size_centi=1_000, reduce_only=False, fee_rate_ppm=0, deadline_us=2, now_us=1,
                    partition=0, epoch=1,
                )
            )  # fmt: skip
        await ledger.aclose()
    finally:
        await server.stop()
    return await StoppedOperator(settings).status()


@pytest.mark.parametrize("ended", [True, False])
async def test_a_run_that_did_not_end_in_order_is_reported(tmp_path: Path, ended: bool) -> None:
    status = await status_after(tmp_path, ended=ended)
    assert (status.alive, status.crashed, may_be_consistent(status)) == (False, not ended, ended)
    assert status.ledger_equals_exchange is None
    assert (status.reserved_micros > 0, bool(status.unresolved_orders)) == (not ended, not ended)


async def test_open_orders_of_a_running_system_are_no_fault(tmp_path: Path) -> None:
    status = await status_after(tmp_path, ended=False)
    running = msgspec.structs.replace(status, alive=True, crashed=msgspec.UNSET)
    assert may_be_consistent(running)
    assert not may_be_consistent(msgspec.structs.replace(running, ledger_equals_exchange=False))
    assert not may_be_consistent(msgspec.structs.replace(running, conservation_error_micros=1))
