"""What every ledger store must do, beside the 87 cases: the same tests run on the rules in memory and on servers.

A subclass gives the fixture ``store``: an account that is not open yet.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from support.ledger_journal_contract import JournalContract
from support.ledger_verbs import ASK, BID, RICH, a_fill, a_reserve, an_acknowledge, opened
from truebook.ledger.port import (
    AdoptedPosition,
    Close,
    LedgerStore,
    Limits,
    Reserve,
)
from truebook.messages.reasons import Reason

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000


def held(ticker: str, position_centi: int, event: str = "E") -> AdoptedPosition:
    return AdoptedPosition(ticker=ticker, event=event, position_centi=position_centi, cost_micros=0)


class LedgerStoreContract(JournalContract):
    async def test_refusals_come_in_the_documented_order(self, store: LedgerStore) -> None:
        """One order breaks every rule at once; each rule that is mended brings the next reason to light."""
        ask = a_reserve(
            book_side=ASK, price_cc=0, size_centi=1000, reduce_only=True, deadline_us=1000, now_us=1000, epoch=1,
            reference_cc=9000,
        )  # fmt: skip
        seen: list[str] = []

        async def refused(expected: Reason, order: Reserve) -> None:
            seen.append(expected)
            order = msgspec.structs.replace(order, order_id=f"a{len(seen)}")
            assert await store.reserve(order) == f"refused:{expected}"

        await refused(Reason.NOT_OPEN, ask)
        await opened(store, held("M", -100), balance_micros=0)
        await store.hold("kill", "halted", "ann")
        await store.raise_epoch(0, 2)
        await store.set_limits(
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
        await store.release("kill", "ann")
        await store.settle_market("S", 0)
        await refused(Reason.SETTLED, msgspec.structs.replace(ask, ticker="S"))
        await self._occupy(store, ask)
        await refused(Reason.UNKNOWN_ORDER, ask)
        await store.acknowledge(an_acknowledge("slot"))
        await refused(Reason.SLOT, ask)
        await store.close(Close(order_id="slot", exchange_order_id=None, filled_centi=0))
        await refused(Reason.REDUCE_ONLY, ask)
        ask = msgspec.structs.replace(ask, reduce_only=False)
        await self._limits_one_by_one(store, ask, refused)
        through_cash = list(Reason)[: list(Reason).index(Reason.CASH) + 1]
        assert seen == [*through_cash, Reason.CASH], "the floor, then cash itself"

    async def _occupy(self, store: LedgerStore, ask: Reserve) -> None:
        """Let an unknown order hold the slot; for that moment nothing else stands in its way."""
        limits = (await store.view()).account.limits
        await store.set_limits(Limits())
        await store.adjust("loan", RICH, "deposit", "for the order in the slot")
        plain = msgspec.structs.replace(ask, order_id="slot", reduce_only=False, size_centi=1)
        assert await store.reserve(plain) == "reserved"
        assert await store.mark_unknown("slot") == "unknown"
        await store.adjust("repaid", -RICH, "deposit", "")
        await store.adjust("gift", 9_999 + 100, "deposit", "keeps the account from being overdrawn")
        await store.set_limits(limits)

    async def _limits_one_by_one(self, store: LedgerStore, ask: Reserve, refused: Any) -> None:
        named = (
            ("price_collar_cc", Reason.PRICE_COLLAR), ("order_size_centi", Reason.ORDER_SIZE),
            ("orders_per_minute", Reason.ORDERS_PER_MINUTE), ("open_orders", Reason.OPEN_ORDERS),
            ("market_centi", Reason.MARKET_LIMIT), ("event_loss_micros", Reason.EVENT_LIMIT),
            ("total_loss_micros", Reason.TOTAL_LIMIT), ("cash_floor_micros", Reason.CASH),
        )  # fmt: skip
        limits = (await store.view()).account.limits
        for field, reason in named:
            await refused(reason, ask)
            limits = msgspec.structs.replace(limits, **{field: None})
            await store.set_limits(limits)
        await refused(Reason.CASH, ask)

    @pytest.mark.parametrize(
        ("reference_cc", "price_cc", "answer"),
        [
            (4000, 4100, "reserved"),
            (4000, 3900, "reserved"),
            (4000, 4101, "refused:price_collar"),
            (4000, 3899, "refused:price_collar"),
            (None, 4000, "refused:price_collar"),
        ],
    )
    async def test_price_collar_is_the_distance_from_the_callers_reference(
        self, store: LedgerStore, reference_cc: int | None, price_cc: int, answer: str
    ) -> None:
        """Without a reference the distance can't be judged: nothing has a default price."""
        await opened(store)
        await store.set_limits(Limits(price_collar_cc=100))
        assert await store.reserve(a_reserve(reference_cc=reference_cc, price_cc=price_cc)) == answer

    async def test_orders_per_minute_counts_grants_of_the_last_minute(self, store: LedgerStore) -> None:
        await opened(store)
        await store.set_limits(Limits(orders_per_minute=2))
        answers = [
            await store.reserve(a_reserve(name, ticker=name, now_us=now_us))
            for name, now_us in (("a", 1), ("b", 2), ("c", MINUTE_US), ("d", MINUTE_US + 1), ("e", MINUTE_US + 1))
        ]
        assert answers == ["reserved", "reserved", "refused:orders_per_minute", "reserved", "refused:orders_per_minute"]

    async def test_open_orders_counts_all_with_something_left_to_come(self, store: LedgerStore) -> None:
        await opened(store, held("H", 100))
        await store.set_limits(Limits(open_orders=1))
        assert await store.reserve(a_reserve("a")) == "reserved"
        await store.close(Close(order_id="a", exchange_order_id="xa", filled_centi=400))
        assert await store.reserve(a_reserve("b", ticker="N")) == "refused:open_orders"
        assert await store.reserve(a_reserve("c", ticker="H", book_side=ASK, size_centi=100)) == "reserved"
        await store.settle_fill(a_fill())
        await store.close(Close(order_id="c", exchange_order_id=None, filled_centi=0))
        assert await store.reserve(a_reserve("d", ticker="N")) == "reserved"

    async def test_total_loss_sums_events_and_no_certain_profit_pays_for_another(self, store: LedgerStore) -> None:
        await opened(store)
        for number, side in enumerate((BID, ASK)):  # bought at .40, sold at .60: a certain profit of $2 in G
            name = f"g{number}"
            await store.reserve(a_reserve(name, ticker="G", event="G", book_side=side, price_cc=4000 + 2000 * number))
            await store.acknowledge(an_acknowledge(name))
            await store.settle_fill(
                a_fill(order_id=f"x{name}", ticker="G", book_side=side, price_cc=4000 + 2000 * number, size_centi=1000)
            )
        await store.set_limits(Limits(total_loss_micros=6_000_000))
        assert await store.reserve(a_reserve("a", ticker="M", event="E")) == "reserved"  # may lose $4
        assert await store.reserve(a_reserve("b", ticker="N", event="F", size_centi=501)) == "refused:total_limit"
        assert await store.reserve(a_reserve("c", ticker="N", event="F", size_centi=500)) == "reserved"
        await store.settle_market("M", 0)
        await store.close(Close(order_id="a", exchange_order_id=None, filled_centi=0))
        assert await store.reserve(a_reserve("d", ticker="P", event="I")) == "reserved"

    async def test_one_granted_reserve_that_denies_it_ends_an_events_exclusiveness_for_good(
        self, store: LedgerStore
    ) -> None:
        """A refused one says nothing; once a market that is not binary is in, every later reserve sums the losses."""
        await opened(store)
        await store.set_limits(Limits(event_loss_micros=6_000_000))
        ask = a_reserve("a", ticker="A", book_side=ASK, exclusive=True)
        assert await store.reserve(ask) == "reserved"  # NO of A may lose 6
        ask = msgspec.structs.replace(ask, ticker="B", order_id="b", exclusive=False)
        assert await store.reserve(ask) == "refused:event_limit"
        assert await store.reserve(msgspec.structs.replace(ask, order_id="c", exclusive=True)) == "reserved"
        await store.close(Close(order_id="c", exchange_order_id=None, filled_centi=0))
        await store.set_limits(Limits(event_loss_micros=7_000_000))
        denial = a_reserve("d", ticker="C", size_centi=1, exclusive=False)
        assert await store.reserve(denial) == "reserved"
        assert await store.reserve(msgspec.structs.replace(ask, order_id="e", exclusive=True)) == "refused:event_limit"

    async def test_a_settled_market_is_at_risk_only_by_orders_not_yet_proven(self, store: LedgerStore) -> None:
        await opened(store)
        await store.reserve(a_reserve("a", ticker="M"))
        await store.acknowledge(an_acknowledge("a"))
        await store.settle_fill(a_fill(size_centi=400))
        await store.settle_market("M", 1000)
        await store.set_limits(Limits(total_loss_micros=2_000_000))
        # 400 are lost for good and count no more; 600 at .40 may have filled unheard and would bring .10 each: 1.80.
        assert await store.reserve(a_reserve("b", ticker="N", event="F", size_centi=51)) == "refused:total_limit"
        assert await store.reserve(a_reserve("c", ticker="N", event="F", size_centi=50)) == "reserved"

    async def test_what_only_closes_passes_the_floor_but_not_cash(self, store: LedgerStore) -> None:
        await opened(store, held("M", 1000), balance_micros=50_000)
        await store.set_limits(Limits(cash_floor_micros=40_000))
        sale = a_reserve("a", book_side=ASK, price_cc=50)  # the proceeds do not cover the worst rounding by 50 each
        assert await store.reserve(sale) == "reserved"
        assert (await store.view()).account.cash_micros == 0
        await store.close(Close(order_id="a", exchange_order_id=None, filled_centi=0))
        await store.adjust("fee", -1, "deposit", "")
        assert await store.reserve(msgspec.structs.replace(sale, order_id="b")) == "refused:cash"

    async def test_a_market_takes_its_losses_along_when_its_event_is_named(self, store: LedgerStore) -> None:
        """A foreign fill names a market before anyone names its event."""
        await opened(store)
        await store.settle_fill(a_fill(order_id="xw", size_centi=1000))
        await store.acknowledge(an_acknowledge("web-1", exchange_order_id="xw"))
        await store.set_limits(Limits(event_loss_micros=5_000_000))
        assert await store.reserve(a_reserve("n", ticker="N", event="E", price_cc=4900)) == "reserved"
        assert await store.reserve(a_reserve("m", size_centi=1)) == "refused:event_limit"
        await store.set_limits(Limits(event_loss_micros=9_000_000, total_loss_micros=9_000_000))
        assert await store.reserve(a_reserve("k", size_centi=1)) == "reserved"
        market = (await store.view(("M",))).market("M")
        assert market is not None and market.event == "E"

    async def test_an_unknown_order_with_our_prefix_halts(self, store: LedgerStore) -> None:
        await opened(store)
        assert await store.acknowledge(an_acknowledge("tb1-lost", filled_centi=0)) == "foreign"
        account = (await store.view()).account
        assert (account.mode, [hold.name for hold in account.holds]) == ("halted", ["unknown_own_order"])
        assert await store.reserve(a_reserve("a")) == "refused:hold"
        assert await store.release("unknown_own_order", account.holds[0].owner) == "released"

    async def test_view_shows_the_opening_of_each_open_order(self, store: LedgerStore) -> None:
        await opened(store, held("M", 600))
        await store.reserve(a_reserve("a", book_side=ASK, price_cc=6000))
        await store.reserve(a_reserve("b", price_cc=3000, size_centi=200))
        view = await store.view(("M", "unheard-of"))
        assert [market.ticker for market in view.markets] == ["M"]
        assert [(order.order_id, order.opening_centi) for order in view.markets[0].orders] == [("a", 400), ("b", 200)]
        assert (await store.view(())).markets == ()

    async def test_orders_are_found_by_either_id_in_any_state(self, store: LedgerStore) -> None:
        await opened(store)
        await store.reserve(a_reserve("a", send_by_us=7, expires_us=9))
        assert await store.order("nix") is None and await store.order_of_exchange_id("xa") is None
        await store.acknowledge(an_acknowledge("a"))
        working = await store.order("a")
        assert working is not None and working == await store.order_of_exchange_id("xa")
        assert (working.state, working.send_by_us, working.expires_us) == ("acknowledged", 7, 9)
        await store.close(Close(order_id="a", exchange_order_id=None, filled_centi=0))
        ended = await store.order("a")
        assert ended is not None and (ended.state, ended.opening_centi) == ("terminal", 0)

    async def test_a_look_shows_what_order_and_view_show(self, store: LedgerStore) -> None:
        await opened(store)
        await store.reserve(a_reserve("a"))
        orders, view = await store.look(("a", "b"), "M")
        assert orders == (await store.order("a"), None)
        assert view == await store.view(("M",))

    async def test_parked_fills_are_listed_until_their_order_is_known(self, store: LedgerStore) -> None:
        await opened(store)
        await store.reserve(a_reserve("a"))
        mine, stray = a_fill("t2"), a_fill("t1", ticker="N")
        assert [await store.settle_fill(fill) for fill in (mine, stray)] == ["parked", "parked"]
        assert await store.parked_fills() == (stray, mine)
        await store.acknowledge(an_acknowledge("a"))
        assert await store.parked_fills() == (stray,), "a fill that contradicts its order stays in sight"
        assert (await store.view()).account.parked == 1

    async def test_forget_drops_ended_orders_with_their_fills_and_keeps_the_sums(self, store: LedgerStore) -> None:
        await opened(store)
        await store.reserve(a_reserve("a", deadline_us=5000))
        await store.acknowledge(an_acknowledge("a"))
        await store.settle_fill(a_fill(size_centi=1000))
        await store.reserve(a_reserve("b", ticker="N", deadline_us=5000, now_us=2000))
        before = await store.view()
        assert await store.forget(10_000) == 0, "the deadline could still let the id in"
        await store.reserve(a_reserve("c", ticker="P", now_us=6000))
        assert await store.forget(1000) == 0, "it ended at 1000, not before"
        assert await store.forget(1001) == 2, "the order and its fill"
        assert await store.order("a") is None and await store.order_of_exchange_id("xa") is None
        assert await store.order("b") is not None, "what is open is never forgotten"
        assert (await store.view(("M",))).markets == before.markets[:1]
        assert await store.settle_fill(a_fill(size_centi=1000)) == "parked", "a late repetition is not booked twice"

    async def test_an_order_that_turned_out_to_have_filled_more_is_not_forgotten(self, store: LedgerStore) -> None:
        """It ended, then a larger total was told: it is open again until those fills are heard."""
        await opened(store)
        await store.reserve(a_reserve("a", deadline_us=5000))
        assert await store.close(Close(order_id="a", exchange_order_id="xa", filled_centi=0)) == "terminal"
        assert await store.close(Close(order_id="a", exchange_order_id="xa", filled_centi=400)) == "closing"
        await store.reserve(a_reserve("b", ticker="N", now_us=9000))
        assert await store.forget(9001) == 0
        assert await store.settle_fill(a_fill()) == "applied"
        assert await store.forget(9001) == 2

    async def test_a_foreign_order_is_kept_until_its_last_fill_is_old(self, store: LedgerStore) -> None:
        await opened(store)
        await store.acknowledge(an_acknowledge("web", exchange_order_id="xw"))
        await store.reserve(a_reserve("b", ticker="N", now_us=9000))
        assert await store.settle_fill(a_fill(order_id="xw")) == "applied"
        assert await store.forget(9000) == 0
        assert await store.settle_fill(a_fill(order_id="xw")) == "duplicate"
        assert await store.forget(9001) == 2

    async def test_a_refusal_is_forgotten_after_its_deadline(self, store: LedgerStore) -> None:
        await opened(store, balance_micros=0)
        assert await store.reserve(a_reserve("a", deadline_us=2000)) == "refused:cash"
        assert await store.reserve(a_reserve("a", deadline_us=9000)) == "duplicate_action"
        await store.adjust("d", RICH, "deposit", "")
        assert await store.reserve(a_reserve("b", ticker="N", now_us=3000)) == "reserved"
        assert await store.reserve(a_reserve("a", deadline_us=9000)) == "reserved"

    async def test_times_of_the_wire_are_content_where_given(self, store: LedgerStore) -> None:
        await opened(store)
        order = a_reserve("a", send_by_us=5, expires_us=9)
        for again, answer in (
            (order, "reserved"),
            (msgspec.structs.replace(order, send_by_us=0, expires_us=0), "reserved"),
            (msgspec.structs.replace(order, expires_us=8), "duplicate_action"),
            (msgspec.structs.replace(order, send_by_us=6), "duplicate_action"),
            (msgspec.structs.replace(order, event="other", now_us=5, reference_cc=1), "reserved"),
        ):
            assert await store.reserve(again) == answer

    async def test_counters_never_repeat_and_watermarks_never_fall(self, store: LedgerStore) -> None:
        assert [await store.next_number("ingest") for _ in range(3)] == [1, 2, 3]
        assert await store.next_number("policy") == 1
        assert await store.watermark("fills") == 0
        assert [await store.advance_watermark("fills", to_us) for to_us in (5, 3, 9)] == [5, 5, 9]
        assert await store.watermark("fills") == 9

    async def test_limits_are_shown_as_set(self, store: LedgerStore) -> None:
        await store.set_limits(Limits(open_orders=3, cash_floor_micros=0))
        assert (await store.view()).account.limits == Limits(open_orders=3, cash_floor_micros=0)
        assert await store.set_limits(Limits(open_orders=-1)) == "invalid"
        assert await store.set_limits(Limits()) == "set"
        assert (await store.view()).account.limits == Limits()

    async def test_rounding_has_an_account_of_its_own(self, store: LedgerStore) -> None:
        assert await store.adjust("r", 7, "rounding", "") == "not_open"
        await opened(store, balance_micros=10)
        assert await store.adjust("r", 7, "rounding", "") == "adjusted"
        account = (await store.view()).account
        assert (account.cash_micros, account.rounding_micros, account.adjustments_micros) == (17, 7, 0)

    @pytest.mark.parametrize("size_centi", [10**9, 10**9 + 1])
    async def test_amounts_beyond_what_stays_exact_are_refused(self, store: LedgerStore, size_centi: int) -> None:
        await opened(store, balance_micros=10**14)
        answer = await store.reserve(a_reserve("a", size_centi=size_centi, price_cc=5000, fee_rate_ppm=1_000_000))
        assert answer == ("reserved" if size_centi == 10**9 else "refused:invalid")
        exact = 5_000_000_000_000 + 2_500_000_000_000 + 100_000_000_000  # price, fee, worst rounding
        promised = (await store.view()).account.promised_micros
        assert promised == (exact if size_centi == 10**9 else 0)

    async def test_of_32_reserves_at_once_on_cash_for_one_exactly_one_is_granted(self, store: LedgerStore) -> None:
        await opened(store, balance_micros=4_100_000)
        orders = [a_reserve(f"o{number}", ticker=f"M{number}") for number in range(32)]
        answers = await asyncio.gather(*(store.reserve(order) for order in orders))
        assert sorted(answers) == ["refused:cash"] * 31 + ["reserved"]
        assert (await store.view()).account.cash_micros == 0

    async def test_of_32_reserves_at_once_with_one_id_exactly_one_may_send(self, store: LedgerStore) -> None:
        await opened(store)
        orders = [a_reserve("a", nonce=f"n{number}") for number in range(32)]
        answers = await asyncio.gather(*(store.reserve(order) for order in orders))
        assert sorted(answers) == ["exists:reserved"] * 31 + ["reserved"]
