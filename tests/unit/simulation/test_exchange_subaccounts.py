"""Subaccounts of the simulated exchange: numbers, transfers, self-trades, collateral return, conservation of money."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.simulated_exchange import ASK, BID, START_US, exchange, metadata, placed, request
from truebook.messages.envelope import TimeInForce
from truebook.messages.market_metadata import FeeType
from truebook.simulation.venue.accounts import SubaccountTransfer
from truebook.simulation.venue.exchange import SimulatedExchange, synthetic_exchange
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.shard_plan import ShardPlan
from truebook.simulation.venue.subaccounts import SubaccountMove
from truebook.venue.account import SelfTradePrevention

DOLLAR = 1_000_000
A, B, C = "SIMTEST-1-A", "SIMTEST-1-B", "SIMTEST-1-C"


def free_exchange(**changes: Any) -> SimulatedExchange:
    """Make an exchange whose only event has three exclusive markets without fees."""
    return exchange(
        *(metadata(ticker, exclusive=True, fee_multiplier_ppm=0, **changes) for ticker in (A, B, C)),
        accounts={"alice": 1_000 * DOLLAR, "bob": 1_000 * DOLLAR},
    )


def moved(venue: SimulatedExchange, amount: int, transfer_id: str, *, to: int = 1, shard: int = 0) -> Any:
    wanted = SubaccountMove(
        transfer_id=transfer_id, from_number=0, to_number=to, amount_micros=amount * DOLLAR, shard=shard
    )
    return venue.subaccounts.move("alice", wanted, START_US)[0]


def cash(venue: SimulatedExchange, account: str) -> int:
    return venue.queries.balance(account).balance_micros


def returned(venue: SimulatedExchange, account: str) -> int:
    return venue.queries.returned_micros(account, on=lambda _: True)


def total(venue: SimulatedExchange) -> int:
    """Sum all cash and held cash; a pair of positions is worth what both sides paid for it."""
    return sum(
        venue.queries.balance(name).total_micros + venue.queries.held_micros(name)
        for name in venue.queries.all_accounts()
    )


def test_subaccounts_are_numbered_per_shard() -> None:
    venue = synthetic_exchange(1, plan=ShardPlan.parse(["2"]))
    venue.open_account("alice", DOLLAR)
    made = [venue.subaccounts.create("alice", shard, START_US)[0] for shard in (0, 0, 2, 9)]
    assert made[:3] == [1, 2, 1]
    assert isinstance(made[3], Rejected)
    assert venue.queries.subaccounts("alice") == ["alice", "alice/1", "alice/2"]
    assert [venue.queries.shards_of(name) for name in venue.queries.subaccounts("alice")] == [[0, 2], [0, 2], [0]]


def test_an_owner_has_at_most_63_subaccounts() -> None:
    venue = exchange()
    made = [venue.subaccounts.create("alice", 0, START_US)[0] for _ in range(64)]
    assert made[62] == 63
    assert isinstance(made[63], Rejected)


def test_a_transfer_moves_free_cash_once() -> None:
    venue = exchange()
    venue.subaccounts.create("alice", 0, START_US)
    assert isinstance(moved(venue, 400, "one"), SubaccountTransfer)
    assert moved(venue, 400, "one").code == "transfer_already_exists"
    assert moved(venue, 700, "two").code == "insufficient_balance"
    assert moved(venue, 1, "three", to=2).code == "invalid_parameters"
    assert moved(venue, 1, "four", to=0).code == "invalid_parameters"
    assert (cash(venue, "alice"), cash(venue, "alice/1")) == (600 * DOLLAR, 400 * DOLLAR)
    assert [one.transfer_id for one in venue.queries.subaccount_transfers("alice")] == ["one"]


def test_a_subaccount_has_cash_and_orders_of_its_own() -> None:
    venue = exchange()
    venue.subaccounts.create("alice", 0, START_US)
    refused, _ = venue.place("alice/1", request(BID, 5_000, 100), START_US)
    assert isinstance(refused, Rejected)
    moved(venue, 10, "one")
    response, _ = placed(venue, "alice/1", request(BID, 5_000, 100))
    assert [one.exchange_order_id for one in venue.queries.orders("alice/1")] == [response.exchange_order_id]
    assert venue.queries.orders("alice") == []
    missing, _ = venue.cancel("alice", response.exchange_order_id, START_US)
    assert isinstance(missing, Rejected)


def test_subaccounts_of_an_owner_never_trade_together() -> None:
    venue = exchange()
    venue.subaccounts.create("alice", 0, START_US)
    moved(venue, 100, "one")
    placed(venue, "alice/1", request(ASK, 5_000, 100))
    response, _ = placed(venue, "alice", request(BID, 5_000, 100))
    assert response.filled_centi == 0
    prevention = SelfTradePrevention.MAKER
    response, _ = placed(venue, "alice", request(BID, 5_000, 100, self_trade_prevention=prevention))
    assert venue.queries.orders("alice/1")[0].last_update_reason == "SelfTradeCancel"
    assert response.filled_centi == 0


def test_a_client_order_id_is_used_once_per_owner() -> None:
    venue = exchange()
    venue.subaccounts.create("alice", 0, START_US)
    moved(venue, 100, "one")
    placed(venue, "alice", request(BID, 1_000, 100, client_order_id="same"))
    refused, _ = venue.place("alice/1", request(BID, 1_000, 100, client_order_id="same"), START_US)
    assert isinstance(refused, Rejected)
    assert refused.code == "order_already_exists"


def buy_no(venue: SimulatedExchange, ticker: str, price_cc: int, size: int) -> None:
    """Let alice buy NO of bob at a price of the NO leg."""
    placed(venue, "bob", request(BID, 10_000 - price_cc, size * 100, ticker))
    placed(venue, "alice", request(ASK, 10_000 - price_cc, size * 100, ticker))


def test_collateral_is_returned_over_exclusive_markets() -> None:
    venue = free_exchange()
    venue.subaccounts.set_netting("alice", 0, True, START_US)
    buy_no(venue, A, 6_000, 10)
    buy_no(venue, B, 7_000, 4)
    # Paid 6.00 + 2.80; whatever happens, 4.00 is paid out.
    assert cash(venue, "alice") == 1_000 * DOLLAR - 4_800_000
    assert returned(venue, "alice") == 4 * DOLLAR


@pytest.mark.parametrize(("yes", "gain"), [(A, 4 - 8.8), (B, 10 - 8.8), (C, 14 - 8.8)])
@pytest.mark.parametrize("order", [(A, B, C), (C, B, A), (B, A, C)])
def test_payouts_are_reduced_by_returned_collateral(yes: str, gain: float, order: tuple[str, ...]) -> None:
    venue = free_exchange()
    venue.subaccounts.set_netting("alice", 0, True, START_US)
    buy_no(venue, A, 6_000, 10)
    buy_no(venue, B, 7_000, 4)
    before = cash(venue, "alice")
    for ticker in order:
        venue.lifecycle.determine(ticker, 10_000 if ticker == yes else 0, START_US)
    venue.advance(START_US + 10 * DOLLAR)
    assert cash(venue, "alice") >= before
    assert cash(venue, "alice") == 1_000 * DOLLAR + round(gain * DOLLAR)
    assert returned(venue, "alice") == 0


def test_collateral_of_earlier_positions_is_not_returned() -> None:
    venue = free_exchange()
    buy_no(venue, A, 6_000, 10)
    venue.subaccounts.set_netting("alice", 0, True, START_US)
    buy_no(venue, B, 7_000, 4)
    assert cash(venue, "alice") == 1_000 * DOLLAR - 8_800_000


def test_a_sale_pays_returned_collateral_back() -> None:
    venue = exchange(
        *(metadata(ticker, exclusive=True, fee_multiplier_ppm=0) for ticker in (A, B)),
        accounts={"alice": 14 * DOLLAR, "bob": 1_000 * DOLLAR},
    )
    venue.subaccounts.set_netting("alice", 0, True, START_US)
    buy_no(venue, A, 6_000, 10)
    buy_no(venue, B, 7_000, 10)
    assert cash(venue, "alice") == 11 * DOLLAR  # 13 paid, 10 returned
    placed(venue, "bob", request(ASK, 9_900, 2_000, A))
    sale = {"reduce_only": True, "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL}
    venue.subaccounts.create("alice", 0, START_US)
    moved(venue, 5, "away")
    refused, _ = venue.place("alice", request(BID, 9_900, 1_000, A, **sale), START_US)
    assert isinstance(refused, Rejected)  # it would pay 0.10 and take 10 back, of which 6 are there
    back = SubaccountMove(transfer_id="back", from_number=1, to_number=0, amount_micros=5 * DOLLAR, shard=0)
    venue.subaccounts.move("alice", back, START_US)
    placed(venue, "alice", request(BID, 9_900, 1_000, A, **sale))
    assert cash(venue, "alice") == 1_100_000
    assert returned(venue, "alice") == 0


SIDES = st.sampled_from([BID, ASK])
STEP = st.one_of(
    st.tuples(
        st.just("order"), st.integers(0, 3), st.sampled_from([A, B, C]), SIDES, st.integers(5, 95), st.integers(1, 40)
    ),
    st.tuples(st.just("move"), st.integers(0, 3), st.integers(0, 3), st.integers(1, 40)),
    st.tuples(st.just("net"), st.integers(0, 2), st.booleans()),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=40), st.sampled_from([A, B, C, ""]), st.permutations([A, B, C]))
def test_money_is_conserved_over_all_subaccounts(steps: list[Any], yes: str, order: list[str]) -> None:
    venue = free_exchange(fee_type=FeeType.QUADRATIC)
    for _ in range(3):
        venue.subaccounts.create("alice", 0, START_US)
        moved(venue, 100, f"start-{_}", to=_ + 1)
    names = ["alice", "alice/1", "alice/2", "bob"]
    assert total(venue) == 2_000 * DOLLAR
    for number, step in enumerate(steps):
        match step:
            case ("order", who, ticker, side, cents, size):
                venue.place(names[who], request(side, cents * 100, size * 100, ticker), START_US)
            case ("move", source, target, amount):
                wanted = SubaccountMove(
                    transfer_id=str(number), from_number=source, to_number=target, amount_micros=amount * DOLLAR,
                    shard=0,
                )  # fmt: skip
                before = total(venue)
                venue.subaccounts.move("alice", wanted, START_US)
                assert total(venue) == before
            case ("net", who, is_on):
                venue.subaccounts.set_netting("alice", who, is_on, START_US)
        for name in names:
            _check_solvent(venue, name)
    for ticker in order:
        venue.lifecycle.determine(ticker, 10_000 if ticker == yes else 0, START_US)
    venue.advance(START_US + 10 * DOLLAR)
    assert total(venue) == 2_000 * DOLLAR
    assert all(returned(venue, name) == 0 for name in venue.queries.all_accounts())


def _check_solvent(venue: SimulatedExchange, name: str) -> None:
    """No subaccount owes cash, whatever its orders hold."""
    account = venue._accounts.account(name)  # the wallet itself: the balance is bounded at 0
    assert all(wallet.cash_micros >= 0 for wallet in account.wallets.values())
    assert all(wallet.cash_micros >= wallet.held_micros for wallet in account.wallets.values())
