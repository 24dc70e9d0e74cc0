"""The contract of every ledger store, beside the ledger cases: the same tests run in memory and on servers.

A subclass gives the fixture ``store``: an account that is not open yet.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from support.ledger_account_contract import AccountContract
from support.ledger_journal_contract import JournalContract
from support.ledger_live_contract import LiveContract
from support.ledger_verbs import ASK, BID, RICH, a_fill, a_reserve, an_acknowledge, opened
from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import (
    DUPLICATE_ACTION,
    RESERVED,
    Adjust,
    AdoptedPosition,
    AdvanceWatermark,
    Close,
    Hold,
    Limits,
    MarkUnknown,
    Mode,
    NextNumber,
    Prune,
    RaiseEpoch,
    Release,
    Reserve,
    ReserveResult,
    SettleMarket,
)
from truebook.messages.reasons import Reason

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000


def held(ticker: str, position_centi: int, event: str = "E") -> AdoptedPosition:
    return AdoptedPosition(ticker=ticker, event=event, position_centi=position_centi, cost_micros=0)


class LedgerStoreContract(JournalContract, AccountContract, LiveContract):
    async def test_refusals_come_in_the_documented_order(self, store: LedgerStore) -> None:
        """One order breaks every rule at once; fixing one rule reveals the next reason."""
        ask = a_reserve(
            book_side=ASK, price_cc=0, size_centi=1000, reduce_only=True, deadline_us=1000, now_us=1000, epoch=1,
            reference_cc=9000,
        )  # fmt: skip
        seen: list[str] = []

        async def refused(expected: Reason, order: Reserve) -> None:
            seen.append(expected)
            order = msgspec.structs.replace(order, order_id=f"a{len(seen)}")
            assert await store.apply(order) == ReserveResult.refused(expected)

        await refused(Reason.NOT_OPEN, ask)
        await opened(store, held("M", -100), balance_micros=0)
        await store.apply(Hold(name="kill", mode=Mode.HALTED, owner="ann"))
        await store.apply(RaiseEpoch(partition=0, epoch=2))
        await store.apply(
            Limits(
                price_collar_cc=10, order_size_centi=10, orders_per_minute=0, open_orders=0, market_centi=10,
                event_loss_micros=1, total_loss_micros=1, cash_floor_micros=1,
            )
        )  # fmt: skip
        await refused(Reason.INVALID, ask)
        ask = msgspec.structs.replace(ask, price_cc=1)
        await refused(Reason.EPOCH, ask)
        ask = msgspec.structs.replace(ask, epoch=2)
        await refused(Reason.DEADLINE, ask)
        ask = msgspec.structs.replace(ask, deadline_us=HOUR_US)
        await refused(Reason.HOLD, ask)
        await store.apply(Release(name="kill", owner="ann"))
        await store.apply(SettleMarket(ticker="S", settlement_cc=0))
        await refused(Reason.SETTLED, msgspec.structs.replace(ask, ticker="S"))
        await refused(Reason.SHARD, msgspec.structs.replace(ask, exchange_index=2))
        await self._occupy(store, ask)
        await refused(Reason.UNKNOWN_ORDER, ask)
        await store.apply(an_acknowledge("slot"))
        await refused(Reason.SLOT, ask)
        await store.apply(Close(order_id="slot", exchange_order_id=None, filled_centi=0))
        await refused(Reason.REDUCE_ONLY, ask)
        ask = msgspec.structs.replace(ask, reduce_only=False)
        await self._limits_one_by_one(store, ask, refused)
        through_cash = list(Reason)[: list(Reason).index(Reason.CASH) + 1]
        assert seen == [*through_cash, Reason.CASH], "the floor, then cash itself"

    async def _occupy(self, store: LedgerStore, ask: Reserve) -> None:
        """Let an unknown order occupy the slot; nothing else refuses it at that moment."""
        limits = (await store.view()).account.limits
        await store.apply(Limits())
        await store.apply(
            Adjust(adjust_id="loan", amount_micros=RICH, kind="deposit", reason="for the order in the slot")
        )
        plain = msgspec.structs.replace(ask, order_id="slot", reduce_only=False, size_centi=1)
        assert await store.apply(plain) == RESERVED
        assert await store.apply(MarkUnknown(order_id="slot")) == "unknown"
        await store.apply(Adjust(adjust_id="repaid", amount_micros=-RICH, kind="deposit", reason=""))
        await store.apply(
            Adjust(
                adjust_id="gift",
                amount_micros=9_999 + 100,
                kind="deposit",
                reason="keeps the account from being overdrawn",
            )
        )
        await store.apply(limits)

    async def _limits_one_by_one(self, store: LedgerStore, ask: Reserve, refused: Any) -> None:
        named = (
            ("price_collar_cc", Reason.PRICE_COLLAR), ("order_size_centi", Reason.ORDER_SIZE),
            ("orders_per_minute", Reason.ORDERS_PER_MINUTE), ("open_orders", Reason.OPEN_ORDERS),
            ("market_centi", Reason.MARKET_LIMIT), ("event_loss_micros", Reason.EVENT_LIMIT),
            ("total_loss_micros", Reason.TOTAL_LIMIT), ("cash_floor_micros", Reason.CASH),
        )  # fmt: skip
        limits = (await store.view()).account.limits
        for field, reason in named:
            if reason is Reason.CASH:
                await self._with_cash_on_another_shard(store, ask, refused)
            await refused(reason, ask)
            limits = msgspec.structs.replace(limits, **{field: None})
            await store.apply(limits)
        await refused(Reason.CASH, ask)

    async def _with_cash_on_another_shard(self, store: LedgerStore, ask: Reserve, refused: Any) -> None:
        for amount_micros in (RICH, -RICH):
            deposit = Adjust(
                adjust_id=str(amount_micros), amount_micros=amount_micros, kind="deposit", reason="", exchange_index=2
            )
            assert await store.apply(deposit) == "adjusted"
            if amount_micros > 0:
                await refused(Reason.SHARD_CASH, ask)

    @pytest.mark.parametrize(
        ("reference_cc", "price_cc", "expected"),
        [
            (4000, 4100, "reserved"),
            (4000, 3900, "reserved"),
            (4000, 4101, "refused:price_collar"),
            (4000, 3899, "refused:price_collar"),
            (None, 4000, "refused:price_collar"),
        ],
    )
    async def test_price_collar_is_the_distance_from_the_reference(
        self, store: LedgerStore, reference_cc: int | None, price_cc: int, expected: str
    ) -> None:
        """Without a reference there is no distance to check: no default price is assumed."""
        await opened(store)
        await store.apply(Limits(price_collar_cc=100))
        assert str(await store.apply(a_reserve(reference_cc=reference_cc, price_cc=price_cc))) == expected

    async def test_orders_per_minute_counts_grants_of_the_last_minute(self, store: LedgerStore) -> None:
        await opened(store)
        await store.apply(Limits(orders_per_minute=2))
        results = [
            str(await store.apply(a_reserve(name, ticker=name, now_us=now_us)))
            for name, now_us in (("a", 1), ("b", 2), ("c", MINUTE_US), ("d", MINUTE_US + 1), ("e", MINUTE_US + 1))
        ]
        assert results == ["reserved", "reserved", "refused:orders_per_minute", "reserved", "refused:orders_per_minute"]

    async def test_open_orders_counts_all_that_may_still_fill(self, store: LedgerStore) -> None:
        await opened(store, held("H", 100))
        await store.apply(Limits(open_orders=1))
        assert await store.apply(a_reserve("a")) == RESERVED
        await store.apply(Close(order_id="a", exchange_order_id="xa", filled_centi=400))
        assert await store.apply(a_reserve("b", ticker="N")) == ReserveResult.refused(Reason.OPEN_ORDERS)
        assert await store.apply(a_reserve("c", ticker="H", book_side=ASK, size_centi=100)) == RESERVED
        await store.apply(a_fill())
        await store.apply(Close(order_id="c", exchange_order_id=None, filled_centi=0))
        assert await store.apply(a_reserve("d", ticker="N")) == RESERVED

    async def test_total_loss_does_not_offset_events(self, store: LedgerStore) -> None:
        await opened(store)
        for number, side in enumerate((BID, ASK)):  # bought at .40, sold at .60: a certain profit of $2 in G
            name = f"g{number}"
            await store.apply(a_reserve(name, ticker="G", event="G", book_side=side, price_cc=4000 + 2000 * number))
            await store.apply(an_acknowledge(name))
            await store.apply(
                a_fill(order_id=f"x{name}", ticker="G", book_side=side, price_cc=4000 + 2000 * number, size_centi=1000)
            )
        await store.apply(Limits(total_loss_micros=6_000_000))
        assert await store.apply(a_reserve("a", ticker="M", event="E")) == RESERVED  # may lose $4
        assert await store.apply(a_reserve("b", ticker="N", event="F", size_centi=501)) == ReserveResult.refused(
            Reason.TOTAL_LIMIT
        )
        assert await store.apply(a_reserve("c", ticker="N", event="F", size_centi=500)) == RESERVED
        await store.apply(SettleMarket(ticker="M", settlement_cc=0))
        await store.apply(Close(order_id="a", exchange_order_id=None, filled_centi=0))
        assert await store.apply(a_reserve("d", ticker="P", event="I")) == RESERVED

    async def test_one_granted_reserve_ends_an_events_exclusiveness(self, store: LedgerStore) -> None:
        """A refused reserve has no effect; once a market is not binary, every later reserve sums the losses."""
        await opened(store)
        await store.apply(Limits(event_loss_micros=6_000_000))
        ask = a_reserve("a", ticker="A", book_side=ASK, exclusive=True)
        assert await store.apply(ask) == RESERVED  # NO of A may lose 6
        ask = msgspec.structs.replace(ask, ticker="B", order_id="b", exclusive=False)
        assert await store.apply(ask) == ReserveResult.refused(Reason.EVENT_LIMIT)
        assert await store.apply(msgspec.structs.replace(ask, order_id="c", exclusive=True)) == RESERVED
        await store.apply(Close(order_id="c", exchange_order_id=None, filled_centi=0))
        await store.apply(Limits(event_loss_micros=7_000_000))
        denial = a_reserve("d", ticker="C", size_centi=1, exclusive=False)
        assert await store.apply(denial) == RESERVED
        assert await store.apply(msgspec.structs.replace(ask, order_id="e", exclusive=True)) == ReserveResult.refused(
            Reason.EVENT_LIMIT
        )

    async def test_a_settled_market_is_at_risk_only_by_open_orders(self, store: LedgerStore) -> None:
        await opened(store)
        await store.apply(a_reserve("a", ticker="M"))
        await store.apply(an_acknowledge("a"))
        await store.apply(a_fill(size_centi=400))
        await store.apply(SettleMarket(ticker="M", settlement_cc=1000))
        await store.apply(Limits(total_loss_micros=2_000_000))
        # 400 are lost, no longer at risk; 600 at .40 may have filled, not yet reported, and would pay .10 each: 1.80.
        assert await store.apply(a_reserve("b", ticker="N", event="F", size_centi=51)) == ReserveResult.refused(
            Reason.TOTAL_LIMIT
        )
        assert await store.apply(a_reserve("c", ticker="N", event="F", size_centi=50)) == RESERVED

    async def test_closing_orders_pass_the_floor_but_not_cash(self, store: LedgerStore) -> None:
        await opened(store, held("M", 1000), balance_micros=50_000)
        await store.apply(Limits(cash_floor_micros=40_000))
        sale = a_reserve("a", book_side=ASK, price_cc=50)  # the proceeds do not cover the worst rounding by 50 each
        assert await store.apply(sale) == RESERVED
        assert (await store.view()).account.cash_micros == 0
        await store.apply(Close(order_id="a", exchange_order_id=None, filled_centi=0))
        await store.apply(Adjust(adjust_id="fee", amount_micros=-1, kind="deposit", reason=""))
        assert await store.apply(msgspec.structs.replace(sale, order_id="b")) == ReserveResult.refused(Reason.CASH)

    async def test_a_markets_losses_move_to_its_event_once_named(self, store: LedgerStore) -> None:
        """A foreign fill creates a market before its event is known."""
        await opened(store)
        await store.apply(a_fill(order_id="xw", size_centi=1000))
        await store.apply(an_acknowledge("web-1", exchange_order_id="xw"))
        await store.apply(Limits(event_loss_micros=5_000_000))
        assert await store.apply(a_reserve("n", ticker="N", event="E", price_cc=4900)) == RESERVED
        assert await store.apply(a_reserve("m", size_centi=1)) == ReserveResult.refused(Reason.EVENT_LIMIT)
        await store.apply(Limits(event_loss_micros=9_000_000, total_loss_micros=9_000_000))
        assert await store.apply(a_reserve("k", size_centi=1)) == RESERVED
        market = (await store.view(("M",))).market("M")
        assert market is not None and market.event == "E"

    async def test_an_unknown_order_with_our_prefix_halts(self, store: LedgerStore) -> None:
        await opened(store)
        assert await store.apply(an_acknowledge("tb1-lost", filled_centi=0)) == "foreign"
        account = (await store.view()).account
        assert (account.mode, [hold.name for hold in account.holds]) == ("halted", ["unknown_own_order"])
        assert await store.apply(a_reserve("a")) == ReserveResult.refused(Reason.HOLD)
        assert await store.apply(Release(name="unknown_own_order", owner=account.holds[0].owner)) == "released"

    async def test_view_shows_the_opening_of_each_open_order(self, store: LedgerStore) -> None:
        await opened(store, held("M", 600))
        await store.apply(a_reserve("a", book_side=ASK, price_cc=6000))
        await store.apply(a_reserve("b", price_cc=3000, size_centi=200))
        view = await store.view(("M", "unreported-of"))
        assert [market.ticker for market in view.markets] == ["M"]
        assert [(order.order_id, order.opening_centi) for order in view.markets[0].orders] == [("a", 400), ("b", 200)]
        assert (await store.view(())).markets == ()

    async def test_orders_are_found_by_either_id_in_any_state(self, store: LedgerStore) -> None:
        await opened(store)
        await store.apply(a_reserve("a", send_by_us=7, expires_us=9))
        assert await store.order("nix") is None and await store.order_of_exchange_id("xa") is None
        await store.apply(an_acknowledge("a"))
        working = await store.order("a")
        assert working is not None and working == await store.order_of_exchange_id("xa")
        assert (working.state, working.send_by_us, working.expires_us) == ("acknowledged", 7, 9)
        await store.apply(Close(order_id="a", exchange_order_id=None, filled_centi=0))
        ended = await store.order("a")
        assert ended is not None and (ended.state, ended.opening_centi) == ("terminal", 0)

    async def test_a_combined_read_equals_order_and_view(self, store: LedgerStore) -> None:
        await opened(store)
        await store.apply(a_reserve("a"))
        orders, view = await store.read_orders_and_market(("a", "b"), "M")
        assert orders == (await store.order("a"), None)
        assert view == await store.view(("M",))

    async def test_a_view_of_any_number_of_named_markets(self, store: LedgerStore) -> None:
        await opened(store, held("M-0", 100), held("M-19999", 100), balance_micros=RICH)
        view = await store.view(tuple(f"M-{number}" for number in range(20_000)))
        assert [market.ticker for market in view.markets] == ["M-0", "M-19999"]

    async def test_parked_fills_are_listed_until_their_order_is_known(self, store: LedgerStore) -> None:
        await opened(store)
        await store.apply(a_reserve("a"))
        mine, stray = a_fill("t2"), a_fill("t1", ticker="N")
        assert [await store.apply(fill) for fill in (mine, stray)] == ["parked", "parked"]
        assert await store.parked_fills() == (stray, mine)
        await store.apply(an_acknowledge("a"))
        assert await store.parked_fills() == (stray,), "a fill that contradicts its order stays visible"
        assert (await store.view()).account.parked == 1

    async def test_prune_drops_ended_orders_with_their_fills(self, store: LedgerStore) -> None:
        await opened(store)
        await store.apply(a_reserve("a", deadline_us=5000))
        await store.apply(an_acknowledge("a"))
        await store.apply(a_fill(size_centi=1000))
        await store.apply(a_reserve("b", ticker="N", deadline_us=5000, now_us=2000))
        before = await store.view()
        assert await store.apply(Prune(terminal_before_us=10_000)) == 0, "the id could still be reserved again"
        await store.apply(a_reserve("c", ticker="P", now_us=6000))
        assert await store.apply(Prune(terminal_before_us=1000)) == 0, "it ended at 1000, not before"
        assert await store.apply(Prune(terminal_before_us=1001)) == 2, "the order and its fill"
        assert await store.order("a") is None and await store.order_of_exchange_id("xa") is None
        assert await store.order("b") is not None, "an open order is never pruned"
        assert (await store.view(("M",))).markets == before.markets[:1]
        assert await store.apply(a_fill(size_centi=1000)) == "parked", "a late repetition is not applied twice"

    async def test_an_order_reopened_by_a_larger_total_is_not_pruned(self, store: LedgerStore) -> None:
        """It ended, then a larger total was reported: it is open again until those fills are received."""
        await opened(store)
        await store.apply(a_reserve("a", deadline_us=5000))
        assert await store.apply(Close(order_id="a", exchange_order_id="xa", filled_centi=0)) == "terminal"
        assert await store.apply(Close(order_id="a", exchange_order_id="xa", filled_centi=400)) == "closing"
        await store.apply(a_reserve("b", ticker="N", now_us=9000))
        assert await store.apply(Prune(terminal_before_us=9001)) == 0
        assert await store.apply(a_fill()) == "applied"
        assert await store.apply(Prune(terminal_before_us=9001)) == 2

    async def test_a_foreign_order_is_kept_until_its_last_fill_is_old(self, store: LedgerStore) -> None:
        await opened(store)
        await store.apply(an_acknowledge("web", exchange_order_id="xw"))
        await store.apply(a_reserve("b", ticker="N", now_us=9000))
        assert await store.apply(a_fill(order_id="xw")) == "applied"
        assert await store.apply(Prune(terminal_before_us=9000)) == 0
        assert await store.apply(a_fill(order_id="xw")) == "duplicate"
        assert await store.apply(Prune(terminal_before_us=9001)) == 2

    async def test_a_refusal_is_dropped_after_its_deadline(self, store: LedgerStore) -> None:
        await opened(store, balance_micros=0)
        assert await store.apply(a_reserve("a", deadline_us=2000)) == ReserveResult.refused(Reason.CASH)
        assert await store.apply(a_reserve("a", deadline_us=9000)) == DUPLICATE_ACTION
        await store.apply(Adjust(adjust_id="d", amount_micros=RICH, kind="deposit", reason=""))
        assert await store.apply(a_reserve("b", ticker="N", now_us=3000)) == RESERVED
        assert await store.apply(a_reserve("a", deadline_us=9000)) == RESERVED

    async def test_wire_times_are_content_where_given(self, store: LedgerStore) -> None:
        await opened(store)
        order = a_reserve("a", send_by_us=5, expires_us=9)
        for again, expected in (
            (order, "reserved"),
            (msgspec.structs.replace(order, send_by_us=0, expires_us=0), "reserved"),
            (msgspec.structs.replace(order, expires_us=8), "duplicate_action"),
            (msgspec.structs.replace(order, send_by_us=6), "duplicate_action"),
            (msgspec.structs.replace(order, event="other", now_us=5, reference_cc=1), "reserved"),
        ):
            assert str(await store.apply(again)) == expected

    async def test_counters_never_repeat_and_watermarks_never_decrease(self, store: LedgerStore) -> None:
        assert [await store.apply(NextNumber(name="ingest")) for _ in range(3)] == [1, 2, 3]
        assert await store.apply(NextNumber(name="policy")) == 1
        assert await store.watermark("fills") == 0
        assert [await store.apply(AdvanceWatermark(name="fills", to_us=to_us)) for to_us in (5, 3, 9)] == [5, 5, 9]
        assert await store.watermark("fills") == 9

    @pytest.mark.parametrize("size_centi", [10**9, 10**9 + 1])
    async def test_amounts_beyond_the_exact_range_are_refused(self, store: LedgerStore, size_centi: int) -> None:
        await opened(store, balance_micros=10**14)
        result = await store.apply(a_reserve("a", size_centi=size_centi, price_cc=5000, fee_rate_ppm=1_000_000))
        assert str(result) == ("reserved" if size_centi == 10**9 else "refused:invalid")
        exact = 5_000_000_000_000 + 2_500_000_000_000 + 100_000_000_000  # price, fee, worst rounding
        reserved = (await store.view()).account.reserved_micros
        assert reserved == (exact if size_centi == 10**9 else 0)

    async def test_of_32_concurrent_reserves_on_cash_for_one_one_is_granted(self, store: LedgerStore) -> None:
        await opened(store, balance_micros=4_100_000)
        orders = [a_reserve(f"o{number}", ticker=f"M{number}") for number in range(32)]
        results = await asyncio.gather(*(store.apply(order) for order in orders))
        assert sorted(map(str, results)) == ["refused:cash"] * 31 + ["reserved"]
        assert (await store.view()).account.cash_micros == 0

    async def test_of_32_concurrent_reserves_with_one_id_one_may_send(self, store: LedgerStore) -> None:
        await opened(store)
        orders = [a_reserve("a", nonce=f"n{number}") for number in range(32)]
        results = await asyncio.gather(*(store.apply(order) for order in orders))
        assert sorted(map(str, results)) == ["exists:reserved"] * 31 + ["reserved"]
