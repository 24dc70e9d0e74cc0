"""The guards' list is the one that the docs print, and the true reason is never masked."""

from __future__ import annotations

import re
from pathlib import Path

from support.execution_harness import ExecutionHarness, ask, bid
from truebook.execution.guards import GUARDS
from truebook.kalshi.port import RateLimited
from truebook.messages.actions import OmittedSides
from truebook.messages.envelope import Source
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason

PAGE = Path(__file__).parents[3] / "docs" / "execution.md"


def test_the_docs_print_the_guards_in_their_order() -> None:
    section = PAGE.read_text().split("## The guards, in order")[1].split("\n## ")[0]
    assert [guard.reason for guard in GUARDS] == re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


async def later(harness: ExecutionHarness) -> None:
    harness.clock.set(harness.clock.now_us() + 300_000)
    await harness.snapshot()


async def test_a_crossing_post_only_target_cancels_under_its_reason() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        await harness.do(bid(4000))
        await later(harness)
        events = await harness.do(bid(6000, post_only=True))
        assert [(event.outcome, event.reason) for event in events] == [
            (OrderOutcome.CANCEL_SENT, Reason.POST_ONLY_CROSS), (OrderOutcome.CANCELLED, Reason.POST_ONLY_CROSS),
            (OrderOutcome.REFUSED, Reason.POST_ONLY_CROSS),
        ]  # fmt: skip
        assert await harness.open_orders() == []


async def test_an_action_of_another_source_cancels_nothing() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        await harness.do(bid(4000), ask(6000))
        await later(harness)
        events = await harness.do(bid(4100), source=Source.CAPTURE, omitted_sides=OmittedSides.CANCEL)
        assert [(event.outcome, event.reason) for event in events] == [(OrderOutcome.REFUSED, Reason.SOURCE_MISMATCH)]
        assert len(await harness.open_orders()) == 2


async def test_after_a_429_only_what_reduces_risk_is_sent_for_a_second() -> None:
    async with ExecutionHarness() as harness:
        await harness.open_market()
        await harness.do(bid(4000))
        await later(harness)
        harness.exchange.fail("create_order", RateLimited(429, "too_many_requests"))
        await harness.do(bid(4100), omitted_sides=OmittedSides.CANCEL)
        seen = []
        for _ in range(6):
            await later(harness)
            seen.append((await harness.do(ask(6000)))[-1].reason)
        assert seen[:4] == [Reason.RATE_BUDGET] * 4
        assert seen[4] is None, seen
