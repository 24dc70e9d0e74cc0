"""What the limits of losses measure in a backtest: the equity by the recorded books, while they are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.made_recordings import make_recording
from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.venue import Recorded
from truebook.backtest.marks import equity_micros
from truebook.backtest.window import Window, read_window
from truebook.ledger.verbs import Limits, MarkEquity
from truebook.models.registry import BUNDLED
from truebook.models.session import load_model
from truebook.runtime.settings import load
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings


class Marked:
    """A backtest of the maker with a limit that it does not reach; ``marks`` are (equity by the mark, by the books)."""

    def __init__(self, path: Path) -> None:
        settings = msgspec.structs.replace(
            engine_settings(load(EmbeddedSettings), path), limits=Limits(drawdown_micros=10**12), mark_us=1_000_000
        )
        data = read_window(path, Window())
        self.events: list[tuple[int, Recorded]] = list(data.events)
        self.engine = Engine(
            settings, load_model(BUNDLED / "maker.onnx"), data.markets, queue=QueueModel.OPTIMISTIC,
            start_us=data.start_us,
        )  # fmt: skip
        self.marks: list[tuple[int, int | None]] = []
        self._apply = self.engine.ledger.apply
        self.engine.ledger.apply = self._watched  # type: ignore[method-assign]
        self._balance_micros = settings.balance_micros

    def feed(self, events: list[tuple[int, Recorded]]) -> None:
        for at_us, event in events:
            self.engine.feed(at_us, event)

    def _watched(self, verb: Any) -> Any:
        if isinstance(verb, MarkEquity):
            by_books = equity_micros(self.engine.ledger, self.engine.data)
            self.marks.append((verb.profit_micros + self._balance_micros, by_books))
        return self._apply(verb)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("made") / "recording", seconds=30, markets=4, seed=11)


def test_marks_are_the_equity_by_the_recorded_books(made: Path) -> None:
    """Recorded books never contain our orders, which rest at the best prices here."""
    ran = Marked(made)
    ran.feed(ran.events)
    ran.engine.finish()
    compared = [mark for mark in ran.marks if mark[1] is not None]
    assert len(compared) > 20
    assert len({by_books for _, by_books in compared}) > 10, "positions are held"
    assert [marked for marked, _ in compared] == [by_books for _, by_books in compared]
