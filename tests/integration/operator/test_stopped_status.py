"""``truebook status`` while nothing runs: after an orderly end, and after a crash with an order on its way."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from support.fake_operator import FakeOperator
from truebook.clock import ManualClock
from truebook.ledger.redis.bundled import BundledServer
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.trading_holds import WIND_DOWN
from truebook.ledger.verbs import OpenAccount, Reserve
from truebook.messages.envelope import BookSide
from truebook.models.guard import Breach, BreachKind
from truebook.models.history import ModelVersion
from truebook.models.pointer import Failure, Pointer
from truebook.models.registry import ModelRegistry
from truebook_services.cli.summary_table import print_summary
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.model_failures import after_run
from truebook_services.operator.port import ModelFailure, Status, may_be_consistent
from truebook_services.operator.run_files import LEDGER
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


async def test_a_stop_and_a_roll_back_of_a_model_are_reported(tmp_path: Path) -> None:
    models = EmbeddedSettings(state_folder=tmp_path).models_path
    registry = ModelRegistry(models, clock=ManualClock(100))
    registry.activate("small")
    breach = Breach(BreachKind.FAILURES, "10 failed batches within 60 s")
    for at_us, name in ((200, "small"), (300, "maker")):
        version = ModelVersion(name, registry.load(name).metadata.sha256)
        registry.files.roll_back(at_us, Failure(model=version, at_us=at_us, by="policy", breach=breach))
    status = await status_after(tmp_path, ended=True)
    stopped, rolled_back = status.model_stopped, status.model_rolled_back
    assert stopped is not None and rolled_back is not None
    assert (stopped.model, stopped.since_us, stopped.by) == ("maker", 300, "policy")
    assert (rolled_back.model, rolled_back.since_us) == ("small", 200)
    assert rolled_back.reason == "failures: 10 failed batches within 60 s"


@pytest.mark.parametrize(("activated_us", "is_kept"), [(None, True), (400, True), (600, False)])
async def test_a_stop_in_the_last_run_only_ends_with_an_activation(
    tmp_path: Path, activated_us: int | None, is_kept: bool
) -> None:
    """As of a model that the settings had chosen, which the registry does not know."""
    status = await status_after(tmp_path, ended=True)
    stopped = ModelFailure(model="mine", sha256="aa", since_us=500, by="policy", reason="failures: 10")
    pointer = None if activated_us is None else Pointer(ModelVersion("maker", "bb"), active_since_us=activated_us)
    found = after_run(msgspec.structs.replace(status, model_stopped=stopped), pointer)
    assert found.model_stopped == (stopped if is_kept else None)


async def test_people_read_reason_and_time_of_a_stop(capsys: pytest.CaptureFixture[str]) -> None:
    status = await FakeOperator().status()
    since_us = 1_764_000_000_000_000
    failure = ModelFailure(model="mine", sha256="aa", since_us=since_us, by="policy", reason="latency: 9 ms")
    unknown = ModelFailure(model="other", sha256="", since_us=None, by=None, reason=None)
    print_summary(msgspec.structs.replace(status, model_stopped=failure, model_rolled_back=unknown), "running")
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "model stopped mine: latency: 9 ms; 2025-11-24 16:00:00 UTC, by policy" in shown
    assert "model rolled back other: the reason is in policy's log" in shown
