"""Every reason for which execution does nothing, one row each, and the order in which they are looked at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from support.execution_rig import Rig, ask, bid, until
from truebook.kalshi.port import RateLimited, Refused, Unreachable
from truebook.ledger.port import Limits
from truebook.messages.actions import Target
from truebook.messages.envelope import Source, TimeInForce
from truebook.messages.facts import FeeType, MarketStatus
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook_services.execution.settings import ExecutionSettings

Row = tuple[str, Callable[[Rig], Awaitable[tuple[Target, dict[str, object]]]], Reason]


async def past_deadline(rig: Rig):
    return bid(), {"deadline_s": 0}


async def halted(rig: Rig):
    await rig.ledger.hold("operator", "halted", "operator")
    return bid(), {}


async def flattening(rig: Rig):
    await rig.ledger.hold("operator", "flattening", "operator")
    return bid(), {}


async def reduce_only_mode(rig: Rig):
    await rig.ledger.hold("loss", "reduce_only", "operator")
    return bid(), {}


async def broken(rig: Rig):
    rig.exchange.fail("create_order", *[Refused(400, "invalid_order")] * 5)
    for _ in range(5):
        await rig.do(bid())
        rig.clock.set(rig.clock.now_us() + 1_000_000)
        await rig.snapshot()
    return bid(), {}


async def stale(rig: Rig):
    await rig.mark_stale()
    return bid(), {}


async def old_book(rig: Rig):
    await rig.snapshot(age_s=6)
    return bid(), {}


async def throttled(rig: Rig):
    await rig.do(bid(10_000))
    return bid(), {}


async def nothing_held(rig: Rig):
    return ask(reduce_only=True), {}


async def no_size(rig: Rig):
    return bid(size_centi=0), {}


async def off_grid(rig: Rig):
    return bid(4050), {}


async def post_only_cross(rig: Rig):
    return bid(6000, post_only=True), {}


async def near_close(rig: Rig):
    facts = rig.exchange.engine.market("M")
    assert facts is not None
    await rig.tell_facts(facts, close_us=rig.clock.now_us() + 29_000_000)
    return bid(), {}


async def flat_fee(rig: Rig):
    facts = rig.exchange.engine.market("M")
    assert facts is not None
    await rig.tell_facts(facts, fee_type=FeeType.FLAT)
    return bid(), {}


async def mixed_sources(rig: Rig):
    return bid(), {"source": Source.CAPTURE}


async def closed(rig: Rig):
    facts = rig.exchange.engine.market("M")
    assert facts is not None
    await rig.tell_facts(facts, status=MarketStatus.CLOSED)
    return bid(), {}


async def kill_or_fill(rig: Rig):
    return bid(time_in_force=TimeInForce.FILL_OR_KILL), {}


async def unknown_market(rig: Rig):
    await rig.open_market("N", known=False)
    return bid(), {"ticker": "N"}


async def expired(rig: Rig):
    return bid(expires_us=rig.clock.now_us() - 1_000_000), {}


async def too_big(rig: Rig):
    await rig.ledger.set_limits(Limits(order_size_centi=500))
    return bid(), {}


async def too_dear(rig: Rig):
    return bid(4000, 10_000_000), {}


async def far_from_reference(rig: Rig):
    await rig.ledger.set_limits(Limits(price_collar_cc=500))
    return bid(), {}


async def settled(rig: Rig):
    await rig.ledger.settle_market("M", 10_000)
    return bid(), {}


async def rate_limited(rig: Rig):
    rig.exchange.fail("create_order", RateLimited(429, "too_many_requests"))
    return bid(), {}


ROWS: list[Row] = [
    ("the deadline has passed", past_deadline, Reason.DEADLINE),
    ("a halt", halted, Reason.HOLD),
    ("flattening admits reduce-only orders alone", flattening, Reason.HOLD),
    ("reduce-only mode, judged by the ledger", reduce_only_mode, Reason.HOLD),
    ("five rejections in a row open the breaker", broken, Reason.BREAKER),
    ("ingest says stale", stale, Reason.STALE_BOOK),
    ("the book was last confirmed six seconds ago", old_book, Reason.STALE_BOOK),
    ("a second attempt at the same moment", throttled, Reason.THROTTLE),
    ("reduce-only without a position", nothing_held, Reason.NO_SIZE),
    ("nothing wanted", no_size, Reason.NO_SIZE),
    ("half a cent in a market of cents", off_grid, Reason.OFF_GRID),
    ("post-only at the best ask", post_only_cross, Reason.POST_ONLY_CROSS),
    ("opening half a minute before the close", near_close, Reason.NEAR_CLOSE),
    ("a fee that can't be bounded", flat_fee, Reason.FEE_TYPE),
    ("a decision on other market data", mixed_sources, Reason.SOURCE_MISMATCH),
    ("the market is closed", closed, Reason.MARKET_NOT_TRADING),
    ("fill-or-kill is not ours to send", kill_or_fill, Reason.INVALID),
    ("no facts about the market", unknown_market, Reason.NO_MARKET_FACTS),
    ("the target's own time has passed", expired, Reason.DEADLINE),
    ("the ledger's order size", too_big, Reason.ORDER_SIZE),
    ("the ledger's cash", too_dear, Reason.CASH),
    ("the ledger's price collar", far_from_reference, Reason.PRICE_COLLAR),
    ("a settled market", settled, Reason.SETTLED),
    ("429: nothing was done", rate_limited, Reason.RATE_BUDGET),
]


@pytest.mark.parametrize(("arrange", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_nothing_is_done_and_the_reason_is_told(arrange, reason: Reason) -> None:
    async with Rig() as rig:
        await rig.open_market()
        target, changed = await arrange(rig)
        events = await rig.do(target, **changed)
        assert events[-1].outcome is OrderOutcome.REFUSED
        assert events[-1].reason is reason
        market = (await rig.ledger.view()).market(str(changed.get("ticker", "M")))
        assert market is None or not market.orders, "nothing stays promised"


async def test_an_empty_rate_budget_refuses_at_once_and_keeps_a_share_for_what_reduces_risk() -> None:
    async with Rig(ExecutionSettings(tier="basic")) as rig:
        for number in range(12):
            await rig.open_market(f"M{number}")
        sent = [(await rig.do(bid(), ticker=f"M{number}"))[-1] for number in range(9)]
        assert [event.outcome for event in sent] == [OrderOutcome.ACKNOWLEDGED] * 8 + [OrderOutcome.REFUSED]
        assert sent[-1].reason is Reason.RATE_BUDGET
        await rig.hold_position(500, "M11")
        reducing = await rig.do(ask(6000, 500, reduce_only=True), ticker="M11")
        assert reducing[-1].outcome is OrderOutcome.ACKNOWLEDGED


async def test_a_rejection_is_proof_and_frees_the_promise() -> None:
    async with Rig() as rig:
        await rig.open_market()
        for error in (Refused(400, "insufficient_balance"), Unreachable("connection refused")):
            rig.exchange.fail("create_order", error)
            action = rig.action(bid())
            await rig.send(action)
            events = await rig.outcome(action)
            assert [event.outcome for event in events] == [OrderOutcome.SENT, OrderOutcome.REJECTED]
            assert (await rig.order(action, bid().book_side)).state == "terminal"
            assert (await rig.ledger.view()).account.promised_micros == 0
            rig.clock.set(rig.clock.now_us() + 1_000_000)
            await rig.snapshot()


async def test_a_paused_exchange_holds_all_trading_until_it_trades_again() -> None:
    async with Rig() as rig:
        await rig.open_market()
        rig.exchange.fail("create_order", Refused(409, "trading_is_paused"))
        await rig.do(bid())
        rig.clock.set(rig.clock.now_us() + 1_000_000)
        await rig.snapshot()
        assert (await rig.do(bid()))[-1].reason is Reason.HOLD
        before = rig.exchange.calls["status"]
        await rig.clock.advance(2.5)
        await until(lambda: rig.exchange.calls["status"] > before, "the status was asked for")
        await until(lambda: not rig.ledger.ledger.view(()).account.holds, "the hold is gone")
        await rig.snapshot()
        assert (await rig.do(bid()))[-1].outcome is OrderOutcome.ACKNOWLEDGED
