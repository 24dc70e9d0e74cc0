"""What the ledger records for the account as a whole: limits, adjustments, its exchange."""

from __future__ import annotations

from support.ledger_verbs import opened
from truebook.ledger.outcomes import AdjustKind
from truebook.ledger.port import Adjustment, LedgerStore
from truebook.ledger.verbs import Adjust, BindExchange, Limits


class AccountContract:
    async def test_limits_are_shown_as_set(self, store: LedgerStore) -> None:
        await store.apply(Limits(open_orders=3, cash_floor_micros=0))
        assert (await store.view()).account.limits == Limits(open_orders=3, cash_floor_micros=0)
        assert await store.apply(Limits(open_orders=-1)) == "invalid"
        assert await store.apply(Limits()) == "set"
        assert (await store.view()).account.limits == Limits()

    async def test_rounding_has_a_total_of_its_own(self, store: LedgerStore) -> None:
        assert await store.apply(Adjust(adjust_id="r", amount_micros=7, kind="rounding", reason="")) == "not_open"
        await opened(store, balance_micros=10)
        assert await store.apply(Adjust(adjust_id="r", amount_micros=7, kind="rounding", reason="")) == "adjusted"
        account = (await store.view()).account
        assert (account.cash_micros, account.rounding_micros, account.adjustments_micros) == (17, 7, 0)

    async def test_interest_is_income_and_no_deposit(self, store: LedgerStore) -> None:
        await opened(store, balance_micros=10)
        assert await store.apply(Adjust(adjust_id="i", amount_micros=5, kind="interest", reason="")) == "adjusted"
        view = await store.view()
        assert (view.account.cash_micros, view.account.interest_micros, view.account.deposits_micros) == (15, 5, 10)
        assert view.errors_of_totals == {}

    async def test_an_adjustment_is_found_by_its_id(self, store: LedgerStore) -> None:
        await opened(store)
        assert await store.adjustment("i") is None
        await store.apply(Adjust(adjust_id="i", amount_micros=-5, kind="deposit", reason=""))
        assert await store.adjustment("i") == Adjustment(kind=AdjustKind.DEPOSIT, amount_micros=-5)

    async def test_an_account_is_bound_once_and_again_by_its_binding(self, store: LedgerStore) -> None:
        assert await store.apply(BindExchange(exchange="A")) == "not_open"
        await opened(store)
        assert await store.apply(BindExchange(exchange="")) == "invalid"
        assert await store.apply(BindExchange(exchange="A")) == "bound"
        assert await store.apply(BindExchange(exchange="A")) == "unchanged"
        assert await store.apply(BindExchange(exchange="B")) == "conflict"
        assert await store.apply(BindExchange(exchange="B", former="A")) == "bound"
        assert (await store.view(())).account.exchange == "B"
