"""Where an order stands in a recorded queue, by model: tables of what the recording tells and where that leads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.simulated_exchange import ASK, BID, START_US, of_kind, placed, request
from truebook.kalshi.port import DeltaFrame, SnapshotFrame, TradeFrame
from truebook.simulation.events import Basis, Filled
from truebook.simulation.recorded_queue import TOLD_WITHIN_US, LevelQueue, QueueModel
from truebook.simulation.replay_market import CaptureMarket

TICKER = "KXREC-26NOV24-T50"
PESSIMISTIC, REALISTIC, OPTIMISTIC = QueueModel.PESSIMISTIC, QueueModel.REALISTIC, QueueModel.OPTIMISTIC
BEFORE_US = 10_000
LATE_US = TOLD_WITHIN_US + 1

# An order joins a level of 1,000 (300 more join behind it), and then: a level's change, a trade at its price ("trade"),
# or time that passes ("wait"). What stands ahead afterwards, by model: pessimistic, realistic, optimistic.
STEPS = [
    ("nothing happens", [], (1_000, 1_000, 1_000)),
    ("more join behind", [("delta", 500)], (1_000, 1_000, 1_000)),
    ("some cancel who fit behind", [("delta", -130)], (1_000, 900, 870)),
    ("more cancel than fit behind", [("delta", -650)], (650, 500, 350)),
    ("all cancel", [("delta", -1_300)], (0, 0, 0)),
    ("two cancel in turn", [("delta", -130), ("delta", -117)], (1_000, 810, 753)),
    ("a trade, told by its frame only", [("trade", 400)], (600, 600, 600)),
    ("a trade, frame first", [("trade", 400), ("delta", -400)], (600, 600, 600)),
    ("a trade, display first", [("delta", -400), ("trade", 400)], (600, 600, 600)),
    ("a trade, display first, in two parts", [("delta", -150), ("delta", -250), ("trade", 400)], (600, 600, 600)),
    ("a trade, frame first, then a cancellation", [("trade", 400), ("delta", -400), ("delta", -90)], (600, 540, 510)),
    ("a cancellation, then a trade, frame first", [("delta", -130), ("wait", LATE_US), ("trade", 300), ("delta", -300)],
     (700, 600, 570)),
    ("a trade long after a cancellation is another one", [("delta", -650), ("wait", LATE_US), ("trade", 300)],
     (650, 200, 50)),
    ("a shrinking long after a trade is a cancellation", [("trade", 300), ("wait", LATE_US), ("delta", -130)],
     (700, 630, 570)),
    ("a whole book that shows less caps what is ahead", [("show", 800)], (800, 800, 800)),
]  # fmt: skip


@pytest.mark.parametrize("model", list(QueueModel))
@pytest.mark.parametrize(("steps", "ahead"), [step[1:] for step in STEPS], ids=[step[0] for step in STEPS])
def test_what_stands_ahead_after_each_kind_of_news(
    steps: list[tuple[str, int]], ahead: tuple[int, int, int], model: QueueModel
) -> None:
    queue, displayed, at_us = LevelQueue(model), 1_000, START_US
    queue.stand("mine", displayed)
    displayed += 300
    for kind, amount in steps:
        at_us += amount if kind == "wait" else 1_000
        match kind:
            case "delta" if amount < 0:
                queue.shrink(displayed, displayed + amount, at_us)
                displayed += amount
            case "delta":
                displayed += amount
            case "show":
                displayed = amount
                queue.cap(displayed, at_us)
            case "trade":
                told = queue.trade(amount, at_us)
                queue.work_off(min(max(0, amount - told), queue.ahead("mine")))
    assert queue.ahead("mine") == ahead[list(QueueModel).index(model)]


# The same through the venue: an order of 500 at a level of 1,000, alone at its price.
FILLS = [
    ("all but 100 cancel, then 300 trade", [("delta", -900), ("wait", LATE_US), ("trade", 300)], (0, 200, 200)),
    ("1,000 join, 900 cancel, then 600 trade",
     [("delta", 1_000), ("delta", -900), ("wait", LATE_US), ("trade", 600)], (0, 50, 500)),
    ("400 trade, told twice, then 700", [("trade", 400), ("delta", -400), ("trade", 700)], (100, 100, 100)),
    ("400 trade, told twice the other way, then 700", [("delta", -400), ("trade", 400), ("trade", 700)],
     (100, 100, 100)),
    ("1,200 trade at once, the level goes first", [("delta", -1_000), ("trade", 1_200)], (200, 200, 200)),
]  # fmt: skip


@pytest.mark.parametrize("model", list(QueueModel))
@pytest.mark.parametrize(("steps", "filled"), [fill[1:] for fill in FILLS], ids=[fill[0] for fill in FILLS])
def test_what_fills_an_order_in_the_queue(
    steps: list[tuple[str, int]], filled: tuple[int, int, int], model: QueueModel
) -> None:
    venue = CaptureMarket(1, queue=model)
    venue.open_account("alice", 10_000_000_000)
    venue.feed(snapshot(((5_000, 1_000),), ((5_300, 1_000),)), START_US)
    answer, _ = placed(venue, "alice", request(BID, 5_000, 500, TICKER), START_US)
    at_us, fills = START_US, []
    for kind, amount in steps:
        at_us += amount if kind == "wait" else 1_000
        if kind != "wait":
            events = venue.feed(delta(amount) if kind == "delta" else trade(amount, at_us), at_us)
            fills += [event.fill for event in of_kind(events, Filled)]
    expected = filled[list(QueueModel).index(model)]
    assert sum(fill.size_centi for fill in fills) == expected
    assert all((fill.basis, fill.price_cc) == (Basis.QUEUE, 5_000) for fill in fills)
    order = venue.order("alice", answer.exchange_order_id)
    assert order is not None and order.filled_centi == expected


NEWS = st.lists(st.tuples(st.sampled_from(["cancel", "join", "trade"]), st.integers(1, 500)), max_size=30)


@given(NEWS)
def test_a_more_hopeful_model_never_stands_further_back(news: list[tuple[str, int]]) -> None:
    displayed, at_us = 1_000, START_US
    queues = {model: LevelQueue(model) for model in QueueModel}
    for queue in queues.values():
        queue.stand("mine", displayed)
    for kind, size in news:
        at_us += TOLD_WITHIN_US + 2_000
        if kind == "join":
            displayed += size
            continue
        gone = min(size, displayed)
        for queue in queues.values():
            if kind == "trade":
                told = queue.trade(gone, at_us)
                queue.work_off(min(max(0, gone - told), queue.ahead("mine")))
            queue.shrink(displayed, displayed - gone, at_us + 1_000)
        displayed -= gone
        behind = [queues[model].ahead("mine") for model in (OPTIMISTIC, REALISTIC, PESSIMISTIC)]
        assert behind == sorted(behind)
        assert behind[0] >= 0 and behind[-1] <= displayed


def snapshot(bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...]) -> SnapshotFrame:
    return SnapshotFrame(sid=1, seq=1, received_us=0, ticker=TICKER, bids=bids, asks=asks, exchange_us=None)


def delta(change_centi: int) -> DeltaFrame:
    return DeltaFrame(
        sid=1, seq=1, received_us=0, ticker=TICKER, book_side=BID, price_cc=5_000, delta_centi=change_centi,
        exchange_us=None,
    )  # fmt: skip


def trade(size_centi: int, at_us: int) -> TradeFrame:
    return TradeFrame(
        sid=2, seq=1, received_us=0, ticker=TICKER, trade_id=f"t-{at_us}", price_cc=5_000, size_centi=size_centi,
        taker_side=ASK, exchange_us=at_us,
    )  # fmt: skip
