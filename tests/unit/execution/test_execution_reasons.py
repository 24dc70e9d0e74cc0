"""Every reason for which execution does nothing, one row each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from support.execution_harness import ExecutionHarness, ask, bid
from support.services import until
from truebook.kalshi.port import RateLimited, Refused, Unreachable
from truebook.ledger.verbs import Hold, Limits, Mode, SettleMarket
from truebook.messages.actions import Target
from truebook.messages.envelope import Source, TimeInForce
from truebook.messages.market_metadata import FeeType, MarketStatus
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook_services.execution.settings import ExecutionSettings

Row = tuple[str, Callable[[ExecutionHarness], Awaitable[tuple[Target, dict[str, object]]]], Reason]


async def past_deadline(harness: ExecutionHarness):
    return bid(), {"deadline_s": 0}


async def halted(harness: ExecutionHarness):
    await harness.ledger.apply(Hold(name="operator", mode=Mode.HALTED, owner="operator"))
    return bid(), {}


async def flattening(harness: ExecutionHarness):
    await harness.ledger.apply(Hold(name="operator", mode=Mode.FLATTENING, owner="operator"))
    return bid(), {}


async def reduce_only_mode(harness: ExecutionHarness):
    await harness.ledger.apply(Hold(name="loss", mode=Mode.REDUCE_ONLY, owner="operator"))
    return bid(), {}


async def broken(harness: ExecutionHarness):
    harness.exchange.fail("create_order", *[Refused(400, "invalid_order")] * 5)
    for _ in range(5):
        await harness.do(bid())
        harness.clock.set(harness.clock.now_us() + 1_000_000)
        await harness.snapshot()
    return bid(), {}


async def stale(harness: ExecutionHarness):
    await harness.mark_stale()
    return bid(), {}


async def old_book(harness: ExecutionHarness):
    await harness.snapshot(age_s=6)
    return bid(), {}


async def throttled(harness: ExecutionHarness):
    await harness.do(bid(10_000))
    return bid(), {}


async def no_position(harness: ExecutionHarness):
    return ask(reduce_only=True), {}


async def zero_size(harness: ExecutionHarness):
    return bid(size_centi=0), {}


async def off_grid(harness: ExecutionHarness):
    return bid(4050), {}


async def post_only_cross(harness: ExecutionHarness):
    return bid(6000, post_only=True), {}


async def near_close(harness: ExecutionHarness):
    market = harness.exchange.engine.queries.market("M")
    assert market is not None
    await harness.publish_metadata(market, close_us=harness.clock.now_us() + 29_000_000)
    return bid(), {}


async def flat_fee(harness: ExecutionHarness):
    market = harness.exchange.engine.queries.market("M")
    assert market is not None
    await harness.publish_metadata(market, fee_type=FeeType.FLAT)
    return bid(), {}


async def mixed_sources(harness: ExecutionHarness):
    return bid(), {"source": Source.CAPTURE}


async def closed(harness: ExecutionHarness):
    market = harness.exchange.engine.queries.market("M")
    assert market is not None
    await harness.publish_metadata(market, status=MarketStatus.CLOSED)
    return bid(), {}


async def fill_or_kill(harness: ExecutionHarness):
    return bid(time_in_force=TimeInForce.FILL_OR_KILL), {}


async def unknown_market(harness: ExecutionHarness):
    await harness.open_market("N", publish=False)
    return bid(), {"ticker": "N"}


async def expired(harness: ExecutionHarness):
    return bid(expires_us=harness.clock.now_us() - 1_000_000), {}


async def too_big(harness: ExecutionHarness):
    await harness.ledger.apply(Limits(order_size_centi=500))
    return bid(), {}


async def too_expensive(harness: ExecutionHarness):
    return bid(4000, 10_000_000), {}


async def far_from_reference(harness: ExecutionHarness):
    await harness.ledger.apply(Limits(price_collar_cc=500))
    return bid(), {}


async def settled(harness: ExecutionHarness):
    await harness.ledger.apply(SettleMarket(ticker="M", settlement_cc=10_000))
    return bid(), {}


async def rate_limited(harness: ExecutionHarness):
    harness.exchange.fail("create_order", RateLimited(429, "too_many_requests"))
    return bid(), {}


ROWS: list[Row] = [
    ("the deadline has passed", past_deadline, Reason.DEADLINE),
    ("a halt", halted, Reason.HOLD),
    ("flattening admits only reduce-only orders", flattening, Reason.HOLD),
    ("reduce-only mode, checked by the ledger", reduce_only_mode, Reason.HOLD),
    ("five rejections in a row open the breaker", broken, Reason.BREAKER),
    ("ingest has marked the book as stale", stale, Reason.STALE_BOOK),
    ("the book was last confirmed six seconds ago", old_book, Reason.STALE_BOOK),
    ("a second attempt at the same moment", throttled, Reason.THROTTLE),
    ("reduce-only without a position", no_position, Reason.ZERO_SIZE),
    ("a target of size zero", zero_size, Reason.ZERO_SIZE),
    ("half a cent on a grid of cents", off_grid, Reason.OFF_GRID),
    ("post-only at the best ask", post_only_cross, Reason.POST_ONLY_CROSS),
    ("opening half a minute before close", near_close, Reason.NEAR_CLOSE),
    ("a fee without a known bound", flat_fee, Reason.FEE_TYPE),
    ("an action from another source of market data", mixed_sources, Reason.SOURCE_MISMATCH),
    ("the market is closed", closed, Reason.MARKET_NOT_TRADING),
    ("fill-or-kill is not supported", fill_or_kill, Reason.INVALID),
    ("no metadata of the market", unknown_market, Reason.NO_MARKET_METADATA),
    ("the target has expired", expired, Reason.DEADLINE),
    ("above the limit of the order size", too_big, Reason.ORDER_SIZE),
    ("above the available cash", too_expensive, Reason.CASH),
    ("outside the price collar", far_from_reference, Reason.PRICE_COLLAR),
    ("a settled market", settled, Reason.SETTLED),
    ("429: nothing was done", rate_limited, Reason.RATE_BUDGET),
]


@pytest.mark.parametrize(("arrange", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_nothing_is_done_and_the_reason_is_reported(arrange, reason: Reason) -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        target, changed = await arrange(harness)
        events = await harness.do(target, **changed)
        assert events[-1].outcome is OrderOutcome.REFUSED
        assert events[-1].reason is reason
        market = (await harness.ledger.view()).market(str(changed.get("ticker", "M")))
        assert market is None or not market.orders, "nothing is reserved"


async def test_an_empty_rate_budget_keeps_a_share_for_reducing() -> None:
    async with ExecutionHarness(ExecutionSettings(tier="basic", order_group_limit_centi=0)) as harness:
        for number in range(12):
            await harness.open_market(f"M{number}")
        sent = [(await harness.do(bid(), ticker=f"M{number}"))[-1] for number in range(9)]
        assert [event.outcome for event in sent] == [OrderOutcome.ACKNOWLEDGED] * 8 + [OrderOutcome.REFUSED]
        assert sent[-1].reason is Reason.RATE_BUDGET
        await harness.add_position(500, "M11")
        reducing = await harness.do(ask(6000, 500, reduce_only=True), ticker="M11")
        assert reducing[-1].outcome is OrderOutcome.ACKNOWLEDGED


async def test_a_rejection_is_proof_and_releases_the_reservation() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        for error in (Refused(400, "insufficient_balance"), Unreachable("connection refused")):
            harness.exchange.fail("create_order", error)
            action = harness.action(bid())
            await harness.send(action)
            events = await harness.outcome(action)
            assert [event.outcome for event in events] == [OrderOutcome.SENT, OrderOutcome.REJECTED]
            assert (await harness.order(action, bid().book_side)).state == "terminal"
            assert (await harness.ledger.view()).account.reserved_micros == 0
            harness.clock.set(harness.clock.now_us() + 1_000_000)
            await harness.snapshot()


async def test_a_paused_exchange_holds_all_trading() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        harness.exchange.fail("create_order", Refused(409, "trading_is_paused"))
        await harness.do(bid())
        harness.clock.set(harness.clock.now_us() + 1_000_000)
        await harness.snapshot()
        assert (await harness.do(bid()))[-1].reason is Reason.HOLD
        before = harness.exchange.count("status")
        await harness.clock.advance(2.5)
        await until(lambda: harness.exchange.count("status") > before, "the status is requested")
        await until(lambda: not harness.ledger.ledger.view(()).account.holds, "the hold is released")
        await harness.snapshot()
        assert (await harness.do(bid()))[-1].outcome is OrderOutcome.ACKNOWLEDGED
