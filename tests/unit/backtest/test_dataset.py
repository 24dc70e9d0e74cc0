"""A data set has the vectors that a live model is given, and labels of what followed: never of what is not known."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.made_tapes import START_US, make_tape, ticker_of
from truebook.backtest.calibration.market_rows import MarketRows, by_market, concatenated
from truebook.backtest.calibration.order import Join, NotCounted, fill_times
from truebook.backtest.dataset import observing
from truebook.backtest.dataset.labels import fill_column, label_columns, mid_column
from truebook.backtest.dataset.request import DatasetRequest, Label
from truebook.backtest.dataset.writing import DatasetSummary, write_dataset
from truebook.backtest.engine.engine import Engine
from truebook.backtest.errors import DatasetError
from truebook.backtest.tape.tops import TopTracker
from truebook.backtest.window import Window, read_window
from truebook.book.order_book import OrderBook
from truebook.capture.columns import read_columns
from truebook.capture.event_types import BookGap
from truebook.capture.events import read_events
from truebook.features.layout import layout
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.messages.envelope import BookSide
from truebook.messages.observations import Observation
from truebook.models.batch import stack
from truebook.models.registry import BUNDLED
from truebook.models.session import load_model
from truebook.runtime.settings import load
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

M1 = layout("m1")
S = 1_000_000


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tape(tmp_path_factory.mktemp("tapes") / "tape", gap_us=90 * S)


def request_of(recording: Path, out: Path, **changed: Any) -> DatasetRequest:
    settings = engine_settings(load(EmbeddedSettings), recording)
    return DatasetRequest(recording=recording, out=out, settings=settings, **{"layout": M1, **changed})


def written(recording: Path, out: Path, **changed: Any) -> tuple[DatasetSummary, pa.Table]:
    summary = write_dataset(request_of(recording, out, **changed))
    return summary, pq.read_table(out)


def column(table: pa.Table, name: str) -> list[Any]:
    values: list[Any] = table[name].to_pylist()
    return values


def backtested(recording: Path) -> list[Observation]:
    """Return the observations of a backtest of the model that never trades."""
    data = read_window(recording, Window())
    settings = engine_settings(load(EmbeddedSettings), recording)
    engine = Engine(
        settings, load_model(BUNDLED / "hold.onnx"), data.markets, queue=QueueModel.PESSIMISTIC, start_us=data.start_us
    )  # fmt: skip
    seen: list[Observation] = []
    engine.decided = lambda observations, decisions: seen.extend(observations)
    for at_us, event in data.events:
        engine.feed(at_us, event)
    engine.finish()
    return seen


@pytest.mark.parametrize("block_rows", [37, 4_096])
def test_rows_are_the_backtests_observations(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_rows: int
) -> None:  # fmt: skip
    monkeypatch.setattr(observing, "BLOCK_ROWS", block_rows)
    summary, table = written(tape, tmp_path / "set.parquet")
    seen = backtested(tape)
    assert summary.rows == len(seen) > 800
    assert column(table, "at_us") == [one.produced_us for one in seen]
    for name in ("ticker", "event", "close_us", "best_bid_cc", "best_bid_centi", "best_ask_cc", "best_ask_centi"):
        assert column(table, name) == [getattr(one, name) for one in seen], name
    vectors = np.column_stack([table[name].to_numpy() for name in M1.names])
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, stack([one.features for one in seen]))


def test_blocks_do_not_change_the_file(tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = written(tape, tmp_path / "whole.parquet")
    monkeypatch.setattr(observing, "BLOCK_ROWS", 23)
    _, divided = written(tape, tmp_path / "divided.parquet")
    assert pq.read_metadata(tmp_path / "divided.parquet").num_row_groups > 30
    assert divided.to_pydict() == whole.to_pydict()


def test_another_future_changes_labels_only(tmp_path: Path) -> None:
    """Up to the fork, whole rows of features and keys are equal; labels that look beyond it are not."""
    fork_us = START_US + 100 * S
    first = written(make_tape(tmp_path / "one"), tmp_path / "one.parquet")[1]
    other = written(make_tape(tmp_path / "two", other_from_us=fork_us), tmp_path / "two.parquet")[1]
    before = sum(at_us < fork_us for at_us in column(first, "at_us"))
    assert before > 300
    labels = [field.name for field in first.schema if field.metadata[b"role"] == b"label"]
    inputs = [field.name for field in first.schema if field.name not in labels]
    assert first.select(inputs).slice(0, before).equals(other.select(inputs).slice(0, before))
    settled = sum(at_us + 60 * S < fork_us for at_us in column(first, "at_us"))
    assert first.select(labels).slice(0, settled).equals(other.select(labels).slice(0, settled))
    near = slice(settled, before)
    for name in (mid_column(10), mid_column(60), fill_column(BookSide.BID, QueueModel.REALISTIC)):
        assert column(first, name)[near] != column(other, name)[near], name


def mids_of(recording: Path) -> dict[str, list[tuple[int, int | None]]]:
    """Fold the books; return the time of each change with the mid price after it (1/200 cent), by ticker."""
    books: dict[str, OrderBook | None] = {}
    found: dict[str, list[tuple[int, int | None]]] = {}
    for captured in read_events(recording):
        match captured.event:
            case SnapshotFrame() as event:
                books[event.ticker] = OrderBook(event.bids, event.asks)
                names = [event.ticker]
            case DeltaFrame() as event if (book := books.get(event.ticker)) is not None:
                book.change_level(event.book_side, event.price_cc, event.delta_centi)
                names = [event.ticker]
            case BookGap() as event:
                names = list(event.tickers)
                books |= dict.fromkeys(names)
            case _:
                names = []
        for ticker in names:
            book = books[ticker]
            sides = [] if book is None else [book.best(BookSide.BID), book.best(BookSide.ASK)]
            known = [side[0] for side in sides if side is not None]
            found.setdefault(ticker, []).append((captured.at_us, sum(known) if len(known) == 2 else None))
    return found


def test_mid_moves_are_those_of_folded_books(tape: Path, tmp_path: Path) -> None:
    summary, table = written(tape, tmp_path / "set.parquet", labels=frozenset({Label.MID}), horizons_s=(1, 10, 60))
    mids = mids_of(tape)
    for horizon_s in (1, 10, 60):
        expected: list[int | None] = []
        for at_us, ticker, bid_cc, ask_cc in zip(
            *(column(table, name) for name in ("at_us", "ticker", "best_bid_cc", "best_ask_cc")), strict=True
        ):
            then_us = at_us + horizon_s * S
            known = [mid for changed_us, mid in mids[ticker] if changed_us <= then_us]
            is_covered = then_us <= mids[ticker][-1][0]
            mid = known[-1] if is_covered else None
            expected.append(None if mid is None else mid - bid_cc - ask_cc)
        assert column(table, mid_column(horizon_s)) == expected
        assert summary.known[mid_column(horizon_s)] == sum(one is not None for one in expected)
        assert len(set(expected)) > 4
    assert "outcome_cc" not in table.column_names


def whole_rows(recording: Path) -> dict[int, MarketRows]:
    tracker, pieces = TopTracker(), dict[int, list[MarketRows]]()
    for chunk in read_columns(recording):
        for market, piece in by_market(chunk, tracker.add(chunk)):
            pieces.setdefault(market, []).append(piece)
    return {market: concatenated(each) for market, each in pieces.items()}


def test_fills_are_those_of_orders_on_the_whole_tape(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(observing, "BLOCK_ROWS", 50)
    _, table = written(tape, tmp_path / "set.parquet", labels=frozenset({Label.FILL}))
    rows = whole_rows(tape)
    for side in BookSide:
        for queue in QueueModel:
            expected: list[bool | None] = []
            for at_us, ticker in zip(column(table, "at_us"), column(table, "ticker"), strict=True):
                market = [ticker_of(0), ticker_of(1)].index(ticker)
                found = fill_times(rows[market], Join(market, at_us, side), 100, 60 * S)
                is_known = at_us + 60 * S <= rows[market].at_us[-1] and not isinstance(found, NotCounted)
                expected.append(found[queue] is not None if is_known else None)
            assert column(table, fill_column(side, queue)) == expected
            assert {True, False, None} <= set(expected) | {False}


def test_a_gap_makes_a_fill_unknown(tape: Path, tmp_path: Path) -> None:
    _, table = written(tape, tmp_path / "set.parquet", labels=frozenset({Label.FILL}))
    name = fill_column(BookSide.ASK, QueueModel.OPTIMISTIC)
    of_first = [
        (at_us - START_US, value)
        for at_us, ticker, value in zip(
            *(column(table, each) for each in ("at_us", "ticker", name)), strict=True
        )
        if ticker == ticker_of(0)
    ]  # fmt: skip
    assert all(value is not None for at_us, value in of_first if at_us < 29 * S)
    assert all(value is None for at_us, value in of_first if 36 * S < at_us < 90 * S)


def test_no_label_uses_what_is_after_the_window(tape: Path, tmp_path: Path) -> None:
    to_us = START_US + 60 * S
    _, table = written(tape, tmp_path / "set.parquet", window=Window(to_us=to_us))
    at_us = column(table, "at_us")
    assert max(at_us) <= to_us + S
    assert column(table, "outcome_cc") == [None] * len(at_us)
    for horizon_s in (1, 10, 60):
        known = [value is not None for value in column(table, mid_column(horizon_s))]
        assert known == [each + horizon_s * S <= to_us for each in at_us]
    _, later = written(
        tape, tmp_path / "later.parquet", window=Window(from_us=to_us, markets=frozenset({ticker_of(0)}))
    )
    assert set(column(later, "outcome_cc")) == {0}
    assert set(column(later, "ticker")) == {ticker_of(0)}


def test_the_file_describes_itself(tape: Path, tmp_path: Path) -> None:
    request = request_of(tape, tmp_path / "set.parquet", version="9.9")
    summary = write_dataset(request)
    schema = pq.read_schema(request.out)
    found = {key.decode().removeprefix("truebook."): value.decode() for key, value in schema.metadata.items()}
    assert (found["layout"], found["layout_hash"], found["version"]) == ("m1", M1.hash, "9.9")
    assert found["data_sha256"] == summary.data_sha256
    assert found["throttle_us"] == "250000"
    roles = [field.metadata[b"role"] for field in schema]
    assert [roles.count(role) for role in (b"key", b"feature", b"label")] == [8, 24, len(label_columns(request))]
    assert [name for name, role in zip(schema.names, roles, strict=True) if role == b"feature"] == list(M1.names)
    assert all(field.metadata[b"meaning"] for field in schema)
    times = pq.read_table(request.out)["at_us"].to_pylist()
    assert all(one <= next_ for one, next_ in pairwise(times))


def test_another_file_is_not_replaced(tape: Path, tmp_path: Path) -> None:
    out = tmp_path / "notes.parquet"
    out.write_bytes(b"notes")
    with pytest.raises(DatasetError, match="no data set, so it is not replaced"):
        write_dataset(request_of(tape, out))
    assert out.read_bytes() == b"notes"
    with pytest.raises(DatasetError, match="would change the recording"):
        write_dataset(request_of(tape, tape / "set.parquet"))
    with pytest.raises(DatasetError, match="there is no folder"):
        write_dataset(request_of(tape, tmp_path / "missing" / "set.parquet"))


def test_an_interruption_keeps_the_earlier_file(tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "set.parquet"
    write_dataset(request_of(tape, out, labels=frozenset({Label.MID})))
    before = out.read_bytes()
    monkeypatch.setattr(observing, "BLOCK_ROWS", 100)

    def interrupt(events: int, rows: int, at_us: int) -> None:
        if rows > 300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(request_of(tape, out), interrupt)
    assert out.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["set.parquet"]


def test_nothing_observed_writes_nothing(tape: Path, tmp_path: Path) -> None:
    strict = request_of(tape, tmp_path / "set.parquet", window=Window(to_us=START_US))
    with pytest.raises(DatasetError, match="no market was observed in the window"):
        write_dataset(strict)
    assert list(tmp_path.iterdir()) == []


def test_a_feature_may_not_have_a_keys_name(tape: Path, tmp_path: Path) -> None:
    named = M1.extended("named", [M1.features[0].twin("ticker", "a clash")])
    with pytest.raises(DatasetError, match="ticker can't be the name of a feature"):
        write_dataset(request_of(tape, tmp_path / "set.parquet", layout=named))
