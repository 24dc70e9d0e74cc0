"""The life cycle of a market as a table of transitions."""

from __future__ import annotations

import pytest

from truebook.messages.market_metadata import MarketStatus
from truebook.venue.lifecycle import may_become, takes_orders

S = MarketStatus


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        (S.INITIALIZED, S.ACTIVE, True),
        (S.ACTIVE, S.INACTIVE, True),
        (S.INACTIVE, S.ACTIVE, True),
        (S.ACTIVE, S.CLOSED, True),
        (S.ACTIVE, S.DETERMINED, True),
        (S.CLOSED, S.DETERMINED, True),
        (S.DETERMINED, S.FINALIZED, True),
        (S.DETERMINED, S.DISPUTED, True),
        (S.DISPUTED, S.AMENDED, True),
        (S.AMENDED, S.FINALIZED, True),
        (S.CLOSED, S.ACTIVE, False),
        (S.DETERMINED, S.CLOSED, False),
        (S.FINALIZED, S.ACTIVE, False),
        (S.ACTIVE, S.INITIALIZED, False),
        (S.ACTIVE, S.ACTIVE, False),
    ],
)
def test_a_market_never_goes_back(old: MarketStatus, new: MarketStatus, allowed: bool) -> None:
    assert may_become(old, new) is allowed


def test_only_an_active_market_takes_orders() -> None:
    assert [status for status in S if takes_orders(status)] == [S.ACTIVE]
