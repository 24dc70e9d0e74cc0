"""Cash between shards: the treasurer's transfers under faults, transfers of others, and true books in every case."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from support.account_harness import AccountHarness
from support.in_memory_rest import Shown
from support.services import Running
from truebook.kalshi.port import OutcomeUnknown, Refused, Unreachable
from truebook.ledger.exchange_reports import ADDED_UP
from truebook.ledger.port import AccountView
from truebook.ledger.verbs import AdoptedPosition, AdvanceWatermark, Mode, Prune
from truebook.simulation.venue.shard_plan import ShardChange
from truebook.venue.account import Listing, UnreadableItem
from truebook.venue.shards import ShardTransfer
from truebook_services.reconciler.settings import ReconcilerSettings, TreasurerSettings

DOLLAR = 1_000_000
HALVES = TreasurerSettings(
    enabled=True, shares=("0:50", "2:50"), max_transfer_micros=2_000 * DOLLAR, max_day_micros=2_000 * DOLLAR
)
FUNDED = {0: 500 * DOLLAR, 2: 500 * DOLLAR}


def cash(account: AccountView) -> dict[int, int]:
    return {shard.exchange_index: shard.net_micros for shard in account.shards}


class Shards:
    """An account of $1000 on shard 0 of an exchange with shards 0, 2 and 3."""

    def __init__(self, rig: AccountHarness) -> None:
        self.rig = rig
        self.exchange = rig.exchange

    async def begin(self, treasurer: TreasurerSettings = HALVES) -> Running:
        return await self.rig.reconcile(ReconcilerSettings(treasurer=treasurer))

    async def account(self) -> AccountView:
        """Return the ledger's account, which must follow from its parts."""
        audit = await self.rig.ledger.audit()
        assert audit.errors == {}
        account = audit.view.account
        assert account.owned_micros == 1_000 * DOLLAR
        return account

    async def by_others(self, from_shard: int, to_shard: int, dollars: int) -> None:
        await self.exchange.transfer_between_shards(str(uuid.uuid4()), from_shard, to_shard, dollars * DOLLAR)

    async def agrees(self) -> None:
        """The ledger equals the exchange, shard by shard, and trading is free."""
        account, balance = await self.account(), await self.exchange.balance()
        assert (account.mode, account.transfers, account.in_transit_micros) == (Mode.RUNNING, (), 0)
        assert {shard: micros for shard, micros in cash(account).items() if micros} == {
            one.exchange_index: one.balance_micros for one in balance.by_shard if one.balance_micros
        }


@pytest.fixture
async def shards() -> AsyncIterator[Shards]:
    async with AccountHarness(shards=("2:S", "3")) as rig:
        yield Shards(rig)


async def test_cash_is_moved_once_and_arrives(shards: Shards) -> None:
    shards.exchange.transfer_delay_us = 10 * DOLLAR
    await shards.begin()
    await shards.rig.pass_s(6)
    account = await shards.account()
    assert (account.in_transit_micros, cash(account)) == (500 * DOLLAR, {0: 500 * DOLLAR})
    await shards.rig.pass_s(30)
    assert cash(await shards.account()) == FUNDED
    await shards.agrees()
    assert [call for call, _ in shards.exchange.calls].count("transfer_between_shards") == 1


async def test_nothing_moves_while_the_treasurer_is_off(shards: Shards) -> None:
    await shards.begin(TreasurerSettings(shares=("2:1",)))
    await shards.rig.pass_s(30)
    assert cash(await shards.account()) == {0: 1_000 * DOLLAR}


async def test_other_shards_may_transfer_while_the_default_one_may_not(shards: Shards) -> None:
    await shards.by_others(0, 2, 1_000)
    change = ShardChange(exchange_index=0, transfers_active=False)
    shards.exchange.engine.switch_shard(change, shards.exchange.engine.lifecycle.now_us)
    status = await shards.exchange.status()
    assert not status.transfers_active, "the top of the status is the default shard's"
    limits = {"max_transfer_micros": 2_000 * DOLLAR, "max_day_micros": 2_000 * DOLLAR}
    await shards.begin(TreasurerSettings(enabled=True, shares=("2:1", "3:1"), **limits))
    await shards.rig.pass_s(40)
    assert {shard: micros for shard, micros in cash(await shards.account()).items() if micros} == {
        2: 500 * DOLLAR, 3: 500 * DOLLAR,
    }  # fmt: skip


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="every weight is 0"):
        TreasurerSettings(shares=("0:0", "2:0"))


@pytest.mark.parametrize("times", [1, 5])
async def test_a_lost_response_is_resolved_by_the_list(shards: Shards, times: int) -> None:
    for _ in range(times):
        shards.exchange.lose_response("transfer_between_shards")
    await shards.begin()
    await shards.rig.pass_s(40)
    assert cash(await shards.account()) == FUNDED
    await shards.agrees()


async def test_a_lost_request_is_sent_again_under_its_id(shards: Shards) -> None:
    shards.exchange.fail("transfer_between_shards", OutcomeUnknown("lost"))
    await shards.begin()
    await shards.rig.pass_s(4)
    account = await shards.account()
    assert account.in_transit_micros == 500 * DOLLAR, "a timeout proves nothing"
    await shards.rig.pass_s(30)
    await shards.agrees()
    assert cash(await shards.account()) == FUNDED
    sent = [subject for call, subject in shards.exchange.calls if call == "transfer_between_shards"]
    assert len(sent) == 2 and len({move.client_transfer_id for move in sent}) == 1


async def test_a_request_that_never_arrives_is_returned_by_absence(shards: Shards) -> None:
    shards.exchange.fail("transfer_between_shards", *(OutcomeUnknown("lost") for _ in range(4)))
    await shards.begin(
        TreasurerSettings(enabled=True, shares=("2:1",), max_transfer_micros=DOLLAR, max_day_micros=DOLLAR)
    )
    await shards.rig.pass_s(60)
    account = await shards.account()
    assert (account.in_transit_micros, cash(account)) == (DOLLAR, {0: 999 * DOLLAR})
    await shards.rig.pass_s(40)
    states = [one.state for one in await shards.rig.ledger.transfers()]
    assert states[0:1] != [] and "refused" in states
    await shards.rig.pass_s(30)
    await shards.agrees()


async def test_absence_is_no_proof_while_an_item_is_unreadable(shards: Shards) -> None:
    await shards.by_others(0, 3, 1)
    await shards.rig.pass_s(5)
    shards.exchange.fail("transfer_between_shards", *(OutcomeUnknown("lost") for _ in range(4)))
    shards.exchange.odd_items[Shown.SHARD_TRANSFERS] = lambda _: UnreadableItem(
        ticker="", client_order_id="", exchange_order_id="", why="odd"
    )
    await shards.begin()
    await shards.rig.pass_s(120)
    assert (await shards.rig.view()).account.in_transit_micros > 0


@pytest.mark.parametrize("error", [Refused(400, "insufficient_balance"), Unreachable("refused")], ids=repr)
async def test_the_refusal_of_the_only_request_returns_the_cash(shards: Shards, error: Exception) -> None:
    shards.exchange.fail("transfer_between_shards", error)
    await shards.begin(TreasurerSettings(
        enabled=True, shares=("0:50", "2:50"), interval_s=100, max_transfer_micros=500 * DOLLAR,
    ))  # fmt: skip
    await shards.rig.pass_s(20)
    account = await shards.account()
    assert (account.in_transit_micros, cash(account)) == (0, {0: 1_000 * DOLLAR})
    assert [one.state for one in await shards.rig.ledger.transfers()] == ["refused"]


async def test_a_refusal_after_a_lost_response_proves_nothing(shards: Shards) -> None:
    """The first request was executed; the second one is refused because the cash is gone."""
    shards.exchange.lose_response("transfer_between_shards")
    shards.exchange.views[Shown.SHARD_TRANSFERS] = lambda _: Listing[ShardTransfer]()
    await shards.begin()
    await shards.rig.pass_s(8)
    shards.exchange.fail("transfer_between_shards", Refused(400, "insufficient_balance"))
    await shards.rig.pass_s(12)
    assert (await shards.account()).in_transit_micros == 500 * DOLLAR
    shards.exchange.views.clear()
    await shards.rig.pass_s(20)
    assert cash(await shards.account()) == FUNDED
    await shards.agrees()


async def test_an_old_request_is_not_sent_again(shards: Shards) -> None:
    """The pruner relies on a transfer being made soon after its request; its absence is then proved as ever."""
    shards.exchange.fail("transfer_between_shards", OutcomeUnknown("lost"))
    running = await shards.begin()
    await shards.rig.pass_s(1)
    await running.stop()
    assert (await shards.account()).in_transit_micros == 500 * DOLLAR
    await shards.rig.manual.advance(8 * 86_400.0)
    await shards.begin(TreasurerSettings())
    await shards.rig.pass_s(120)
    assert cash(await shards.account()) == {0: 1_000 * DOLLAR}
    await shards.agrees()


async def test_a_restart_takes_over_an_open_transfer(shards: Shards) -> None:
    shards.exchange.lose_response("transfer_between_shards")
    shards.exchange.transfer_delay_us = 20 * DOLLAR
    running = await shards.begin()
    await shards.rig.pass_s(6)
    await running.stop()
    assert (await shards.account()).in_transit_micros == 500 * DOLLAR
    await shards.begin()
    await shards.rig.pass_s(60)
    assert cash(await shards.account()) == FUNDED
    await shards.agrees()


@pytest.mark.parametrize("delay_s", [0, 15])
async def test_a_transfer_of_others_is_recorded_without_a_halt(shards: Shards, delay_s: int) -> None:
    await shards.begin(TreasurerSettings())
    await shards.rig.pass_s(10)
    shards.exchange.transfer_delay_us = delay_s * DOLLAR
    await shards.by_others(0, 3, 70)
    modes = set()
    for _ in range(90):
        await shards.rig.pass_s(1)
        modes.add((await shards.account()).mode)
    assert modes == {Mode.RUNNING}
    assert cash(await shards.account()) == {0: 930 * DOLLAR, 3: 70 * DOLLAR}
    await shards.agrees()


async def test_a_transfer_that_was_added_up_is_not_recorded_again(shards: Shards) -> None:
    await shards.begin(TreasurerSettings())
    await shards.rig.pass_s(10)
    await shards.by_others(0, 3, 70)
    await shards.rig.pass_s(90)
    ledger, now_us = shards.rig.ledger, shards.rig.clock.now_us()
    await ledger.apply(AdvanceWatermark(name=ADDED_UP, to_us=now_us))
    assert await ledger.apply(Prune(terminal_before_us=0, transfers_before_us=now_us)) == 1
    await shards.by_others(3, 0, 20)
    await shards.rig.pass_s(90)
    assert cash(await shards.account()) == {0: 950 * DOLLAR, 3: 50 * DOLLAR}
    assert next(one.transfer_id for one in await ledger.transfers()) == "#0>3"
    await shards.agrees()


async def test_a_difference_on_one_shard_halts(shards: Shards) -> None:
    """Cash that appears on shard 2 without any transfer is a difference, whatever shard 0 has."""
    await shards.begin()
    await shards.rig.pass_s(30)
    await shards.exchange.transfer("gift", 3 * DOLLAR)
    shards.exchange.views[Shown.TRANSFERS] = lambda _: []
    await shards.rig.pass_s(60)
    assert (await shards.account()).mode is Mode.HALTED


async def test_an_account_is_opened_with_the_cash_of_each_shard(shards: Shards) -> None:
    await shards.by_others(0, 2, 300)
    await shards.rig.pass_s(5)
    await shards.begin(TreasurerSettings())
    await shards.rig.pass_s(10)
    assert cash(await shards.account()) == {0: 700 * DOLLAR, 2: 300 * DOLLAR}
    await shards.agrees()


async def test_an_account_is_not_opened_during_a_transfer(shards: Shards) -> None:
    shards.exchange.transfer_delay_us = 8 * DOLLAR
    await shards.by_others(0, 2, 300)
    await shards.begin(TreasurerSettings())
    await shards.rig.pass_s(4)
    assert not (await shards.rig.view()).account.opened
    await shards.rig.pass_s(20)
    await shards.agrees()


def test_a_position_is_on_one_shard() -> None:
    assert AdoptedPosition(ticker="M", event="E", position_centi=1, cost_micros=1).exchange_index == 0
