"""A total that was changed in the server's memory is found against its parts, and halts."""

from __future__ import annotations

import msgspec
import pytest

from support.services import make_context
from truebook.clock import ManualClock
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.rules.state import Totals
from truebook.ledger.trading_holds import OPERATOR
from truebook.ledger.verbs import RESERVED, Hold, Mode, OpenAccount, RaiseEpoch, Reserve, SettleFill
from truebook.messages.envelope import BookSide
from truebook_services.reconciler.ledger_watch import LedgerWatch

DOLLAR = 1_000_000
MONEY = [name for name in Totals.__struct_fields__ if name.endswith("_micros") and name != "loss_micros"]


def reserve_of_1200_dollars() -> Reserve:
    return Reserve(
        order_id="tb1-a", nonce="n", ticker="M", event="E", exclusive=False, book_side=BookSide.BID, price_cc=4000,
        size_centi=300_000, reduce_only=False, fee_rate_ppm=0, deadline_us=9_000_000, now_us=1, partition=0, epoch=1,
        send_by_us=9_000_000, expires_us=9_000_000,
    )  # fmt: skip


@pytest.mark.parametrize("total", MONEY)
async def test_a_corrupted_total_halts(store: RedisStore, total: str) -> None:
    await store.apply(OpenAccount(balance_micros=1_000 * DOLLAR))
    await store.apply(RaiseEpoch(partition=0, epoch=1))
    watch = LedgerWatch(make_context("reconciler", ManualClock()), store)
    await watch.run()
    assert (await store.view()).account.holds == ()
    await store._client.hincrby(store.keys["account"], total, -500 * DOLLAR)
    view = await store.view()
    assert view.errors_of_totals[total] == -500 * DOLLAR
    await watch.run()
    assert [hold.name for hold in (await store.view(())).account.holds] == ["corrupt_ledger"]
    assert str(await store.apply(reserve_of_1200_dollars())) == "refused:hold"


@pytest.mark.parametrize(
    ("field", "value"),
    [("loss_micros", "-5000000000"), ("open_orders", "0"), ("parked", "7"), ("hold_mode", "running")],
)
async def test_a_corrupted_count_or_mode_halts(store: RedisStore, field: str, value: str) -> None:
    await store.apply(OpenAccount(balance_micros=2_000 * DOLLAR))
    await store.apply(RaiseEpoch(partition=0, epoch=1))
    assert await store.apply(reserve_of_1200_dollars()) == RESERVED
    await store.apply(SettleFill(
        trade_id="t", order_id="x", ticker="M", book_side=BookSide.BID, price_cc=4000, size_centi=1, fee_micros=0
    ))  # fmt: skip
    await store.apply(Hold(name="odd@M", mode=Mode.HALTED, owner="reconciler"))
    await store.apply(OPERATOR.place())
    watch = LedgerWatch(make_context("reconciler", ManualClock()), store)
    await watch.run()
    assert {hold.name for hold in (await store.view(())).account.holds} == {"odd@M", "operator"}
    await store._client.hset(store.keys["account"], field, value)
    assert (await store.audit()).errors.keys() == {field}
    await watch.run()
    assert "corrupt_ledger" in {hold.name for hold in (await store.view(())).account.holds}
    other = msgspec.structs.replace(reserve_of_1200_dollars(), order_id="tb1-b", ticker="N", size_centi=100)
    assert str(await store.apply(other)) == "refused:hold"
