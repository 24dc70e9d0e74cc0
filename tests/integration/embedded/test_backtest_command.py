"""``truebook backtest`` as a user runs it, and a backtest that ends early."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from support.made_recordings import make_recording
from support.processes import truebook
from truebook.backtest import run as backtest_run
from truebook.backtest import window as backtest_window
from truebook.backtest.report.document import build_report
from truebook.backtest.result import read_result
from truebook.backtest.run import Request, run_backtest
from truebook.backtest.setups import NamedLatency
from truebook.backtest.window import Window, select
from truebook.capture.event_types import BookGap
from truebook.capture.events import CapturedEvent
from truebook.capture.market_metadata import capture_metadata
from truebook.models.check_rows import Batch
from truebook.models.errors import ModelFailed
from truebook.models.session import Model
from truebook.runtime.settings import load
from truebook.simulation.latency import Latency
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.cli.__main__ import main
from truebook_services.cli.backtest import load_model
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("made") / "recording", seconds=20)


def request_of(made: Path, window: Window = Window()) -> Request:  # noqa: B008  # a frozen value
    settings = load(EmbeddedSettings, model="maker")
    queues = (QueueModel.PESSIMISTIC, QueueModel.OPTIMISTIC)
    return Request(path=made, settings=engine_settings(settings, made), queues=queues, window=window)


def test_command_writes_a_result_with_three_passes(tmp_path: Path, made: Path) -> None:
    done = truebook(
        tmp_path, "backtest", str(made), "--model", "maker", "--out", "report", "--latency", "hosted", "--json"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = read_result(tmp_path / "report")
    assert [one.queue for one in result.passes] == list(QueueModel)
    assert (result.settings.order_latency_us, result.settings.latency) == (3_000, "hosted")
    assert all(one.account.ledger_equals_exchange and one.orders for one in result.passes)
    assert json.loads(done.stdout)["data"]["sha256"] == result.data.sha256
    assert (tmp_path / "report" / "report.html").stat().st_size > 100_000


def test_sizes_and_latencies_are_further_passes(tmp_path: Path, made: Path) -> None:
    done = truebook(
        tmp_path, "backtest", str(made), "--model", "maker", "--out", "report", "--latency", "hosted", "--capacity",
        "--latencies", "home,hosted,250ms",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    result = read_result(tmp_path / "report")
    settings = [each.settings for each in result.variants]
    assert [(one.size_ppm, one.balance_micros, one.order_latency_us, one.latency) for one in settings] == [
        (3_000_000, 3 * 10**9, 3_000, "hosted"), (10_000_000, 10**10, 3_000, "hosted"),
        (1_000_000, 10**9, 50_000, "home"), (1_000_000, 10**9, 250_000, "250ms"),
    ]  # fmt: skip
    for each in result.variants:
        assert [one.queue for one in each.passes] == list(QueueModel)
        assert all(one.account.ledger_equals_exchange and one.orders for one in each.passes)
    own = result.passes[0].summary()
    three, ten = (each.passes[0] for each in result.variants[:2])
    assert 2.5 < (three.size_centi / three.orders) / (own.size_centi / own.orders) < 3.5
    assert 8 < (ten.size_centi / ten.orders) / (own.size_centi / own.orders) < 12
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [each["label"] for each in report["capacity"]] == ["1 ×", "3 ×", "10 ×"]
    assert [each["label"] for each in report["latency"]] == ["3 ms (hosted)", "50 ms (home)", "250 ms"]
    assert "10 ×" in done.stdout


def test_a_variant_equals_a_backtest_of_its_own(made: Path) -> None:
    model = load_model(load(EmbeddedSettings), "maker")
    slow = Latency(seed=1, order_us=400_000, cancel_us=400_000)
    both = msgspec.structs.replace(request_of(made), latencies=(NamedLatency("slow", slow),))
    alone = msgspec.structs.replace(both.settings, latency=slow)
    variant = run_backtest(both, model).variants[0]
    expected = run_backtest(msgspec.structs.replace(request_of(made), settings=alone), model).passes
    assert variant.passes == tuple(one.summary() for one in expected)
    assert variant.passes[0].orders > 0


def test_markets_in_processes_are_added_up(tmp_path: Path, made: Path) -> None:
    done = truebook(
        tmp_path, "backtest", str(made), "--model", "maker", "--queue", "realistic", "--by-market", "--jobs", "2",
        "--sizes", "3", "--out", "report",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    whole = read_result(tmp_path / "report")
    results = [read_result(folder) for folder in sorted((tmp_path / "report").iterdir()) if folder.is_dir()]
    assert len(results) >= 3
    assert all(len(each.data.markets) == 1 and each.settings.balance_micros == 10**9 for each in results)
    assert (whole.settings.accounts, whole.settings.balance_micros) == (len(results), len(results) * 10**9)
    assert whole.variants[0].settings.balance_micros == 3 * whole.settings.balance_micros
    one, parts = whole.passes[0], [each.passes[0] for each in results]
    assert one.account.fees_micros == sum(part.account.fees_micros for part in parts)
    assert one.equity[0].equity_micros == whole.settings.balance_micros
    assert (one.equity[-1].equity_micros, one.equity[-1].fees_micros) == (
        one.account.equity_micros, one.account.fees_micros,
    )  # fmt: skip
    assert sorted(fill.at_us for part in parts for fill in part.fills) == [fill.at_us for fill in one.fills]
    (found,) = build_report(whole).passes
    assert found.unattributed_micros == 0
    assert {each.ticker for each in found.markets} <= set(whole.data.markets)
    assert "Each market was traded separately" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--queue", "hopeful"), "pessimistic, realistic, optimistic, all"),
        (("--latency", "missing.json"), "give home, hosted, a time such as 100ms, or a file"),
        (("--latencies", "home,soon"), "--latency soon"),
        (("--sizes", "3,big"), "'big' is no number"),
        (("--sizes", "0"), "a factor is above 0"),
        (("--sizes", "3", "--capacity"), "give one of the two"),
        (("--by-market", "--market", "NONE"), "no market NONE in this recording"),
        (("--by-market", "--from", "2030-01-01"), "no market of the recording has an event"),
        (("--market", "NONE"), "no market NONE in this recording"),
        (("--from", "2030-01-01"), "no event in the window"),
    ],
)
def test_wrong_arguments_end_in_one_line(
    tmp_path: Path, made: Path, arguments: tuple[str, ...], message: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """In this process: a command of its own takes seconds to start, and there are ten."""
    monkeypatch.chdir(tmp_path)
    command = ["truebook", "backtest", str(made), "--model", "maker", "--out", "report", *arguments]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_an_interrupted_backtest_has_a_partial_result(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest_run, "PROGRESS_EVERY", 50)
    request, model = request_of(made), load_model(load(EmbeddedSettings), "maker")
    whole, part = run_backtest(request, model), run_backtest(request, model, lambda events, _: events < 100)
    assert (whole.partial, part.partial, part.data.events) == (False, True, 100)
    assert part.data.reached_us < whole.data.reached_us
    assert len(part.passes[0].orders) <= len(whole.passes[0].orders)
    assert part.passes[0].account.ledger_equals_exchange


def test_the_equity_curve_is_from_the_start_to_the_end(made: Path) -> None:
    request = request_of(made)
    result = run_backtest(request, load_model(load(EmbeddedSettings), "maker"))
    for one in result.passes:
        first, last = one.equity[0], one.equity[-1]
        assert first.at_us == result.data.from_us - request.settings.lead_us
        assert first.equity_micros == result.settings.balance_micros
        assert last.at_us == result.data.reached_us + request.settings.after_us
        assert last.equity_micros == one.account.equity_micros


def test_equal_points_of_the_equity_are_two_at_most(made: Path) -> None:
    """A long time without trades would fill the result, and the pixels of its curve, with equal points."""
    result = run_backtest(request_of(made, Window()), load_model(load(EmbeddedSettings), "hold"))
    first, last = result.passes[0].equity
    assert (first.equity_micros, last.equity_micros) == (10**9, 10**9)
    assert last.at_us - first.at_us > 20_000_000


def test_a_window_begins_with_the_books_known_by_then(made: Path) -> None:
    model = load_model(load(EmbeddedSettings), "maker")
    whole = run_backtest(request_of(made), model)
    from_us = whole.data.from_us + 8_000_000
    ticker = whole.data.markets[0]
    later = run_backtest(request_of(made, Window(from_us=from_us, markets=frozenset({ticker}))), model)
    assert later.data.from_us >= from_us
    assert later.data.markets == (ticker,)
    assert {order.ticker for order in later.passes[0].orders} == {ticker}
    assert min(order.created_us for order in later.passes[0].orders) >= from_us


def test_a_market_that_settled_long_ago_keeps_its_result(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger adds up settled markets in one record; a report needs each."""
    settings = load(EmbeddedSettings, model="maker", observation={"near_close_s": 0}, execution={"near_close_s": 0})
    whole = run_backtest(request_of(made), load_model(settings, "maker"))
    ticker = whole.passes[0].fills[0].ticker
    close_us = whole.data.from_us + 8_000_000
    listed = [
        msgspec.structs.replace(one, close_us=close_us, settlement_cc=10_000) if one.ticker == ticker else one
        for one in capture_metadata(made)
    ]
    monkeypatch.setattr(backtest_window, "capture_metadata", lambda path: listed)
    often = msgspec.structs.replace(engine_settings(settings, made), prune_us=2_000_000, retention_us=2_000_000)
    request = msgspec.structs.replace(request_of(made), settings=often)
    result = run_backtest(request, load_model(settings, "maker")).passes[0]
    found = {one.ticker: one for one in result.markets}
    assert "" not in found
    assert (found[ticker].outcome_cc, found[ticker].fills > 0) == (10_000, True)
    assert found[ticker].fills == sum(fill.ticker == ticker for fill in result.fills)
    assert sum(one.fees_micros for one in result.markets) == result.account.fees_micros


def test_a_model_that_fails_is_stopped_and_ends_nothing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []

    def failing(self: Model, batch: Batch) -> Batch:
        runs.append(len(batch))
        raise ModelFailed("no finite number")

    model = load_model(load(EmbeddedSettings), "maker")
    monkeypatch.setattr(Model, "run", failing)
    one = run_backtest(request_of(made), model).passes[0]
    assert (one.orders, one.predictions) == ((), ())
    failed = one.refusals["inference_failed"]
    assert one.observations == failed + one.refusals["model_stopped"] > failed >= 10
    assert sum(runs) == 2 * failed, "each pass runs the model once for each observation, until it is stopped"


def test_equal_names_of_recordings_are_refused(tmp_path: Path, made: Path) -> None:
    other = tmp_path / "other" / made.name
    shutil.copytree(made, other)
    done = truebook(tmp_path, "backtest", str(made), str(other), "--model", "maker", "--out", "report")
    assert done.returncode == 2
    assert "same name" in done.stderr


def test_a_gap_lists_no_market_outside_of_the_window() -> None:
    gap = CapturedEvent(5, 0, BookGap(("A", "B"), 1))
    assert list(select([gap], Window(markets=frozenset({"A"})))) == [(5, BookGap(("A",), 1))]
