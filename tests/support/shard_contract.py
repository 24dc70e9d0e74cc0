"""What services rely on at an exchange with shards, as tests through the port of the REST client.

A test module per implementation subclasses ``ShardContract`` and defines the fixture ``harness``: an exchange with the
shards ``SHARDS``, whose account has its money on shard 0 and whose transfers arrive at once.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from support.exchange_contract import ASK, BID, TICKER, WITHIN_S, Contract
from truebook.kalshi.port import AlreadyExists, NotFound, Refused
from truebook.messages.envelope import BookSide
from truebook.simulation.venue.shard_plan import ShardChange
from truebook.venue.account import OrderRequest
from truebook.venue.shards import MarginReservation, ShardShare, TargetAllocation, TransferStatus

SHARDS = ("2:AWAY", "3")
SHARD_SETTINGS: dict[str, Any] = {"shards": SHARDS, "transfer_delay_ms": 0, "transfer_jitter_ms": 0}
"""Settings of the simulated exchange."""
AWAY = "AWAY-1-A"
DOLLAR = 1_000_000


class ShardContract(Contract):
    """A market on shard 0, one on shard 2, and our account's client."""

    @pytest.fixture(autouse=True)
    async def list_away(self, begin: None) -> None:
        await self.list_market(AWAY, event="AWAY-1", series="AWAY")

    async def fund(self, amount_micros: int = 10 * DOLLAR) -> str:
        """Move cash to shard 2 and wait until it is there."""
        before = await self.rest.balance()
        transfer_id = await self.rest.transfer_between_shards(str(uuid.uuid4()), 0, 2, amount_micros)

        async def has_arrived() -> bool:
            return (await self.rest.balance()).of_shard(2) == before.of_shard(2) + amount_micros

        await self.eventually(has_arrived)
        return transfer_id

    def away(self, side: BookSide = BID, **more: Any) -> OrderRequest:
        return self.order(side, **({"ticker": AWAY} | more))

    async def test_a_market_states_its_shard(self) -> None:
        assert [(await self.rest.market(ticker)).exchange_index for ticker in (TICKER, AWAY)] == [0, 2]
        assert {one.ticker: one.exchange_index for one in await self.rest.open_markets(series="AWAY")} == {AWAY: 2}

    async def test_the_balance_states_each_shard(self) -> None:
        balance = await self.rest.balance()
        assert [one.exchange_index for one in balance.by_shard] == [0, 2, 3]
        assert balance.balance_micros == balance.of_shard(0) == balance.total_micros > 0

    async def test_an_order_on_a_shard_without_cash_is_refused(self) -> None:
        assert await self.refusal(self.away()) == (Refused, "user_not_found")
        await self.fund(100)
        assert await self.refusal(self.away()) == (Refused, "insufficient_balance")

    async def test_an_order_pinned_to_another_shard_is_refused(self) -> None:
        await self.fund()
        assert await self.refusal(self.away(exchange_index=0)) == (NotFound, "market_not_found")
        assert await self.refusal(self.order(exchange_index=99)) == (NotFound, "market_not_found")
        for index in (-1, 2):
            await self.create(self.away(exchange_index=index))

    async def test_reports_state_their_shard(self) -> None:
        await self.fund()
        await self.quote(ASK, 4_000, 500, ticker=AWAY)
        created = await self.create(self.away(size_centi=1_000))
        assert (await self.rest.order(created.exchange_order_id)).exchange_index == 2
        assert [one.exchange_index for one in await self.rest.fills()] == [2]
        assert [one.exchange_index for one in await self.rest.positions()] == [2]
        await self.harness.act(lambda engine, at_us: engine.lifecycle.determine(AWAY, 10_000, at_us))
        (settlement,) = await self.eventually(self.rest.settlements)
        assert settlement.exchange_index == 2

    async def test_a_cancel_finds_its_shard_by_the_market(self) -> None:
        await self.fund()
        order_ids = [(await self.create(self.away())).exchange_order_id for _ in range(2)]
        with pytest.raises(NotFound):
            await self.rest.cancel_order(order_ids[0], TICKER)
        with pytest.raises(NotFound):
            await self.rest.cancel_order(order_ids[0], AWAY, 0)
        await self.rest.cancel_order(order_ids[0], AWAY)
        await self.rest.cancel_order(order_ids[1], AWAY, 2)

    async def test_a_transfer_moves_cash_between_shards_once(self) -> None:
        before = await self.rest.balance()
        exchange_id, caller_id = await self.fund(), str(uuid.uuid4())
        assert await self.rest.transfer_between_shards(caller_id, 0, 2, 100) != exchange_id
        with pytest.raises(AlreadyExists):
            await self.rest.transfer_between_shards(caller_id, 0, 2, 100)
        newest, oldest = await self.rest.shard_transfers()
        assert (oldest.exchange_transfer_id, oldest.from_shard, oldest.to_shard) == (exchange_id, 0, 2)
        assert (oldest.amount_micros, oldest.status) == (10 * DOLLAR, TransferStatus.COMPLETE)
        assert await self.rest.shard_transfer(exchange_id) == oldest
        assert newest.amount_micros == 100

        async def is_whole() -> bool:
            return (await self.rest.balance()).total_micros == before.total_micros

        await self.eventually(is_whole)

    async def test_an_impossible_transfer_is_refused(self) -> None:
        before = await self.rest.balance()
        for source, amount_micros, code in (
            (0, before.total_micros + 100, "insufficient_balance"), (3, 100, "insufficient_balance"),
            (9, 100, "invalid_parameters"),
        ):  # fmt: skip
            with pytest.raises(Refused) as caught:
                await self.rest.transfer_between_shards(str(uuid.uuid4()), source, 2, amount_micros)
            assert (type(caught.value), caught.value.code) == (Refused, code)
        with pytest.raises(NotFound):
            await self.rest.shard_transfer("no-such-transfer")
        with pytest.raises(ValueError, match="no transfer between"):
            await self.rest.transfer_between_shards(str(uuid.uuid4()), 2, 2, 100)
        assert (await self.rest.balance()).by_shard == before.by_shard

    async def test_order_groups_are_local_to_a_shard(self) -> None:
        await self.fund()
        group_id = await self.rest.create_order_group(5_000, 2)
        assert await self.refusal(self.order(order_group_id=group_id)) == (NotFound, "order_group_not_found")
        await self.create(self.away(order_group_id=group_id))
        with pytest.raises(NotFound):
            await self.rest.trigger_order_group(group_id)
        await self.rest.trigger_order_group(group_id, 2)
        await self.rest.reset_order_group(group_id, 2)
        assert group_id in await self.rest.order_groups()

    async def test_the_status_states_each_shard(self) -> None:
        await self.fund()
        change = ShardChange(exchange_index=2, trading_active=False, transfers_active=False)
        await self.harness.act(lambda engine, at_us: engine.switch_shard(change, at_us)[1])
        status = await self.rest.status()
        assert status.trading_active and status.transfers_active
        assert [(one.exchange_index, one.trading_active, one.transfers_active) for one in status.shards] == [
            (0, True, True), (2, False, False), (3, True, True),
        ]  # fmt: skip
        assert await self.refusal(self.away()) == (Refused, "trading_is_paused")
        with pytest.raises(Refused):
            await self.rest.transfer_between_shards(str(uuid.uuid4()), 0, 2, 100)

    async def test_a_target_allocation_is_kept(self) -> None:
        assert await self.rest.target_allocation() == TargetAllocation()
        shares = (ShardShare(exchange_index=0, percent=60), ShardShare(exchange_index=2, percent=40))
        target = TargetAllocation(shares=shares, reservation=MarginReservation.MAX)
        await self.rest.set_target_allocation(target)
        assert await self.rest.target_allocation() == target
        with pytest.raises(Refused):
            await self.rest.set_target_allocation(TargetAllocation(shares=shares[:1]))
        await self.rest.set_target_allocation(TargetAllocation())
        assert (await self.rest.target_allocation()).shares == ()

    async def test_an_order_waits_for_no_other_shards_cash(self) -> None:
        """The cash of both shards together would cover it."""
        await self.fund(10 * DOLLAR)
        too_large = self.rest.sign_order(self.away(price_cc=5_000, size_centi=2_100))
        with pytest.raises(Refused, match="insufficient_balance"):
            await self.rest.create_order(too_large, WITHIN_S)
