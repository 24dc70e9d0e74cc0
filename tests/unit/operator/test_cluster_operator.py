"""The operator's port over Kafka: what it computes from ledger, exchange and topics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from support.account_harness import AccountHarness
from support.samples import NOW_US, TICKER, action, decisions_counted, samples
from truebook.ledger.port import LedgerView
from truebook.ledger.verbs import Adjust
from truebook.messages.envelope import Message
from truebook.messages.fills import ReportOutcome
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason
from truebook.messages.topics import ACTIONS, FILLS, MARKETS, OBSERVATIONS, ORDERBOOK, ORDERS, REFUSALS, Topic
from truebook.models.guard import Breach, BreachKind
from truebook.models.history import ModelVersion
from truebook.models.pointer import Failure, Pointer
from truebook_services.operator.cluster import decisions, model_in_use, replay
from truebook_services.operator.differences import lasting_differences
from truebook_services.operator.model_failures import model_stopped
from truebook_services.operator.port import ModelFailure
from truebook_services.operator.statistics import Statistics

SAMPLES = samples()
OTHER = "KXHIGHNY-26NOV24-B53.5"


def changed(name: str, **changes: Any) -> Message:
    return msgspec.structs.replace(SAMPLES[name], **changes)


def topics() -> dict[str, list[Message]]:
    """Return each topic's messages: two decisions in one market, from book to fill, and a second market's book."""
    first, second = NOW_US, NOW_US + 1_000_000
    by_topic: dict[str, list[Message]] = {
        topic.name: [] for topic in (MARKETS, ORDERBOOK, OBSERVATIONS, ACTIONS, ORDERS)
    }
    by_topic[REFUSALS.name] = [
        changed("refusals.refusals_counted", service="policy", counts={Reason.DEADLINE: 3}, produced_us=second + 70),
        decisions_counted(produced_us=second + 80, until_us=second + 15, counts={Reason.NO_ACTION: 4}),
    ]
    by_topic[FILLS.name] = [
        changed("fills.fill_recorded", outcome=ReportOutcome.DUPLICATE, produced_us=first + 40),
        changed("fills.fill_recorded", outcome=ReportOutcome.DUPLICATE, produced_us=first + 50),
        changed("fills.fill_recorded", id="earlier", exchange_us=first - 1, produced_us=first + 60),
    ]
    by_topic[MARKETS.name] = [changed("markets.market_updated"), changed("markets.market_updated", ticker=OTHER)]
    by_topic[ORDERBOOK.name] = [
        changed("orderbook.book_delta", produced_us=first, version=41),
        changed("orderbook.book_snapshot", produced_us=first, version=42),
        changed("orderbook.book_delta", ticker=OTHER, produced_us=first),
        changed("orderbook.book_snapshot", ticker=OTHER, produced_us=second),
    ]
    for at_us, name, bid_cc in ((first, "aa", 4_600), (second, "bb", 4_500)):
        by_topic[OBSERVATIONS.name].append(
            changed("observations.observation", id=f"o-{name}", best_bid_cc=bid_cc, produced_us=at_us + 10)
        )
        by_topic[ACTIONS.name].append(action(id=name, observation_id=f"o-{name}", produced_us=at_us + 20))
        by_topic[ORDERS.name].append(
            changed("orders.order_event", action_id=name, outcome=OrderOutcome.SENT, reason=None,
                    client_order_id=f"tb1-{name}", produced_us=at_us + 30)
        )  # fmt: skip
    return by_topic


async def replayed(ticker: str | None) -> Statistics:
    by_topic = topics()

    async def read(topic: Topic, _: int) -> AsyncIterator[Message]:
        for message in by_topic[topic.name]:
            yield message

    return await replay(read, ticker, NOW_US)


def stages(statistics: Statistics) -> dict[str, int]:
    return {stage.name: stage.count for stage in statistics.evidence.funnel(NOW_US + 2_000_000).stages}


async def test_the_funnel_counts_every_topic() -> None:
    counts = stages(await replayed(None))
    assert {name: counts[name] for name in ("observed", "decided", "with targets", "sent", "fills")} == {
        "observed": 2, "decided": 6, "with targets": 2, "sent": 2, "fills": 1,
    }  # fmt: skip


async def test_a_book_counts_from_its_first_snapshot_on() -> None:
    """Earlier changes can't be applied, and would be counted as changes of a stale book."""
    counts = stages(await replayed(None))
    assert (counts["book updates"], counts["fresh"]) == (2, 2)


async def test_a_fill_counts_once_and_only_in_the_window() -> None:
    assert stages(await replayed(None))["fills"] == 1


async def test_decisions_are_matched_to_observations_orders_and_fills() -> None:
    """The topics are read one after the other, but each decision has the values of its own observation."""
    market = (await replayed(TICKER)).evidence.market(TICKER)
    assert market is not None
    found = [(each.action_id, each.bid_cc, [step.outcome for step in each.steps]) for each in market.decisions]
    assert found == [("aa", 4_600, ["sent", "filled"]), ("bb", 4_500, ["sent"])]


async def test_refusals_are_counted_as_in_a_process() -> None:
    """The topics carry the policy's refusals as the bus of one process does."""
    market = (await replayed(TICKER)).evidence.market(TICKER)
    assert market is not None and market.refused == {"deadline": 3}
    assert (market.counted, market.counted_reason) == ({"no_action": 4}, "no_action")
    assert market.counted_us < market.decisions[-1].at_us and market.last_reason is None
    funnel = (await replayed(None)).evidence.funnel(NOW_US + 2_000_000)
    in_process = Statistics()
    messages = [message for topic in topics().values() for message in topic]
    for message in sorted(messages, key=lambda each: each.produced_us):
        in_process.count(message)
    lost = {stage.name: stage.lost for stage in funnel.stages}
    assert lost["decided"] == {"deadline": 3}
    assert lost == {stage.name: stage.lost for stage in in_process.evidence.funnel(NOW_US + 2_000_000).stages} | {
        "fresh": {}
    }


@pytest.mark.parametrize(
    ("models", "of_counted", "in_use"),
    [
        (["small", "small", "flatten"], [], "small"), (["small", "maker"], [], None), ([], [], None),
        ([], ["small", "small"], "small"), (["flatten"], ["small"], "small"), (["maker"], ["small"], None),
    ],
)  # fmt: skip
async def test_the_model_in_use_is_that_of_all_recent_decisions(
    models: list[str], of_counted: list[str], in_use: str | None
) -> None:
    async def read(topic: Topic, since_us: int) -> AsyncIterator[Message]:
        assert since_us == NOW_US
        if topic == ACTIONS:
            for model in models:
                yield action(model=model)
        else:
            yield changed("refusals.refusals_counted")
            for model in of_counted:
                yield decisions_counted(model=model)

    assert model_in_use([each async for each in decisions(read, NOW_US)]) == in_use


def test_a_stop_is_the_registrys_or_shown_by_the_newest_action() -> None:
    stopped = action(model="maker", model_sha256="aa", produced_us=2, reason=Reason.MODEL_STOPPED)
    assert model_stopped([stopped, action(model="maker", produced_us=1)], None) == ModelFailure(
        model="maker", sha256="aa", since_us=None, by=None, reason=None
    )
    assert model_stopped([stopped, action(model="small", produced_us=3)], None) is None
    of_others = decisions_counted(produced_us=4, until_us=1)  # made before the stop, and published after it
    known = model_stopped([stopped, of_others], None)
    assert known is not None and known.model == "maker"
    again = decisions_counted(model="small", produced_us=4, until_us=3)
    assert model_stopped([stopped, again], None) is None
    counted = decisions_counted(model="maker", until_us=3, reason=Reason.MODEL_STOPPED)
    assert model_stopped([action(model="maker", produced_us=1), counted], None) is not None
    failure = Failure(
        model=ModelVersion("maker", "aa"), at_us=7, by="policy", breach=Breach(BreachKind.FAILURES, "10 failed")
    )
    known = model_stopped([stopped], Pointer(failure.model, stopped=failure))
    assert known == ModelFailure(
        model="maker", sha256="aa", since_us=7, by="policy", reason="failures: 10 failed"
    )  # fmt: skip


async def test_a_difference_that_lasts_is_reported() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await harness.ledger.apply(
            Adjust(adjust_id="a", amount_micros=5_000_000, kind="deposit", reason="never arrived")
        )
        found = await lasting_differences(harness.exchange, harness.ledger, within_s=0, every_s=0)
        assert [each.what for each in found] == ["available cash"]


async def test_a_difference_that_disappears_is_not_reported() -> None:
    """Ledger and exchange are not read at one moment while orders fly."""
    async with AccountHarness() as harness:
        await harness.open()
        await harness.ledger.apply(Adjust(adjust_id="a", amount_micros=5_000_000, kind="deposit", reason="on its way"))
        read: list[LedgerView] = []
        view = harness.ledger.view

        async def moving(tickers: tuple[str, ...] | None = None) -> LedgerView:
            read.append(await view(tickers))
            if len(read) == 4:
                await harness.ledger.apply(
                    Adjust(adjust_id="b", amount_micros=-5_000_000, kind="residue", reason="arrived")
                )
            return read[-1]

        harness.ledger.view = moving  # type: ignore[method-assign]
        assert await lasting_differences(harness.exchange, harness.ledger, within_s=0, every_s=0) == ()
        assert len(read) > 4


async def test_orders_in_flight_are_no_difference() -> None:
    async with AccountHarness() as harness:
        await harness.open()
        await harness.place()
        assert await lasting_differences(harness.exchange, harness.ledger, within_s=0, every_s=0) == ()
