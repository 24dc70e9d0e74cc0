"""An order's position in a recorded queue, by queue model: tables of recorded events and expected positions."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.column_rows import R, columns
from support.simulated_exchange import ASK, BID, START_US, of_kind, placed, request
from truebook.backtest.tape.pairing import TradePairing
from truebook.capture.columns import Kind, Side
from truebook.simulation.events import Basis, Filled, SimulationEvent, Traded
from truebook.simulation.recorded.pairing import PAIRED_WITHIN_US, LevelPairing, Seen
from truebook.simulation.recorded.queue import LevelQueue, QueueModel
from truebook.simulation.recorded.recent import Lot, RecentEvents
from truebook.simulation.recorded.replay import MarketReplay

TICKER = "KXREC-26NOV24-T50"
PESSIMISTIC, REALISTIC, OPTIMISTIC = QueueModel.PESSIMISTIC, QueueModel.REALISTIC, QueueModel.OPTIMISTIC
LATE_US = PAIRED_WITHIN_US + 1
Step = tuple[str, int, int]

# An order joins a level of 1,000 (300 more join behind it). Then: changes of the level ("delta") and trades at its
# price ("trade") with the exchange's time stamp in ms, a smaller snapshot ("show"), or elapsed time ("wait"). Last
# column: the size ahead afterwards, by model: pessimistic, realistic, optimistic.
STEPS = [
    ("nothing happens", [], (1_000, 1_000, 1_000)),
    ("more join behind", [("delta", 500, 1)], (1_000, 1_000, 1_000)),
    ("a cancellation that fits behind", [("delta", -130, 1)], (1_000, 900, 870)),
    ("a cancellation larger than the size behind", [("delta", -650, 1)], (650, 500, 350)),
    ("everything is cancelled", [("delta", -1_300, 1)], (0, 0, 0)),
    ("two cancellations", [("delta", -130, 1), ("delta", -117, 1)], (1_000, 810, 753)),
    ("a trade without a delta", [("trade", 400, 1)], (600, 600, 600)),
    ("a trade before its delta", [("trade", 400, 1), ("delta", -400, 1)], (600, 600, 600)),
    ("a trade after its delta", [("delta", -400, 1), ("trade", 400, 1)], (600, 600, 600)),
    ("two equal trades after their deltas",
     [("delta", -400, 1), ("delta", -400, 1), ("trade", 400, 1), ("trade", 400, 1)], (200, 200, 200)),
    ("a trade of another time stamp than the decrease", [("delta", -400, 1), ("trade", 400, 2)], (500, 293, 200)),
    ("a trade of another size than the decrease", [("delta", -300, 1), ("trade", 400, 1)], (600, 370, 300)),
    ("a trade without a time stamp after a decrease of its size", [("delta", -400, 1), ("trade", 400, 0)],
     (600, 600, 600)),
    ("a cancellation between a delta and its trade", [("delta", -400, 1), ("delta", -650, 2), ("trade", 400, 1)],
     (250, 167, 0)),
    ("a trade before its delta, then a cancellation", [("trade", 400, 1), ("delta", -400, 1), ("delta", -90, 2)],
     (600, 540, 510)),
    ("a cancellation, then a trade before its delta", [("delta", -130, 1), ("trade", 300, 2), ("delta", -300, 2)],
     (700, 600, 570)),
    ("a trade long after a decrease is unrelated", [("delta", -400, 1), ("wait", LATE_US, 0), ("trade", 400, 1)],
     (500, 293, 200)),
    ("a decrease long after a trade is a cancellation", [("trade", 300, 1), ("wait", LATE_US, 0), ("delta", -300, 1)],
     (700, 539, 400)),
    ("a smaller snapshot caps the size ahead", [("show", 800, 0)], (800, 800, 800)),
]  # fmt: skip


@pytest.mark.parametrize("model", list(QueueModel))
@pytest.mark.parametrize(("steps", "ahead"), [step[1:] for step in STEPS], ids=[step[0] for step in STEPS])
def test_size_ahead_after_recorded_events(steps: list[Step], ahead: tuple[int, int, int], model: QueueModel) -> None:
    queue, displayed, at_us = LevelQueue(model), 1_000, START_US
    queue.join("mine", displayed)
    displayed += 300
    for kind, amount, exchange_ms in steps:
        at_us += amount if kind == "wait" else 1_000
        match kind:
            case "delta" if amount < 0:
                queue.decrease(displayed, displayed + amount, at_us, exchange_ms * 1_000)
                displayed += amount
            case "delta":
                displayed += amount
            case "show":
                displayed = amount
                queue.cap(displayed, at_us)
            case "trade":
                queue.trade("mine", amount, at_us, queue.pair(amount, at_us, exchange_ms * 1_000))
    assert queue.ahead("mine") == ahead[list(QueueModel).index(model)]


# The same through the exchange: an order of 500 joins a level of 1,000, or after the steps before "join", where the
# level is 1,700 at first.
FILLS = [
    ("900 cancelled, then 300 traded", [("delta", -900, 1), ("trade", 300, 2)], (200, 200, 200)),
    ("1,000 added, 900 cancelled, then 600 traded",
     [("delta", 1_000, 1), ("delta", -900, 2), ("trade", 600, 3)], (0, 50, 500)),
    ("400 traded before the delta, then 700", [("trade", 400, 1), ("delta", -400, 1), ("trade", 700, 2)],
     (100, 100, 100)),
    ("400 traded after the delta, then 700", [("delta", -400, 1), ("trade", 400, 1), ("trade", 700, 2)],
     (100, 100, 100)),
    ("1,100 of 2,000 traded before the delta", [("delta", 1_000, 1), ("trade", 1_100, 2), ("delta", -1_100, 2)],
     (100, 100, 100)),
    ("1,100 of 2,000 traded after the delta", [("delta", 1_000, 1), ("delta", -1_100, 2), ("trade", 1_100, 2)],
     (100, 100, 100)),
    ("a cancellation between the delta and its trade",
     [("delta", 1_000, 1), ("delta", -1_100, 2), ("delta", -100, 3), ("trade", 1_100, 2)], (100, 100, 100)),
    ("a trade whose delta was received before", [("delta", -700, 1), ("join", 0, 0), ("trade", 700, 1),
     ("trade", 1_100, 2)], (100, 100, 100)),
    ("another trade of the same time and size",
     [("delta", -700, 1), ("trade", 700, 1), ("join", 0, 0), ("trade", 700, 1), ("delta", -700, 1),
      ("trade", 400, 2)], (100, 100, 100)),
    ("a delta whose trade was received before", [("trade", 700, 1), ("join", 0, 0), ("delta", -700, 1),
     ("trade", 1_100, 2)], (100, 100, 100)),
]  # fmt: skip


@pytest.mark.parametrize("model", list(QueueModel))
@pytest.mark.parametrize(("steps", "filled"), [fill[1:] for fill in FILLS], ids=[fill[0] for fill in FILLS])
def test_fills_of_an_order_in_the_queue(steps: list[Step], filled: tuple[int, int, int], model: QueueModel) -> None:
    replay = MarketReplay(1, queue=model)
    replay.exchange.open_account("alice", 10_000_000_000)
    displayed = 1_700 if ("join", 0, 0) in steps else 1_000
    replay.snapshot(TICKER, ((5_000, displayed),), ((5_300, 1_000),), START_US)
    at_us, fills = START_US, []
    for kind, amount, exchange_ms in steps if displayed > 1_000 else [("join", 0, 0), *steps]:
        at_us += 1_000
        if kind == "join":
            response, _ = placed(replay.exchange, "alice", request(BID, 5_000, 500, TICKER), at_us)
        else:
            events = (delta if kind == "delta" else trade)(replay, amount, at_us, exchange_ms)
            fills += [event.fill for event in of_kind(events, Filled)]
    expected = filled[list(QueueModel).index(model)]
    assert sum(fill.size_centi for fill in fills) == expected
    assert all((fill.basis, fill.price_cc) == (Basis.QUEUE, 5_000) for fill in fills)
    order = replay.exchange.queries.order("alice", response.exchange_order_id)
    assert order is not None and order.filled_centi == expected


def test_two_orders_share_a_trade_after_its_delta() -> None:
    """Of 1,400 behind 1,000 the first order gets 300, the second (200 joined before it) the rest but those 200."""
    replay = MarketReplay(1)
    replay.exchange.open_account("alice", 10_000_000_000)
    replay.snapshot(TICKER, ((5_000, 1_000),), ((5_300, 1_000),), START_US)
    ids = []
    for number, size_centi in enumerate((300, 500)):
        order = request(BID, 5_000, size_centi, TICKER)
        response, _ = placed(replay.exchange, "alice", order, START_US + number)
        ids.append(response.exchange_order_id)
        delta(replay, 200 if number == 0 else 900, START_US + number, 1)
    delta(replay, -1_600, START_US + 10, 2)
    trade(replay, 1_600, START_US + 11, 2)
    orders = [replay.exchange.queries.order("alice", one) for one in ids]
    assert [None if one is None else one.filled_centi for one in orders] == [300, 100]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["decrease", "grow", "trade", "show", "join", "wait"]), st.integers(1, 5), st.integers(0, 2)
    ),
    max_size=30,
)


@given(EVENTS, st.sampled_from(list(QueueModel)))
def test_a_place_is_that_of_a_reader_who_computes_all_again(recorded: list[Step], model: QueueModel) -> None:
    displayed, at_us, seen = 20, START_US, [Known("show", START_US, 20, 0, 20, 20)]
    joined_at: list[int] = []
    queue, given_centi = LevelQueue(model), 0
    for kind, size, exchange_ms in recorded:
        at_us += PAIRED_WITHIN_US // 2 if kind == "wait" else 1_000
        before = displayed
        match kind:
            case "join" if not joined_at:
                queue.join("mine", displayed)
                joined_at.append(len(seen))
            case "grow":
                displayed += size
            case "show":
                displayed = size + 10
                queue.cap(displayed, at_us)
            case "decrease" if size <= displayed:
                displayed -= size
                queue.decrease(before, displayed, at_us, exchange_ms * 1_000)
            case "trade":
                decrease = queue.pair(size, at_us, exchange_ms * 1_000)
                if joined_at:
                    given_centi += queue.trade("mine", size, at_us, decrease)
            case _:
                continue
        if kind != "join":
            seen.append(Known(kind, at_us, size, exchange_ms, before, displayed))
        if joined_at:
            ahead, reached = place_of(seen, joined_at[0], model)
            assert (queue.ahead("mine"), given_centi) == (ahead, reached)


class Known(NamedTuple):
    kind: str
    at_us: int
    size: int
    exchange_ms: int
    before: int
    after: int


def place_of(seen: list[Known], first: int, model: QueueModel) -> tuple[int, int]:
    """Pair all that is known, then apply what happened since the order joined."""
    partner: dict[int, int] = {}
    for number, one in enumerate(seen):
        for earlier, other in enumerate(seen[:number]):
            is_pair = {one.kind, other.kind} == {"trade", "decrease"} and one.size == other.size
            is_same_time = 0 in (one.exchange_ms, other.exchange_ms) or one.exchange_ms == other.exchange_ms
            if is_pair and is_same_time and earlier not in partner and one.at_us - other.at_us <= PAIRED_WITHIN_US:
                partner[number], partner[earlier] = earlier, number
                break
    ahead, reached = seen[first - 1].after, 0
    for number, one in enumerate(seen[first:], first):
        other = partner.get(number)
        is_first = other is None or other > number
        if one.kind == "show" or (one.kind == "decrease" and not is_first):
            ahead = min(ahead, one.after)
        elif is_first and (one.kind == "trade" or (one.kind == "decrease" and other is not None)):
            reached += max(0, one.size - ahead)
            ahead = max(0, ahead - one.size)
        elif one.kind == "decrease":
            share = {PESSIMISTIC: 0, REALISTIC: one.size * ahead // one.before, OPTIMISTIC: min(one.size, ahead)}
            ahead = min(ahead - share[model], one.after)
    return ahead, reached


@given(st.lists(st.tuples(st.sampled_from(["cancel", "join", "trade"]), st.integers(1, 500)), max_size=30))
def test_a_more_optimistic_model_is_never_further_back(recorded: list[tuple[str, int]]) -> None:
    displayed, at_us = 1_000, START_US
    queues = {model: LevelQueue(model) for model in QueueModel}
    for queue in queues.values():
        queue.join("mine", displayed)
    for number, (kind, size) in enumerate(recorded, 1):
        at_us += 2_000
        if kind == "join":
            displayed += size
            continue
        gone = min(size, displayed)
        for queue in queues.values():
            if kind == "trade" and gone:
                queue.trade("mine", gone, at_us, queue.pair(gone, at_us, number * 1_000))
            queue.decrease(displayed, displayed - gone, at_us + 1_000, number * 1_000)
        displayed -= gone
        behind = [queues[model].ahead("mine") for model in (OPTIMISTIC, REALISTIC, PESSIMISTIC)]
        assert behind == sorted(behind)
        assert behind[0] >= 0 and behind[-1] <= displayed


FRAMES = st.lists(
    st.tuples(st.sampled_from([Kind.TRADE, Kind.DELTA]), st.integers(1, 2), st.integers(1, 2), st.integers(0, 1_500)),
    max_size=25,
)


@given(FRAMES)
def test_frames_are_paired_as_in_columns(frames: list[tuple[Kind, int, int, int]]) -> None:
    at_ms, rows, pairing = 0, [], LevelPairing()
    numbers: list[int] = []
    pairs: set[tuple[int, int]] = set()
    for number, (kind, size, exchange_ms, wait_ms) in enumerate(frames):
        at_ms += wait_ms
        signed = size if kind is Kind.TRADE else -size
        side = Side.ASK if kind is Kind.TRADE else Side.BID
        rows.append(R(kind, side, 5_000, signed, at_ms=at_ms, exchange_ms=exchange_ms))
        partner = pairing.add(Seen(at_ms * 1_000, signed, exchange_ms * 1_000))
        if kind is Kind.DELTA:
            numbers.append(number)
        elif partner is not None:
            pairs.add((number, numbers[partner]))
    found = TradePairing().add(columns(rows)) if rows else None
    after = set() if found is None else set(zip(found.trades.tolist(), found.deltas.tolist(), strict=True))
    assert pairs == {(trade, delta) for trade, delta in after if delta < trade}


@pytest.mark.parametrize("level_cc", [5_000, -5_300])
def test_recent_events_of_a_lot_are_those_one_by_one(level_cc: int) -> None:
    changes = [(START_US + 1, 5_000, -3, 1), (START_US + 2, -5_300, -4, 2), (START_US + 3, level_cc, 7, 3),
               (START_US + 4, level_cc, -5, 0)]  # fmt: skip
    one_by_one, at_once = RecentEvents(), RecentEvents()
    for change in changes:
        if change[2] < 0:
            one_by_one.add(*change)
    at_once.add_lot(Lot(START_US + 4, *(list(column) for column in zip(*changes, strict=True))))
    for recent in (one_by_one, at_once):
        recent.add(START_US + 5, level_cc, 6, 4)
    expected = [one[2] for one in changes if one[1] == level_cc and one[2] < 0]
    assert [one.size_centi for one in one_by_one.of_level(level_cc)] == [*expected, 6]
    assert list(at_once.of_level(level_cc)) == list(one_by_one.of_level(level_cc))
    at_once.add(START_US + 4 + LATE_US, 1, 1, None)
    assert list(at_once.of_level(level_cc)) == [Seen(START_US + 5, 6, 4)]


def delta(replay: MarketReplay, delta_centi: int, at_us: int, exchange_ms: int) -> list[SimulationEvent]:
    return replay.delta(TICKER, BID, 5_000, delta_centi, at_us, exchange_us=exchange_ms * 1_000)


def trade(replay: MarketReplay, size_centi: int, at_us: int, exchange_ms: int) -> list[SimulationEvent]:
    recorded = Traded(
        at_us=at_us, ticker=TICKER, trade_id=f"t-{at_us}", price_cc=5_000, size_centi=size_centi, taker_side=ASK,
    )  # fmt: skip
    return replay.trade(recorded, exchange_us=exchange_ms * 1_000)
