"""Charts of the report as plotly's JSON, without colours: the page gives each trace the colour of its role.

Roles are the queue models, ``band``, ``model``, ``market`` and ``reference``. Needs the library plotly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from truebook.backtest.analysis.attribution import Group
from truebook.backtest.analysis.bootstrap import Ints
from truebook.backtest.analysis.statistics import PassStatistics
from truebook.backtest.errors import MissingLibrary
from truebook.backtest.report.document import Variant
from truebook.backtest.report.headline import central
from truebook.backtest.report.sections import after_text, largest_markets
from truebook.backtest.report.tables import groups_by_key
from truebook.backtest.result import EquityPoint, PassResult
from truebook.simulation.recorded.queue import QueueModel

Trace = dict[str, Any]
MICROS: Final = 1_000_000
POINTS: Final = 1_000
"""Most points of a curve: about one per pixel."""
MAX_BARS: Final = 30
MIN_CUT_US: Final = 1_800_000_000
"""Shorter times without a change stay on the time axis."""
MARGIN_US: Final = 30_000_000
"""What stays on the axis of a longer one, at each end."""
DASHES: Final = {QueueModel.PESSIMISTIC: "dot", QueueModel.REALISTIC: "solid", QueueModel.OPTIMISTIC: "dash"}
SYMBOLS: Final = {
    QueueModel.PESSIMISTIC: "triangle-down", QueueModel.REALISTIC: "circle", QueueModel.OPTIMISTIC: "triangle-up",
}  # fmt: skip
RANGES: Final = "Point: realistic (or the only) queue model; line: range over all of them."
_DOLLAR_AXIS: Final = {"tickformat": "$,.2~f", "zeroline": True}


class Chart(NamedTuple):
    """A chart: its name, its height in pixels, plotly's JSON, and how to read it."""

    name: str
    height: int
    json: str
    note: str = ""


def script() -> str:
    """Return plotly's own JavaScript; raises ``MissingLibrary``."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise MissingLibrary("the report needs the library plotly: install truebook[research]") from None
    return str(get_plotlyjs())


def equity(passes: Sequence[PassResult]) -> Chart | None:
    """The equity of each pass over time, and the area between the lowest and the highest."""
    return _curves("Equity", passes, lambda point: point.equity_micros)


def exposure(passes: Sequence[PassResult]) -> Chart | None:
    """The cost of the open positions of each pass over time."""
    return _curves("Exposure: cost of the open positions", passes, lambda point: point.exposure_micros, area=False)


def drawdown(passes: Sequence[PassResult]) -> Chart | None:
    """How far the equity of each pass is below its earlier peak."""
    traces = []
    for one in passes:
        at_us, values = _known(one.equity, lambda point: point.equity_micros)
        if len(at_us):
            traces.append(_line(one.queue, *_thinned(at_us, values - np.maximum.accumulate(values))))
    return _chart("Drawdown", 240, traces, {"xaxis": _time_axis(passes), "yaxis": _DOLLAR_AXIS})


def by_market(passes: Sequence[PassStatistics]) -> Chart | None:
    """The profit of the markets with the largest amounts, if there are several; the line is the range of the passes.

    Markets that are left out of the profit under a queue model are left out here.
    """
    unvalued = {ticker for one in passes for ticker in one.left_out_markets}
    nets = [{each.ticker: (each.net_micros or 0) for each in one.markets} for one in passes]
    names = [ticker for ticker in largest_markets(passes) if ticker not in unvalued][:MAX_BARS]
    middle = nets[[one.queue for one in passes].index(central(passes).queue)]
    trace = _ranges([(escape(name), middle.get(name, 0), [net.get(name, 0) for net in nets]) for name in names])
    trace = {**trace, "x": trace["y"], "y": trace["x"], "error_x": trace["error_y"]}
    del trace["error_y"]
    layout = {"xaxis": _DOLLAR_AXIS, "yaxis": {"autorange": "reversed", "type": "category", "automargin": True}}
    return _chart("Profit by market", 120 + 24 * len(names), [trace] if len(names) > 1 else [], layout, RANGES)


def by_group(
    name: str, passes: Sequence[PassStatistics], groups_of: Callable[[PassStatistics], Sequence[Group]]
) -> Chart | None:
    """The profit by a property of the fills that has several values; the line is the range of the passes."""
    middle = central(passes).queue
    rows = [
        (escape(key), dict(found)[middle].net_micros, [each.net_micros for _, each in found])
        for key, found in groups_by_key(passes, groups_of).items()
    ]
    layout = {"xaxis": {"type": "category"}, "yaxis": _DOLLAR_AXIS}
    return _chart(name, 280, [_ranges(rows)] if len(rows) > 1 else [], layout, RANGES)


def mark_outs(passes: Sequence[PassStatistics], role: str) -> Chart | None:
    """The mean mark-out of one role's fills by time after the fill, of each pass."""
    traces = []
    for one in passes:
        found = [each for each in one.mark_outs if each.role == role]
        if found:
            x = [after_text(each.after_s) for each in found]
            line = _line(one.queue, x, [each.mean_cc / 100 for each in found], shape="linear")
            traces.append(line | {"mode": "lines+markers"})
    layout = {"xaxis": {"type": "category"}, "yaxis": {"ticksuffix": "\N{NO-BREAK SPACE}¢", "zeroline": True}}
    return _chart(f"Mark-out of {role} fills, per contract", 280, traces, layout)


def calibration(passes: Sequence[PassStatistics]) -> Chart | None:
    """Predicted against observed frequency, of the model and of the market's price."""
    found = central(passes).scores
    if found is None:
        return None
    diagonal = {"x": [0, 1], "y": [0, 1], "mode": "lines", "name": "calibrated", "meta": {"role": "reference"}}
    traces: list[Trace] = [diagonal | {"line": {"dash": "dot"}, "hoverinfo": "skip"}]
    for role, symbol, bins in (
        ("model", "circle", found.model_calibration), ("market", "square", found.market_calibration),
    ):  # fmt: skip
        trace: Trace = {
            "name": role, "meta": {"role": role}, "mode": "lines+markers", "marker": {"symbol": symbol, "size": 8},
            "x": [each.mean_predicted for each in bins], "y": [each.observed for each in bins],
            "hovertemplate": "predicted %{x:.1%}, settled YES %{y:.1%}",
        }  # fmt: skip
        if role == "model":
            trace["error_y"] = _errors(
                trace["y"],
                [each.observed if each.observed_interval is None else each.observed_interval.low for each in bins],
                [each.observed if each.observed_interval is None else each.observed_interval.high for each in bins],
            )
        traces.append(trace)
    axis = {"range": [-0.02, 1.02], "tickformat": ".0%", "zeroline": False}
    layout = {
        "xaxis": axis | {"title": {"text": "predicted probability"}},
        "yaxis": axis | {"title": {"text": "settled YES"}},
    }  # fmt: skip
    return _chart("Calibration", 380, traces, layout)


def variants(name: str, found: Sequence[Variant]) -> Chart | None:
    """The profit of variants side by side; the line is the range over the queue models."""
    rows = []
    for each in found:
        nets = [one.net_micros for one in each.passes]
        realistic = next((one.net_micros for one in each.passes if one.queue is QueueModel.REALISTIC), nets[0])
        rows.append((escape(each.label), realistic, nets))
    layout = {"xaxis": {"type": "category"}, "yaxis": _DOLLAR_AXIS}
    return _chart(name, 280, [_ranges(rows)] if len(rows) > 1 else [], layout, RANGES)


def _curves(
    name: str, passes: Sequence[PassResult], value: Callable[[EquityPoint], int | None], *, area: bool = True
) -> Chart | None:
    series = [(one.queue, *_known(one.equity, value)) for one in passes]
    series = [each for each in series if len(each[1])]
    axis = _time_axis(passes)
    has_cuts = "rangebreaks" in axis  # plotly fills an area across them
    traces = _area(series) if area and len(series) > 1 and not has_cuts else []
    traces += [_line(queue, *_thinned(at_us, values)) for queue, at_us, values in series]
    note = "Times without any change are cut out." if has_cuts else ""
    return _chart(name, 340, traces, {"xaxis": axis, "yaxis": _DOLLAR_AXIS}, note)


def _time_axis(passes: Sequence[PassResult]) -> dict[str, Any]:
    """Return a time axis without the long times in which no pass changed: else short sessions would be lines."""
    changes_us = {point.at_us for one in passes for point in _changed(one.equity)}
    ends_us = {one.equity[index].at_us for one in passes if one.equity for index in (0, -1)}
    at_us = sorted(changes_us | ends_us)
    if not changes_us:
        return {"type": "date"}
    shortest_us = max(MIN_CUT_US, (at_us[-1] - at_us[0]) // 20)
    cuts = [
        {"bounds": [(start + MARGIN_US) / 1_000, (end - MARGIN_US) / 1_000]}
        for start, end in pairwise(at_us)
        if end - start > shortest_us
    ]
    return {"type": "date", "rangebreaks": cuts} if cuts else {"type": "date"}


def _changed(points: Sequence[EquityPoint]) -> Iterator[EquityPoint]:
    return (
        later
        for point, later in pairwise(points)
        if (later.equity_micros, later.exposure_micros) != (point.equity_micros, point.exposure_micros)
    )


def _known(points: Iterable[EquityPoint], value: Callable[[EquityPoint], int | None]) -> tuple[Ints, Ints]:
    found = [(point.at_us, micros) for point in points if (micros := value(point)) is not None]
    columns = np.array(found, dtype=np.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def _thinned(at_us: Ints, values: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Keep the first, lowest, highest and last value of each of ``POINTS / 4`` parts; milliseconds and dollars."""
    if len(at_us) > POINTS:
        kept: set[int] = set()
        for part in np.array_split(np.arange(len(at_us)), POINTS // 4):
            own = values[part]
            kept |= {int(part[0]), int(part[own.argmin()]), int(part[own.argmax()]), int(part[-1])}
        index = np.array(sorted(kept))
        at_us, values = at_us[index], values[index]
    return at_us / 1_000, values / MICROS


def _area(series: Sequence[tuple[QueueModel, Ints, Ints]]) -> list[Trace]:
    """Return the area between the lowest and the highest curve, at common moments."""
    first_us = min(int(at_us[0]) for _, at_us, _ in series)
    last_us = max(int(at_us[-1]) for _, at_us, _ in series)
    grid_us = np.linspace(first_us, last_us, POINTS // 2).astype(np.int64)
    rows = np.array([
        values[np.maximum(np.searchsorted(at_us, grid_us, side="right") - 1, 0)] for _, at_us, values in series
    ])  # fmt: skip
    base: Trace = {
        "x": grid_us / 1_000, "mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip",
        "meta": {"role": "band"},
    }  # fmt: skip
    return [
        base | {"y": rows.min(axis=0) / MICROS, "showlegend": False},
        base | {"y": rows.max(axis=0) / MICROS, "fill": "tonexty", "name": "band"},
    ]


def _line(queue: QueueModel, x: Any, y: Any, *, shape: str = "hv") -> Trace:
    """Return a line; with the shape ``hv`` a value holds until the next point."""
    return {
        "x": x, "y": y, "mode": "lines", "name": str(queue), "meta": {"role": str(queue)},
        "line": {"dash": DASHES[queue], "shape": shape, "width": 2 if queue is QueueModel.REALISTIC else 1.2},
        "marker": {"symbol": SYMBOLS[queue], "size": 8},
    }  # fmt: skip


def _ranges(rows: Sequence[tuple[str, int, Sequence[int]]]) -> Trace:
    """Return points with the range of all passes: (label, value, values of all passes) in micro-dollars."""
    y = [value / MICROS for _, value, _ in rows]
    return {
        "x": [label for label, _, _ in rows], "y": y, "mode": "markers", "showlegend": False,
        "meta": {"role": str(QueueModel.REALISTIC)}, "marker": {"size": 9},
        "error_y": _errors(
            y, [min(values) / MICROS for _, _, values in rows], [max(values) / MICROS for _, _, values in rows]
        ),
    }  # fmt: skip


def _errors(middle: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Trace:
    return {
        "type": "data", "symmetric": False, "thickness": 2, "width": 4,
        "array": [max(0.0, above - value) for value, above in zip(middle, high, strict=True)],
        "arrayminus": [max(0.0, value - below) for value, below in zip(middle, low, strict=True)],
    }  # fmt: skip


def _chart(name: str, height: int, traces: Sequence[Trace], layout: Trace, note: str = "") -> Chart | None:
    """Return the chart; None without a trace. plotly refuses misspelt properties."""
    if not traces:
        return None
    try:
        import plotly.graph_objects as graph
        from plotly.io import to_json
    except ImportError:
        raise MissingLibrary("the report needs the library plotly: install truebook[research]") from None
    typed = [{"type": "scatter"} | trace for trace in traces]
    chart = graph.Figure(data=typed, layout={"hovermode": "closest"} | layout).to_dict()
    del chart["layout"]["template"]  # plotly's own colours
    return Chart(name, height, str(to_json(chart, validate=False)), note)
