"""A calibration draws orders, follows them in a recording that is read in chunks, and adds up what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.column_rows import ASK, BID, R, chunks, columns, snapshot
from support.recorded_gold import TRADES, bare_gold
from truebook.backtest.calibration import sampling
from truebook.backtest.calibration.market_rows import MarketRows, by_market
from truebook.backtest.calibration.order import JoinedOrder, NotCounted, follow
from truebook.backtest.calibration.result import Calibration, NothingToCalibrate, Terms, calibrate
from truebook.backtest.calibration.sampling import OrderFollower, draw, spans_of
from truebook.backtest.tape.tops import TopTracker
from truebook.capture.columns import Kind, read_columns
from truebook.simulation.events import Basis

BOTH = ((BID, 4_000, 1_000), (ASK, 4_100, 1_000))
SECOND_US = 1_000_000


def quarter_hour(trade_every_s: int = 10, market: int = 0) -> list[R]:
    """Return fifteen minutes in which the best level of one side, then of the other, is traded and shown again."""
    rows = snapshot(*BOTH, market=market)
    for number, second in enumerate(range(trade_every_s, 901, trade_every_s)):
        side, price_cc = BOTH[number % 2][:2]
        at_ms = second * 1_000
        for row in (
            R(Kind.DELTA, side, price_cc, -1_000, at_ms), R(Kind.TRADE, -side, price_cc, 1_000, at_ms),
            R(Kind.DELTA, side, price_cc, 1_000, at_ms + 1),
        ):  # fmt: skip
            rows.append(row._replace(exchange_ms=at_ms if row.size_centi < 0 or row.kind is Kind.TRADE else at_ms + 1))
    return [row._replace(market=market) for row in rows]


def calibrated(rows: Sequence[R], *, chunk: int = 10_000, seconds: int = 60, samples: int = 40) -> Calibration:
    terms = Terms(samples=samples, seconds=seconds, size_centi=500)
    return calibrate(lambda: chunks(rows, chunk), terms, lambda done, total: None)


def test_shares_and_times_of_a_regular_tape() -> None:
    # Each side is traded every 20 s: the 2nd trade after joining fills the order, between 20 and 40 s later.
    found = calibrated(quarter_hour())
    assert (found.orders, found.markets, found.not_counted) == (80, 1, {})
    assert (found.trades, found.trades_with_delta, found.trades_after_delta) == (90, 90, 90)
    assert found.ahead_centi == (1_000,) * 5
    for model in found.models:
        assert model.filled.value == model.in_queue.value == model.paired.value == 1.0
        assert [(one.basis, one.share, one.mark_outs_cc[0].value) for one in model.bases] == [(Basis.QUEUE, 1.0, 50.0)]
        assert model.fill_s is not None and 20 <= model.fill_s[0] <= model.fill_s[1] <= model.fill_s[2] <= 40
        before = model.prices[0].mark_out_cc
        assert before.value == 50.0  # half of the spread of 1 cent
        assert model.prices[1].change_cc.value == 0.0


def test_orders_that_rest_too_briefly_are_not_filled() -> None:
    found = calibrated(quarter_hour(), seconds=10)
    assert [model.filled.value for model in found.models] == [0.0] * 3
    assert [model.fill_s for model in found.models] == [None] * 3
    assert [model.prices[0].mark_out_cc.value for model in found.models] == [None] * 3


def test_the_result_does_not_depend_on_the_chunks() -> None:
    rows = sorted(quarter_hour() + quarter_hour(7, market=1), key=lambda row: row.at_ms)
    results = [calibrated(rows, chunk=chunk) for chunk in (5, 61, 10_000)]
    assert results[0] == results[1] == results[2]
    assert results[0].markets == 2


def test_old_rows_are_dropped_while_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    # 5,400 s with joins every 13.5 s and three rows every 10 s; an order needs at most 10 minutes of joins,
    # its minute, the minute after its fill, five seconds before it, and the chunk that is being read.
    rows = [row._replace(at_ms=row.at_ms + 900_000 * part) for part in range(6) for row in quarter_hour()]
    joins = draw(spans_of([columns(rows)]), 400, 60 * SECOND_US, 1)
    read: list[int] = []

    def spied(market: MarketRows, *arguments: Any) -> JoinedOrder | NotCounted:
        read.append(len(market))
        return follow(market, *arguments)

    monkeypatch.setattr(sampling, "follow", spied)
    follower = OrderFollower(joins, 500, 60 * SECOND_US)
    at_once = [len(list(follower.add(chunk))) for chunk in chunks(rows, 60)]
    assert sum(count > 0 for count in at_once) > 2
    assert sum(at_once) + len(list(follower.finish())) == len(joins) - follower.not_counted.total()
    assert len(read) == len(joins)
    assert max(read) < 400 < len(rows) / 4


def test_kept_rows_begin_before_a_time_and_divide_no_snapshot() -> None:
    rows = [R(Kind.OTHER, at_ms=1), *snapshot(*BOTH, at_ms=2), R(Kind.TRADE, BID, 4_100, 1, 9)]
    chunk = columns(rows)
    ((_, market),) = by_market(chunk, TopTracker().add(chunk))
    for at_us, kept in ((10_000, 1), (9_001, 1), (9_000, 4), (3_000, 4), (2_000, 5), (1_000, 5), (-5, 5)):
        assert len(market.since(at_us)) == kept
        assert market.since(at_us).kind.tolist() == market.kind.tolist()[-kept:]


def test_joins_are_drawn_evenly_over_the_recorded_time() -> None:
    spans = {3: (1_000 * SECOND_US, 1_160 * SECOND_US), 5: (0, 360 * SECOND_US), 7: (0, 60 * SECOND_US)}
    joins = draw(spans, 4_000, 60 * SECOND_US, 1)
    assert joins == sorted(joins)
    assert draw(spans, 4_000, 60 * SECOND_US, 1) == joins != draw(spans, 4_000, 60 * SECOND_US, 2)
    times = {market: [one.at_us for one in joins if one.market == market] for market in spans}
    assert len(times[3]) / len(joins) == pytest.approx(100 / 400, abs=0.03)
    assert not times[7]
    assert min(times[3]) >= 1_000 * SECOND_US and max(times[3]) < 1_100 * SECOND_US
    assert np.mean(times[5]) == pytest.approx(150 * SECOND_US, rel=0.05)
    assert [first.side is not second.side for first, second in list(pairwise(joins))[::2]] == [True] * 4_000


def test_a_span_begins_with_the_first_snapshot() -> None:
    rows = [R(Kind.DELTA, BID, 4_000, 1, 5), *snapshot(*BOTH, at_ms=7), R(Kind.TRADE, BID, 4_100, 1, 9), R(Kind.OTHER)]
    assert spans_of([columns(rows[:1]), columns(rows[1:])]) == {0: (7_000, 9_000)}


ONE_SIDED = [*snapshot(BOTH[0]), *(row for row in quarter_hour()[3:] if row.price_cc == 4_000)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (quarter_hour()[:15], r"no market's book was recorded for more than 60 s"),
        ([row for row in quarter_hour() if row.kind is not Kind.TRADE], r"no trades were recorded"),
        (ONE_SIDED, r"no order could join \(no_two_sided_book 80\)"),
        ([], r"no market's book"),
    ],
)
def test_recordings_that_allow_no_calibration(rows: list[R], message: str) -> None:
    with pytest.raises(NothingToCalibrate, match=message):
        calibrated(rows)


def test_orders_in_a_recorded_market(tmp_path: Path) -> None:
    path = bare_gold(tmp_path)
    found = calibrate(lambda: read_columns(path), Terms(samples=30), lambda done, total: None)
    assert found.orders + sum(found.not_counted.values()) == 60
    assert found.trades == found.trades_with_delta == TRADES
    paired = [model.paired.value or 0 for model in found.models]
    assert 0.2 < paired[0] <= paired[1] <= paired[2] < 0.9
    for model in found.models:
        assert (model.in_queue.value or 0) <= (model.filled.value or 0) < 1
        assert sum(one.share for one in model.bases) == pytest.approx(1)
        assert sum(one.mark_outs_cc[0].count for one in model.bases) == model.prices[0].mark_out_cc.count
