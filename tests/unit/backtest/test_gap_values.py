"""After a gap in the recording the value of a position is unknown, until the next snapshot: no price is assumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.made_recordings import make_recording
from truebook.backtest.collect import Collector
from truebook.backtest.engine.engine import Engine
from truebook.backtest.marks import equity_micros
from truebook.backtest.window import Window, WindowedData, read_window
from truebook.capture.event_types import BookGap
from truebook.ledger.verbs import Limits, MarkEquity
from truebook.models.pointer import BUNDLED
from truebook.models.session import load_model
from truebook.runtime.settings import load
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

GAP_AFTER_US = 20_000_000
PAUSE_US = 60_000_000


class Ran:
    """A backtest of the maker, up to a gap of all books; nothing is recorded after it for a minute."""

    def __init__(self, path: Path) -> None:
        settings = msgspec.structs.replace(
            engine_settings(load(EmbeddedSettings), path), limits=Limits(drawdown_micros=10**12), mark_us=1_000_000
        )
        data: WindowedData[Any] = read_window(path, Window())
        self.engine = Engine(
            settings, load_model(BUNDLED / "maker.onnx"), data.markets, queue=QueueModel.OPTIMISTIC,
            start_us=data.start_us,
        )  # fmt: skip
        self.collector = Collector(QueueModel.OPTIMISTIC, data.markets)
        self.collector.attach(self.engine)
        self.marks: list[tuple[int, int]] = []
        self._apply = self.engine.ledger.apply
        self.engine.ledger.apply = self._watched  # type: ignore[method-assign]
        self._balance_micros = settings.balance_micros
        self.gap_us = data.start_us + GAP_AFTER_US
        for at_us, event in data.events:
            if at_us >= self.gap_us:
                break
            self.engine.feed(at_us, event)
        self.before_micros = equity_micros(self.engine.ledger, self.engine.data)
        tickers = tuple(one.ticker for one in data.markets)
        self.engine.feed(self.gap_us, BookGap(sid=1, tickers=tickers))
        self.engine.feed(self.gap_us + PAUSE_US, BookGap(sid=1, tickers=()))

    def _watched(self, verb: Any) -> Any:
        if isinstance(verb, MarkEquity):
            self.marks.append((self.engine.now_us, verb.profit_micros + self._balance_micros))
        return self._apply(verb)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(make_recording(tmp_path_factory.mktemp("made") / "recording", seconds=25, markets=4, seed=11))


def test_the_equity_is_unknown_after_a_gap(ran: Ran) -> None:
    assert ran.before_micros is not None
    assert any(market.position_centi for market in ran.engine.ledger.state.markets.values())
    assert equity_micros(ran.engine.ledger, ran.engine.data) is None
    result = ran.collector.result()
    assert result.account.equity_micros is None
    assert result.account.unvalued_markets
    after = [point.equity_micros for point in result.equity if point.at_us > ran.gap_us]
    assert after and set(after) == {None}


def test_losses_are_marked_by_the_last_known_books(ran: Ran) -> None:
    """A gap is no loss."""
    assert ran.before_micros is not None
    after = [equity for at_us, equity in ran.marks if at_us > ran.gap_us]
    assert len(after) > 20
    assert min(after) > ran.before_micros - 500_000
