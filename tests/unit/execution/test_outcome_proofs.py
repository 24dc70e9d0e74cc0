"""When an order whose sending has no known outcome counts as found, as absent, or as neither: a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.ledger.outcome import Absent, Found, Look, StillUnknown, decide, find, proof_us
from truebook.ledger.port import OrderView
from truebook.messages.envelope import BookSide
from truebook.venue.account import ExchangeOrder, OrderStatus

LAST_CHANCE = 1_000


def shown(order_id: str = "a", filled: int = 0, status: OrderStatus = OrderStatus.RESTING) -> ExchangeOrder:
    return ExchangeOrder(
        exchange_order_id=f"x-{order_id}", client_order_id=order_id, ticker="M", book_side=BookSide.BID,
        price_cc=4000, initial_centi=1000, filled_centi=filled, remaining_centi=1000 - filled, status=status,
    )  # fmt: skip


def absent(data_us: int) -> Look:
    return Look(data_us=data_us, found=None)


def seen(data_us: int, **changed) -> Look:
    return Look(data_us=data_us, found=shown(**changed))


ROWS = [
    ("seen at once, however old the data", [seen(1)], 10, Found),
    ("seen terminal", [seen(1, status=OrderStatus.CANCELED)], 10, Found),
    ("seen once and then not: it exists", [seen(1), absent(2_000), absent(3_000)], 9_000, Found),
    ("nothing asked yet", [], 9_000, StillUnknown),
    ("absent, but it may still arrive", [absent(500), absent(600)], 700, StillUnknown),
    ("absent in data from before its last chance", [absent(900), absent(1_000)], 9_000, StillUnknown),
    ("absent once after it", [absent(2_000)], 9_000, StillUnknown),
    ("absent twice in the same data", [absent(2_000), absent(2_000)], 9_000, StillUnknown),
    ("absent twice after it", [absent(2_000), absent(3_000)], 9_000, Absent),
    ("data that went back in between", [absent(2_000), absent(900), absent(3_000)], 9_000, StillUnknown),
    ("data from the future of our own clock", [absent(2_000), absent(3_000)], 1_000, StillUnknown),
]


@pytest.mark.parametrize(("looks", "now_us", "verdict"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_only_proof_decides(looks: list[Look], now_us: int, verdict: type) -> None:
    assert isinstance(decide(looks, LAST_CHANCE, now_us), verdict)


@given(st.lists(st.integers(0, 5_000)), st.integers(0, 10_000))
def test_absence_always_rests_on_two_different_data_from_after_the_last_chance(data: list[int], now_us: int) -> None:
    if isinstance(decide([absent(us) for us in data], LAST_CHANCE, now_us), Absent):
        assert len({us for us in data if us > LAST_CHANCE}) >= 2
        assert now_us > LAST_CHANCE


def test_the_last_chance_is_the_latest_of_expiry_send_by_and_signature() -> None:
    order = OrderView(
        order_id="a", exchange_order_id=None, ticker="M", book_side=BookSide.BID, price_cc=1, size_centi=1,
        applied_centi=0, remaining_centi=1, state="unknown", reduce_only=False, reserved_us=0, deadline_us=0,
        send_by_us=50, expires_us=70,
    )  # fmt: skip
    assert [proof_us(order, until_us) for until_us in (60, 90)] == [70, 90]


def test_of_an_order_that_is_listed_twice_the_entry_that_has_filled_more_counts() -> None:
    found = find("a", [shown("b"), shown("a"), shown("a", filled=300), shown("a")])
    assert found is not None
    assert found.filled_centi == 300
    assert find("z", [shown("a")]) is None
