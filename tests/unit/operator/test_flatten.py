"""``flatten``: the orders that it requests, and what it reports."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from support.account_harness import AccountHarness
from support.fake_operator import FakeOperator
from truebook.ledger.trading_holds import FLATTEN, OPERATOR
from truebook.ledger.verbs import Acknowledge, SettleFill
from truebook.messages.actions import Action
from truebook.messages.codec import decode
from truebook.messages.envelope import BookSide, Source, TimeInForce
from truebook.messages.topics import ACTIONS
from truebook_services.operator.flatten import NO_LEVEL, NOT_FILLED, ActionSender
from truebook_services.operator.port import RequestRefused
from truebook_services.operator.requests import Flatten, FlattenReport, OpenPosition

BIDS = ((5_000, 400), (4_800, 400), (4_500, 5_000))
ASKS = ((5_200, 10_000),)


class FlattenHarness:
    """An account with a position in M, whose actions are recorded, and filled at once if ``fills``."""

    def __init__(self, account: AccountHarness) -> None:
        self.account = account
        self.actions: list[Action] = []
        self._numbers = itertools.count()
        self.fills = True
        self.operator = FakeOperator(account.ledger, account.exchange)
        self.operator.books = {"M": (BIDS, ASKS)}
        self.operator.sender = ActionSender(
            account="a", strategy="s", source=Source.SIMULATED, now_us=account.clock.now_us, publish=self.publish,
            round_s=0.0, within_s=0.05,
        )  # fmt: skip

    async def publish(self, records: Sequence[tuple[str, bytes]]) -> None:
        for _, content in records:
            action = decode(ACTIONS, content)
            assert isinstance(action, Action)
            self.actions.append(action)
            if self.fills:
                [target] = action.targets
                await self.fill(target.book_side, target.size_centi)

    async def fill(self, side: BookSide, size_centi: int, ticker: str = "M") -> None:
        """Record a fill of an order that Truebook did not send."""
        ledger, number = self.account.ledger, next(self._numbers)
        await ledger.apply(
            SettleFill(
                trade_id=f"t{number}", order_id=f"x{number}", ticker=ticker, book_side=side, price_cc=5_000,
                size_centi=size_centi, fee_micros=0,
            )
        )  # fmt: skip
        await ledger.apply(
            Acknowledge(
                order_id=f"hand-{number}", exchange_order_id=f"x{number}", ticker=ticker, filled_centi=size_centi,
                remaining_centi=0,
            )
        )  # fmt: skip


@pytest.fixture
async def harness() -> FlattenHarness:
    account = AccountHarness()
    account.exchange.add_market("M")
    await account.open()
    return FlattenHarness(account)


@pytest.mark.parametrize(
    ("opened", "side", "price_cc"), [(BookSide.BID, BookSide.ASK, 4_800), (BookSide.ASK, BookSide.BID, 5_200)]
)
async def test_a_position_is_closed_by_an_immediate_order(
    harness: FlattenHarness, opened: BookSide, side: BookSide, price_cc: int
) -> None:
    await harness.fill(opened, 800)
    assert await harness.operator.perform(Flatten()) == FlattenReport(closed=("M",), remaining=(), hold="flatten")
    [action] = harness.actions
    [target] = action.targets
    assert (target.book_side, target.price_cc, target.size_centi) == (side, price_cc, 800)
    assert (target.time_in_force, target.reduce_only) == (TimeInForce.IMMEDIATE_OR_CANCEL, True)
    assert FLATTEN.name in harness.account.holds()
    await harness.operator.resume()
    assert FLATTEN.name not in harness.account.holds()


async def test_no_order_goes_beyond_the_price_bound(harness: FlattenHarness) -> None:
    await harness.fill(BookSide.BID, 2_000)
    harness.fills = False
    report = await harness.operator.perform(Flatten(max_slip_cc=200))
    assert {action.targets[0].price_cc for action in harness.actions} == {4_800}
    assert report.remaining == (OpenPosition(ticker="M", position_centi=2_000, cause=NOT_FILLED),)


async def test_a_market_without_a_book_is_reported(harness: FlattenHarness) -> None:
    await harness.fill(BookSide.BID, 500)
    harness.operator.books = {}
    report = await harness.operator.perform(Flatten())
    assert [each.cause for each in report.remaining] == [NO_LEVEL]
    assert harness.actions == []


async def test_only_the_named_markets_are_closed(harness: FlattenHarness) -> None:
    await harness.fill(BookSide.BID, 500)
    harness.account.exchange.add_market("OTHER")
    report = await harness.operator.perform(Flatten(tickers=("OTHER",)))
    assert (report.closed, report.remaining, harness.actions) == ((), (), [])


async def test_a_halted_account_refuses_to_flatten(harness: FlattenHarness) -> None:
    await harness.account.ledger.apply(OPERATOR.place())
    with pytest.raises(RequestRefused, match="trading is halted"):
        await harness.operator.perform(Flatten())
    assert FLATTEN.name not in harness.account.holds()
