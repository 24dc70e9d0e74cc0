"""The report: its sentences, its variants, and a page that loads nothing."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np
import pytest

from support.backtest_results import MINUTE_US, START_US, market, one_pass, point, result, with_profits
from support.random_backtest import random_result
from truebook.backtest.analysis.comparison import Named
from truebook.backtest.errors import NotComparable
from truebook.backtest.report import charts
from truebook.backtest.report.document import Report, build_report
from truebook.backtest.report.headline import BAND, ONE_PASS, SEPARATE, Verdict
from truebook.backtest.report.page import page_of
from truebook.backtest.result import BacktestResult, PassResult, VariantResult
from truebook.simulation.recorded.queue import QueueModel

GAINS = {f"E{number}-1": 100_000 + 1_000 * number for number in range(8)}
LOSSES = {event: -profit for event, profit in GAINS.items()}


class Page(HTMLParser):
    """The elements of a page: every attribute, the data of the charts, and the cells of each table's rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.charts: list[dict[str, Any]] = []
        self.tables: list[list[int]] = []
        self._in_chart = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._in_chart = tag == "script" and any(name == "data-chart" for name, _ in attrs)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(0)
        elif tag in ("td", "th"):
            self.tables[-1][-1] += 1

    def handle_data(self, data: str) -> None:
        if self._in_chart:
            self.charts.append(json.loads(data))
            self._in_chart = False


def page(whole: BacktestResult, *variants: Named) -> str:
    return page_of(build_report(whole, variants), whole)


@pytest.fixture(scope="module")
def full() -> str:
    whole = random_result(8)
    return page(whole, sized(whole, 3), variant(whole, order_latency_us=6_000))


def variant(whole: BacktestResult, **settings: Any) -> Named:
    return Named("other", msgspec.structs.replace(whole, settings=msgspec.structs.replace(whole.settings, **settings)))


def sized(whole: BacktestResult, factor: int) -> Named:
    return variant(whole, size_ppm=factor * 1_000_000, balance_micros=factor * whole.settings.balance_micros)


def own_text(text: str) -> str:
    """The page without plotly's own script, which contains addresses that it does not load."""
    return text.replace(charts.script(), "")


def test_the_page_loads_nothing_from_elsewhere(full: str) -> None:
    loading = {"src", "href", "srcset", "data", "action", "poster", "background", "cite", "formaction"}
    assert [each for each in Page(full).attributes if each[1] in loading] == []
    own = own_text(full)
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest|import\(|sendBeacon|WebSocket", own)
    policy = next(value for tag, name, value in Page(full).attributes if (tag, name) == ("meta", "content"))
    assert policy.startswith("default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:")


def test_every_section_has_its_charts_and_tables(full: str) -> None:
    found = Page(full)
    assert len(found.charts) == 9
    assert len(found.tables) == 15
    for table in found.tables:
        assert len(set(table)) == 1, "each row has as many cells as the header"


def test_every_colour_is_given_for_light_and_dark(full: str) -> None:
    roles = {trace["meta"]["role"] for chart in Page(full).charts for trace in chart["data"]}
    assert roles == {*map(str, QueueModel), "band", "model", "market", "reference"}
    style = (files("truebook.backtest.report") / "assets/report.css").read_text(encoding="utf-8")
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    names = roles | set(re.findall(r'colour\("(\w+)"\)', own_text(full)))
    assert [name for name in names if f"--{name}:" not in light or f"--{name}:" not in dark] == []


def test_charts_bring_no_colours_and_no_template(full: str) -> None:
    for chart in Page(full).charts:
        assert "template" not in chart["layout"]
        assert "color" not in json.dumps(chart)


def test_the_numbers_are_those_of_the_page(full: str) -> None:
    report = build_report(random_result(8))
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
    encoded = json.loads(msgspec.json.encode(report))
    assert all(isinstance(one["net_micros"], int) for one in encoded["passes"])
    for sentence in report.sentences:
        assert sentence.replace("'", "&#x27;") in full


def test_text_from_the_data_can_not_become_markup() -> None:
    hostile = '<img src=x onerror="alert(1)">-1'
    whole = result(with_profits({hostile: 100_000, "B-1": 1_000}), data={"name": "</script><script>alert(2)</script>"})
    found = Page(page(whole))
    assert not any(tag == "img" for tag, _, _ in found.attributes)
    text = own_text(page(whole))
    assert "alert(2)</script>" not in text
    assert "<img" not in text
    assert "&lt;img" in next(chart for chart in found.charts if "&lt;img" in str(chart))["data"][0]["y"][0]


def test_a_run_without_fills_states_that_first() -> None:
    whole = result(one_pass(observations=9, decisions=9, refusals={"no_edge": 9}), partial=True)
    report = build_report(whole)
    assert report.verdict is Verdict.NOTHING_TRADED
    assert report.sentences[0].startswith("Nothing was traded: every decision is to do nothing; `no_edge` (9 ×)")
    text = page(whole)
    assert "<h2>Nothing was traded</h2><p>Nothing was traded: every decision" in text
    assert "No order was filled." in text


def test_one_market_has_a_table_but_no_chart_by_market() -> None:
    text = page(result(with_profits({"A-1": 500_000})))
    assert Page(text).charts == []
    assert "<caption>Profit by market</caption>" in text


def steady(one: PassResult) -> PassResult:
    """The pass with an equity that rises all the time."""
    points = tuple(point(minute * MINUTE_US, 10**9 + minute * 5_000 + minute % 3) for minute in range(61))
    return msgspec.structs.replace(one, equity=points)


def test_the_chart_by_market_leaves_out_unknown_values() -> None:
    unknown = market("Z-1", outcome_cc=None, position_centi=100, unrealized_micros=None, fills=1)
    known = with_profits({"A-1": 500_000, "B-1": -700_000}, QueueModel.OPTIMISTIC)
    one = msgspec.structs.replace(known, markets=(*known.markets, unknown))
    both = build_report(result(with_profits({"A-1": 500_000, "Z-1": 100_000}), one)).passes
    chart = charts.by_market(both)
    assert chart is not None
    assert json.loads(chart.json)["data"][0]["y"] == ["B-1", "A-1"]


def three(*profits: dict[str, int]) -> BacktestResult:
    return result(*(with_profits(each, queue) for each, queue in zip(profits, QueueModel, strict=True)))


@pytest.mark.parametrize(
    ("whole", "verdict", "sentence"),
    [
        (three(GAINS, GAINS, GAINS), Verdict.PROFIT, "Distinguishable from zero, under every queue model: a profit"),
        (three(LOSSES, LOSSES, LOSSES), Verdict.LOSS, "Distinguishable from zero, under every queue model: a loss"),
        (three(GAINS, LOSSES, GAINS), Verdict.NOT_DISTINGUISHABLE, "Not distinguishable from zero"),
        (three(GAINS, GAINS, {"A-1": 500}), Verdict.TOO_FEW, "1 traded event is too few for an interval"),
        (three(*[dict.fromkeys(GAINS, 9_000)] * 3), Verdict.TOO_FEW, "the profits of 8 traded events hardly differ"),
        (
            result(*(steady(with_profits(dict.fromkeys(GAINS, 9_000), queue)) for queue in QueueModel)),
            Verdict.TOO_FEW,
            "the profits of 8 traded events hardly differ",
        ),
    ],
)
def test_a_sign_counts_only_under_every_queue_model(whole: BacktestResult, verdict: Verdict, sentence: str) -> None:
    report = build_report(whole)
    assert report.verdict is verdict
    assert sentence in report.sentences[1]


def test_a_sign_under_one_queue_model_names_it() -> None:
    sentence = build_report(result(with_profits(GAINS, QueueModel.OPTIMISTIC))).sentences[1]
    assert sentence.startswith("Distinguishable from zero, under the only queue model, optimistic: a profit beyond")


def test_the_first_sentence_is_the_band_of_the_profit() -> None:
    report = build_report(three({"A-1": -2_000_000}, {"A-1": 1_234_500, "B-1": 5_000}, {"A-1": 3_000_000}))
    assert report.sentences[0] == (
        "Profit after fees on 2 markets with $1,000.00 at the start: +$1.24 (0.12\N{NO-BREAK SPACE}%) if the queue is"
        " realistic, between −$2.00 and +$3.00 over all queue models."
    )
    assert report.sentences[2] == BAND
    same = build_report(three({"A-1": 500_000}, {"A-1": 500_000}, {"A-1": 500_000})).sentences[0]
    assert same.endswith("at the start: +$0.50 (0.05\N{NO-BREAK SPACE}%) under every queue model.")
    assert ONE_PASS in build_report(result(with_profits(GAINS))).sentences


def test_what_spoils_a_result_is_stated_before_it() -> None:
    unknown = market("Z-1", outcome_cc=None, position_centi=100, unrealized_micros=None, fills=1)
    wrong = market("Y-1", realized_micros=9_000_000, fills=1)
    sold = with_profits({"Y-1": 100_000}).fills
    one = one_pass(markets=(wrong, unknown), fills=sold, equity=(point(MINUTE_US, None),))
    report = build_report(result(one, partial=True, data={"reached_us": START_US + MINUTE_US}))
    assert report.sentences[:3] == (
        "This backtest was interrupted: it ends at 2026-09-21 14:14:20 UTC, before the end of its data.",
        "The values do not add up (realistic): don't use this result, and report a bug.",
        "The profit leaves out 1 market whose open position has no known value: Z-1.",
    )


def test_other_markets_of_an_event_without_a_value_are_named() -> None:
    unknown = market("Z-1", outcome_cc=None, position_centi=100, unrealized_micros=None, fills=1)
    others = [market(ticker, realized_micros=100_000, fills=1) for ticker in ("Z-2", "Z-3")]
    warning = build_report(result(one_pass(markets=(unknown, *others)))).sentences[1]
    assert warning == (
        "The profit leaves out 1 market whose open position has no known value: Z-1,"
        " and 2 other markets of the same event or events: Z-2, Z-3."
    )


def test_probabilities_are_judged_against_the_price() -> None:
    assert any("Brier score" in sentence for sentence in build_report(random_result(8)).sentences)
    few = build_report(random_result(2)).sentences[-1]
    assert few.endswith("over 2 events, too few to compare them.")


def test_variants_are_sorted_into_capacity_and_latency() -> None:
    whole = random_result(2)
    report = build_report(
        whole,
        [
            sized(whole, 10), sized(whole, 3),
            variant(whole, order_latency_us=6_000, cancel_latency_us=6_000, jitter_us=2_000, latency="hosted"),
        ],
    )  # fmt: skip
    assert [(each.label, each.is_this) for each in report.capacity] == [("1 ×", True), ("3 ×", False), ("10 ×", False)]
    assert [(each.label, each.is_this) for each in report.latency] == [
        ("6 ms (hosted)", False),
        ("100 ms (home)", True),
    ]
    assert report.latency[1].passes[0].net_micros == report.passes[0].net_micros
    alone = build_report(whole)
    assert alone.capacity == ()
    assert "One size only. <code>truebook backtest … --capacity</code>" in page_of(alone, whole)


def test_variants_of_the_same_reading_are_in_the_report() -> None:
    whole = random_result(8)
    settings = sized(whole, 3).result.settings
    variants = (VariantResult(settings=settings, passes=(whole.passes[0].summary(),)),)
    (this, three) = build_report(msgspec.structs.replace(whole, variants=variants)).capacity
    assert (this.is_this, this.label, three.label) == (True, "1 ×", "3 ×")
    assert three.balance_micros == 3 * this.balance_micros
    assert this.passes[0].net_micros == three.passes[0].net_micros
    assert three.passes[0].return_ratio == pytest.approx(this.passes[0].return_ratio / 3)
    assert [each.fills for each in this.passes] == [len(one.fills) for one in whole.passes]
    assert all(0 < each.size_rate <= 1 for each in this.passes if each.size_rate is not None)


def test_accounts_that_were_added_up_are_stated() -> None:
    whole = result(with_profits(GAINS), settings={"accounts": 8})
    sentences = build_report(whole).sentences
    assert sentences[0] == SEPARATE
    assert "(8 accounts of their own, added up)" in sentences[1]


@pytest.mark.parametrize(
    "settings",
    [{}, {"seed": 2}, {"size_ppm": 3_000_000, "order_latency_us": 5}, {"size_ppm": 3_000_000}, {"accounts": 2}],
)
def test_other_results_are_no_variants(settings: dict[str, int]) -> None:
    whole = result(with_profits(GAINS))
    with pytest.raises(NotComparable, match="differs in size or in latency"):
        build_report(whole, [variant(whole, **settings)])


def test_another_model_is_no_variant() -> None:
    whole = result(with_profits(GAINS))
    other = msgspec.structs.replace(whole, model=msgspec.structs.replace(whole.model, sha256="0" * 64))
    with pytest.raises(NotComparable, match="use `truebook compare`"):
        build_report(whole, [Named("other", other)])


def test_a_result_without_a_pass_is_refused() -> None:
    with pytest.raises(NotComparable, match="before its first event"):
        build_report(result())


def test_a_long_curve_is_thinned_but_keeps_its_extremes() -> None:
    rising = [point(index, 1_000_000_000 + index) for index in range(20_000)]
    rising[7_777] = point(7_777, 123_000_000)
    rising[12_345] = point(12_345, 5_000_000_000)
    chart = charts.equity([one_pass(equity=tuple(rising))])
    assert chart is not None
    (trace,) = json.loads(chart.json)["data"]
    y = values(trace["y"])
    assert len(y) <= charts.POINTS
    assert (y.min(), y.max(), y[-1]) == (123.0, 5_000.0, 1_000.019999)


def test_times_without_a_change_are_cut_out_of_the_axis() -> None:
    day_us = 24 * 60 * MINUTE_US
    points = (point(0, 10**9), point(MINUTE_US, 10**9 + 1), point(day_us, 10**9 + 1), point(day_us + MINUTE_US, 10**9))
    chart = charts.equity([one_pass(equity=points)])
    assert chart is not None
    (cut,) = json.loads(chart.json)["layout"]["xaxis"]["rangebreaks"]
    margin_us = charts.MARGIN_US
    end_us = START_US + day_us + MINUTE_US
    assert cut["bounds"] == [(START_US + MINUTE_US + margin_us) / 1_000, (end_us - margin_us) / 1_000]
    assert "cut out" in chart.note
    band = charts.equity([one_pass(queue, equity=points) for queue in QueueModel])
    assert band is not None
    assert [trace["name"] for trace in json.loads(band.json)["data"]] == list(QueueModel), "no area across the cuts"
    steady = charts.equity([one_pass(equity=points[:2])])
    assert steady is not None
    assert "rangebreaks" not in json.loads(steady.json)["layout"]["xaxis"]


def test_the_area_covers_every_curve() -> None:
    passes: list[PassResult] = [
        one_pass(queue, equity=(point(0, 10**9), point(MINUTE_US, 10**9 + gain)))
        for queue, gain in zip(QueueModel, (-1_000_000, 3_000_000, 2_000_000), strict=True)
    ]
    chart = charts.equity(passes)
    assert chart is not None
    low, high, *_ = json.loads(chart.json)["data"]
    assert (values(low["y"])[-1], values(high["y"])[-1]) == (999.0, 1_003.0)


def values(encoded: Any) -> Any:
    """Decode plotly's typed array."""
    import base64

    if isinstance(encoded, list):
        return np.array(encoded)
    return np.frombuffer(base64.b64decode(encoded["bdata"]), dtype=encoded["dtype"])


@pytest.mark.parametrize("module", ["plotly.offline", "plotly.graph_objects"])
def test_a_missing_library_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(charts.MissingLibrary, match=r"install truebook\[research\]"):
        page(random_result(1))
