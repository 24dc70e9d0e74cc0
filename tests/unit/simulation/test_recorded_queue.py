"""An order's position in a recorded queue, by queue model: tables of recorded events and expected positions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.simulated_exchange import ASK, BID, START_US, of_kind, placed, request
from truebook.simulation.events import Basis, Filled, SimulationEvent, Traded
from truebook.simulation.recorded.queue import PAIRED_WITHIN_US, LevelQueue, QueueModel
from truebook.simulation.recorded.replay import MarketReplay

TICKER = "KXREC-26NOV24-T50"
PESSIMISTIC, REALISTIC, OPTIMISTIC = QueueModel.PESSIMISTIC, QueueModel.REALISTIC, QueueModel.OPTIMISTIC
LATE_US = PAIRED_WITHIN_US + 1

# An order joins a level of 1,000 (300 more join behind it). Then: changes of the level ("delta"), a smaller snapshot
# ("show"), trades at its price ("trade"), or elapsed time ("wait"). Last column: the size ahead afterwards, by model:
# pessimistic, realistic, optimistic.
STEPS = [
    ("nothing happens", [], (1_000, 1_000, 1_000)),
    ("more join behind", [("delta", 500)], (1_000, 1_000, 1_000)),
    ("a cancellation that fits behind", [("delta", -130)], (1_000, 900, 870)),
    ("a cancellation larger than the size behind", [("delta", -650)], (650, 500, 350)),
    ("everything is cancelled", [("delta", -1_300)], (0, 0, 0)),
    ("two cancellations", [("delta", -130), ("delta", -117)], (1_000, 810, 753)),
    ("a trade without a delta", [("trade", 400)], (600, 600, 600)),
    ("a trade before its delta", [("trade", 400), ("delta", -400)], (600, 600, 600)),
    ("a trade after its delta", [("delta", -400), ("trade", 400)], (600, 600, 600)),
    ("a trade after two deltas", [("delta", -150), ("delta", -250), ("trade", 400)], (600, 600, 600)),
    ("a trade before its delta, then a cancellation", [("trade", 400), ("delta", -400), ("delta", -90)],
     (600, 540, 510)),
    ("a cancellation, then a trade before its delta",
     [("delta", -130), ("wait", LATE_US), ("trade", 300), ("delta", -300)],
     (700, 600, 570)),
    ("a trade long after a cancellation is unrelated", [("delta", -650), ("wait", LATE_US), ("trade", 300)],
     (650, 200, 50)),
    ("a decrease long after a trade is a cancellation", [("trade", 300), ("wait", LATE_US), ("delta", -130)],
     (700, 630, 570)),
    ("a smaller snapshot caps the size ahead", [("show", 800)], (800, 800, 800)),
]  # fmt: skip


@pytest.mark.parametrize("model", list(QueueModel))
@pytest.mark.parametrize(("steps", "ahead"), [step[1:] for step in STEPS], ids=[step[0] for step in STEPS])
def test_size_ahead_after_recorded_events(
    steps: list[tuple[str, int]], ahead: tuple[int, int, int], model: QueueModel
) -> None:
    queue, displayed, at_us = LevelQueue(model), 1_000, START_US
    queue.join("mine", displayed)
    displayed += 300
    for kind, amount in steps:
        at_us += amount if kind == "wait" else 1_000
        match kind:
            case "delta" if amount < 0:
                queue.decrease(displayed, displayed + amount, at_us)
                displayed += amount
            case "delta":
                displayed += amount
            case "show":
                displayed = amount
                queue.cap(displayed, at_us)
            case "trade":
                counted = queue.trade(amount, at_us)
                queue.consume(min(max(0, amount - counted), queue.ahead("mine")))
    assert queue.ahead("mine") == ahead[list(QueueModel).index(model)]


# The same through the exchange: an order of 500 behind a level of 1,000.
FILLS = [
    ("900 cancelled, then 300 traded", [("delta", -900), ("wait", LATE_US), ("trade", 300)], (0, 200, 200)),
    ("1,000 added, 900 cancelled, then 600 traded",
     [("delta", 1_000), ("delta", -900), ("wait", LATE_US), ("trade", 600)], (0, 50, 500)),
    ("400 traded before the delta, then 700", [("trade", 400), ("delta", -400), ("trade", 700)], (100, 100, 100)),
    ("400 traded after the delta, then 700", [("delta", -400), ("trade", 400), ("trade", 700)],
     (100, 100, 100)),
    ("1,200 traded after the delta", [("delta", -1_000), ("trade", 1_200)], (200, 200, 200)),
]  # fmt: skip


@pytest.mark.parametrize("model", list(QueueModel))
@pytest.mark.parametrize(("steps", "filled"), [fill[1:] for fill in FILLS], ids=[fill[0] for fill in FILLS])
def test_fills_of_an_order_in_the_queue(
    steps: list[tuple[str, int]], filled: tuple[int, int, int], model: QueueModel
) -> None:
    replay = MarketReplay(1, queue=model)
    venue = replay.exchange
    venue.open_account("alice", 10_000_000_000)
    replay.snapshot(TICKER, ((5_000, 1_000),), ((5_300, 1_000),), START_US)
    response, _ = placed(venue, "alice", request(BID, 5_000, 500, TICKER), START_US)
    at_us, fills = START_US, []
    for kind, amount in steps:
        at_us += amount if kind == "wait" else 1_000
        if kind != "wait":
            events = delta(replay, amount, at_us) if kind == "delta" else trade(replay, amount, at_us)
            fills += [event.fill for event in of_kind(events, Filled)]
    expected = filled[list(QueueModel).index(model)]
    assert sum(fill.size_centi for fill in fills) == expected
    assert all((fill.basis, fill.price_cc) == (Basis.QUEUE, 5_000) for fill in fills)
    order = venue.queries.order("alice", response.exchange_order_id)
    assert order is not None and order.filled_centi == expected


EVENTS = st.lists(st.tuples(st.sampled_from(["cancel", "join", "trade"]), st.integers(1, 500)), max_size=30)


@given(EVENTS)
def test_a_more_optimistic_model_is_never_further_back(recorded: list[tuple[str, int]]) -> None:
    displayed, at_us = 1_000, START_US
    queues = {model: LevelQueue(model) for model in QueueModel}
    for queue in queues.values():
        queue.join("mine", displayed)
    for kind, size in recorded:
        at_us += PAIRED_WITHIN_US + 2_000
        if kind == "join":
            displayed += size
            continue
        gone = min(size, displayed)
        for queue in queues.values():
            if kind == "trade":
                counted = queue.trade(gone, at_us)
                queue.consume(min(max(0, gone - counted), queue.ahead("mine")))
            queue.decrease(displayed, displayed - gone, at_us + 1_000)
        displayed -= gone
        behind = [queues[model].ahead("mine") for model in (OPTIMISTIC, REALISTIC, PESSIMISTIC)]
        assert behind == sorted(behind)
        assert behind[0] >= 0 and behind[-1] <= displayed


def delta(replay: MarketReplay, delta_centi: int, at_us: int) -> list[SimulationEvent]:
    return replay.delta(TICKER, BID, 5_000, delta_centi, at_us)


def trade(replay: MarketReplay, size_centi: int, at_us: int) -> list[SimulationEvent]:
    recorded = Traded(
        at_us=at_us, ticker=TICKER, trade_id=f"t-{at_us}", price_cc=5_000, size_centi=size_centi, taker_side=ASK,
    )  # fmt: skip
    return replay.trade(recorded)
