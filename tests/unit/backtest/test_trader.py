"""What the engine does beside what lock-step does on a whole recording: refused decisions, and some of the markets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.in_memory_exchange import market_metadata
from support.varied_recordings import make_varied_recording
from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.settings import Outside
from truebook.backtest.window import Window, read_window
from truebook.decision.decide import Decision
from truebook.features.plugins import find_layout
from truebook.kalshi.port import SnapshotFrame
from truebook.messages.actions import Target
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason
from truebook.runtime.settings import load
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

START_US = 1_764_000_000_000_000
DAY_US = 86_400_000_000


def bid(price_cc: int) -> Target:
    return Target(book_side=BookSide.BID, price_cc=price_cc, size_centi=1_000)


def test_several_targets_of_one_side_are_refused_as_by_the_service(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    market = market_metadata("T-1", open_us=START_US - DAY_US, close_us=START_US + DAY_US)
    engine = Engine(
        engine_settings(load(EmbeddedSettings), tmp_path), Outside(layout=find_layout("m1"), name="outside"), [market],
        queue=QueueModel.PESSIMISTIC, start_us=START_US,
    )  # fmt: skip
    ask = Target(book_side=BookSide.ASK, price_cc=6_000, size_centi=1_000)
    decision = Decision(targets=(bid(4_000), bid(4_100), ask), edge_cc=100)
    decided = 0
    for at_us in (START_US, START_US + 10_000):
        frame = SnapshotFrame(
            sid=1, seq=None, received_us=0, ticker="T-1", bids=((4_000, 5_000),), asks=((6_000, 5_000),),
            exchange_us=None,
        )  # fmt: skip
        for batch in engine.undecided(at_us, frame):
            engine.act(batch, [decision] * len(batch))
            decided += len(batch)
    assert decided == 1
    assert engine.trader.refusals == {Reason.INVALID: 2}
    engine.finish()
    orders = engine.exchange.queries.orders(engine.settings.exchange_account)
    assert [(order.book_side, order.price_cc) for order in orders] == [(BookSide.ASK, 6_000)]


def test_the_sum_of_an_event_needs_its_other_markets(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    made = make_varied_recording(tmp_path / "made", seed=2, seconds=5, are_odd=False)
    data = read_window(made, Window(markets=frozenset({"KXMADE2-E1-T1"})))
    assert [one.ticker for one in data.others] == ["KXMADE2-E1-T0"]
    engine = Engine(
        engine_settings(load(EmbeddedSettings), made), Outside(layout=find_layout("m1"), name="outside"), data.markets,
        queue=QueueModel.PESSIMISTIC, start_us=data.start_us, others=data.others,
    )  # fmt: skip
    observed = [each for at_us, event in data.events for batch in engine.undecided(at_us, event) for each in batch]
    assert {each.ticker for each in observed} == {"KXMADE2-E1-T1"}
    assert engine.data.markets.keys() == {"KXMADE2-E1-T1"}
    assert engine.data.markets["KXMADE2-E1-T1"].replica.event_yes_sum_cc is None
