"""The operator's verbs over services that run apart: what they make of ledger, exchange and topics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from support.account_rig import AccountRig
from support.samples import NOW_US, TICKER, action, samples
from truebook.kalshi.port import OutcomeUnknown
from truebook.ledger.port import View
from truebook.messages.envelope import Message
from truebook.messages.orders import OrderOutcome
from truebook.messages.topics import ACTIONS, FILLS, MARKETS, OBSERVATIONS, ORDERBOOK, ORDERS, Topic
from truebook_services.cli.deployed import lasting_differences, replay, stop_trading
from truebook_services.operator.client import OperatorError

SAMPLES = samples()
OTHER = "KXHIGHNY-26NOV24-B53.5"


def changed(name: str, **changes: Any) -> Message:
    return msgspec.structs.replace(SAMPLES[name], **changes)


def topics() -> dict[str, list[Message]]:
    """A market's way from its book to a fill, twice over, each topic by itself; and a second market."""
    first, second = NOW_US, NOW_US + 1_000_000
    told: dict[str, list[Message]] = {topic.name: [] for topic in (MARKETS, ORDERBOOK, OBSERVATIONS, ACTIONS, ORDERS)}
    told[FILLS.name] = [
        changed("fills.fill_booked", answer="duplicate", produced_us=first + 40),
        changed("fills.fill_booked", answer="duplicate", produced_us=first + 50),
        changed("fills.fill_booked", id="earlier", exchange_us=first - 1, produced_us=first + 60),
    ]
    told[MARKETS.name] = [changed("markets.market"), changed("markets.market", ticker=OTHER)]
    told[ORDERBOOK.name] = [
        changed("orderbook.book_delta", produced_us=first, version=41),
        changed("orderbook.book_snapshot", produced_us=first, version=42),
        changed("orderbook.book_delta", ticker=OTHER, produced_us=first),
        changed("orderbook.book_snapshot", ticker=OTHER, produced_us=second),
    ]
    for at_us, name, bid_cc in ((first, "aa", 4_600), (second, "bb", 4_500)):
        told[OBSERVATIONS.name].append(
            changed("observations.observation", id=f"o-{name}", best_bid_cc=bid_cc, produced_us=at_us + 10)
        )
        told[ACTIONS.name].append(action(id=name, observation_id=f"o-{name}", produced_us=at_us + 20))
        told[ORDERS.name].append(
            changed("orders.order_event", action_id=name, outcome=OrderOutcome.SENT, reason=None,
                    client_order_id=f"tb1-{name}", produced_us=at_us + 30)
        )  # fmt: skip
    return told


async def replayed(ticker: str | None) -> Any:
    told = topics()

    async def read(topic: Topic, _: int) -> AsyncIterator[Message]:
        for message in told[topic.name]:
            yield message

    return await replay(read, ticker, NOW_US)


def stages(told: Any) -> dict[str, int]:
    return {stage.name: stage.count for stage in told.evidence.funnel(NOW_US + 2_000_000).stages}


async def test_the_funnel_counts_what_every_topic_keeps() -> None:
    counts = stages(await replayed(None))
    assert {name: counts[name] for name in ("observed", "decided", "sent", "fills")} == {
        "observed": 2, "decided": 2, "sent": 2, "fills": 1,
    }  # fmt: skip


async def test_a_book_counts_from_its_first_snapshot_on() -> None:
    """What came before it can't be judged, and would show as a stale book that nobody had."""
    counts = stages(await replayed(None))
    assert (counts["seen"], counts["fresh"]) == (2, 2)


async def test_a_fill_counts_once_whoever_booked_it_and_only_in_its_time() -> None:
    assert stages(await replayed(None))["fills"] == 1


async def test_a_markets_decisions_meet_their_observations_orders_and_fills() -> None:
    """The topics are read one after the other; each decision still belongs to what it saw and what it caused."""
    market = (await replayed(TICKER)).evidence.market(TICKER)
    told = [(each.action_id, each.bid_cc, [step.outcome for step in each.steps]) for each in market.decisions]
    assert told == [("aa", 4_600, ["sent", "filled"]), ("bb", 4_500, ["sent"])]


async def test_a_difference_that_stays_is_told() -> None:
    async with AccountRig() as rig:
        await rig.open()
        await rig.ledger.adjust("a", 5_000_000, "deposit", "never arrived")
        found = await lasting_differences(rig.exchange, rig.ledger, within_s=0, again_s=0)
        assert [each.what for each in found] == ["available cash"]


async def test_a_difference_that_goes_by_itself_is_none() -> None:
    """Ledger and exchange are not read at one moment while orders fly."""
    async with AccountRig() as rig:
        await rig.open()
        await rig.ledger.adjust("a", 5_000_000, "deposit", "on its way")
        read: list[View] = []
        view = rig.ledger.view

        async def moving(tickers: tuple[str, ...] | None = None) -> View:
            read.append(await view(tickers))
            if len(read) == 4:
                await rig.ledger.adjust("b", -5_000_000, "residue", "arrived")
            return read[-1]

        rig.ledger.view = moving  # type: ignore[method-assign]
        assert await lasting_differences(rig.exchange, rig.ledger, within_s=0, again_s=0) == ()
        assert len(read) > 4


async def test_orders_on_their_way_are_no_difference() -> None:
    async with AccountRig() as rig:
        await rig.open()
        await rig.place()
        assert await lasting_differences(rig.exchange, rig.ledger, within_s=0, again_s=0) == ()


async def test_a_halt_holds_and_cancels() -> None:
    async with AccountRig() as rig:
        await rig.open()
        await rig.place()
        answer = await stop_trading(rig.ledger, rig.exchange.cancel_all, keep_orders=False)
        assert answer == {"result": "held", "orders": "cancelled"}
        assert rig.holds() == {"operator"}
        assert [order.remaining_centi for order in rig.exchange.own()] == [0]


async def test_a_halt_that_keeps_orders_says_so_to_execution() -> None:
    async with AccountRig() as rig:
        await rig.open()
        await rig.place()
        assert (await stop_trading(rig.ledger, rig.exchange.cancel_all, keep_orders=True))["orders"] == "kept"
        assert rig.holds() == {"operator_keep_orders"}
        assert [order.remaining_centi for order in rig.exchange.own()] == [1_000]


async def test_a_halt_without_a_key_leaves_the_cancelling_to_execution() -> None:
    async with AccountRig() as rig:
        await rig.open()
        assert "left to execution" in (await stop_trading(rig.ledger, None, keep_orders=False))["orders"]
        assert rig.holds() == {"operator"}


async def test_a_halt_whose_cancelling_fails_says_that_orders_may_rest() -> None:
    async with AccountRig() as rig:
        await rig.open()
        rig.exchange.fail("cancel_all", OutcomeUnknown("time-out"))
        with pytest.raises(OperatorError, match="orders may rest"):
            await stop_trading(rig.ledger, rig.exchange.cancel_all, keep_orders=False)
        assert rig.holds() == {"operator"}
