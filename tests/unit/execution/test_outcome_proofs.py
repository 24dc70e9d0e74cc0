"""When an order without a known outcome counts as found, absent or still unknown, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.ledger.order_resolution import Absent, Found, Probe, StillUnknown, decide, find, proof_us
from truebook.ledger.port import OrderView
from truebook.messages.envelope import BookSide
from truebook.venue.account import ExchangeOrder, OrderStatus

LAST_CHANCE = 1_000


def listed(order_id: str = "a", filled: int = 0, status: OrderStatus = OrderStatus.RESTING) -> ExchangeOrder:
    return ExchangeOrder(
        exchange_order_id=f"x-{order_id}", client_order_id=order_id, ticker="M", book_side=BookSide.BID,
        price_cc=4000, initial_centi=1000, filled_centi=filled, remaining_centi=1000 - filled, status=status,
    )  # fmt: skip


def absent(data_us: int) -> Probe:
    return Probe(data_us=data_us, found=None)


def found(data_us: int, **changed) -> Probe:
    return Probe(data_us=data_us, found=listed(**changed))


ROWS = [
    ("found, however old the data", [found(1)], 10, Found),
    ("found terminal", [found(1, status=OrderStatus.CANCELED)], 10, Found),
    ("found once and then not: it exists", [found(1), absent(2_000), absent(3_000)], 9_000, Found),
    ("no look-up yet", [], 9_000, StillUnknown),
    ("absent, but it may still arrive", [absent(500), absent(600)], 700, StillUnknown),
    ("absent in data from before its last chance", [absent(900), absent(1_000)], 9_000, StillUnknown),
    ("absent once after it", [absent(2_000)], 9_000, StillUnknown),
    ("absent twice in the same data", [absent(2_000), absent(2_000)], 9_000, StillUnknown),
    ("absent twice after it", [absent(2_000), absent(3_000)], 9_000, Absent),
    ("data that went back in between", [absent(2_000), absent(900), absent(3_000)], 9_000, StillUnknown),
    ("data from the future of our own clock", [absent(2_000), absent(3_000)], 1_000, StillUnknown),
]


@pytest.mark.parametrize(("probes", "now_us", "verdict"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_only_proof_decides(probes: list[Probe], now_us: int, verdict: type) -> None:
    assert isinstance(decide(probes, LAST_CHANCE, now_us), verdict)


@given(st.lists(st.integers(0, 5_000)), st.integers(0, 10_000))
def test_absence_needs_two_data_times_after_the_last_chance(data: list[int], now_us: int) -> None:
    if isinstance(decide([absent(us) for us in data], LAST_CHANCE, now_us), Absent):
        assert len({us for us in data if us > LAST_CHANCE}) >= 2
        assert now_us > LAST_CHANCE


def test_the_last_chance_is_the_latest_of_three_times() -> None:
    order = OrderView(
        order_id="a", exchange_order_id=None, ticker="M", book_side=BookSide.BID, price_cc=1, size_centi=1,
        applied_centi=0, remaining_centi=1, state="unknown", reduce_only=False, reserved_us=0, deadline_us=0,
        send_by_us=50, expires_us=70,
    )  # fmt: skip
    assert [proof_us(order, until_us) for until_us in (60, 90)] == [70, 90]


def test_of_two_listings_the_one_with_more_fills_counts() -> None:
    match = find("a", [listed("b"), listed("a"), listed("a", filled=300), listed("a")], 0)
    assert match is not None
    assert match.filled_centi == 300
    assert find("z", [listed("a")], 0) is None
