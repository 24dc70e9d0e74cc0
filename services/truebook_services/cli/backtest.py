"""``truebook backtest``: a recording traded by a model, with the rules of ``truebook run``, as fast as possible."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import msgspec
import typer

from truebook.backtest.errors import MissingLibrary
from truebook.backtest.merge import merge
from truebook.backtest.report.output import REPORT_HTML, write_report
from truebook.backtest.result import BacktestResult, write_result
from truebook.backtest.run import Progress, Request, run_backtest
from truebook.backtest.setups import NamedLatency
from truebook.backtest.window import EmptyWindow, Window
from truebook.capture.manifest import CaptureError
from truebook.capture.market_metadata import capture_metadata
from truebook.clock import MICROS, SystemClock
from truebook.features.plugins import find_layout
from truebook.models.recorded_use import RecordedUses
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model
from truebook.runtime.logs import configure_logs
from truebook.runtime.settings import load
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.cli.amounts import parse_dollars
from truebook_services.cli.backtest_options import (
    ALL,
    CAPACITY,
    listed,
    parse_factors,
    parse_queues,
    parse_time,
    profile_of,
    read_latency,
)
from truebook_services.cli.backtest_table import print_result
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import Json
from truebook_services.cli.output import last_output, show_progress
from truebook_services.cli.run import check_history
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.model_history import read_uses
from truebook_services.embedded.settings import EmbeddedSettings

INTERRUPTED: Final = 130
PROGRESS_EVERY_S: Final = 1.0
CHECK_EVERY_S: Final = 0.2
"""Interval between two checks for an interruption while processes run."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One backtest of several: a recording, or one market of it, and the folder of its result."""

    request: Request
    model: str
    history: Path | None = None
    out: Path | None


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What the options request of each backtest."""

    window: Window
    queues: tuple[QueueModel, ...]
    latency: str | None
    sizes_ppm: tuple[int, ...]
    latencies: tuple[str, ...]
    history: Path | None


def backtest(
    data: Annotated[list[Path], typer.Argument(help="Recordings: each is a backtest of its own.")],
    model: Annotated[str | None, typer.Option(help="Name of a model, or an ONNX file; else the active one.")] = None,
    model_history: Annotated[
        Path | None, typer.Option(help="A registry's changes.jsonl: switch between models where a run had switched.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the result and its report.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="First time in UTC, such as 2026-08-11 or 2026-08-11T01:15:00.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Last time in UTC.")] = None,
    market: Annotated[list[str] | None, typer.Option(help="Only this market; repeatable.")] = None,
    by_market: Annotated[
        bool, typer.Option("--by-market", help="Trade each market with an account of its own, and add up.")
    ] = False,
    queue: Annotated[str, typer.Option(help="Queue model: pessimistic, realistic, optimistic or all.")] = ALL,
    latency: Annotated[
        str | None,
        typer.Option(help="Way out of orders: home (50 to 70 ms), hosted (3 to 6 ms), such as 100ms, or a JSON file."),
    ] = None,
    capacity: Annotated[
        bool, typer.Option("--capacity", help="Also with 3 and 10 times the size: --sizes 3,10.")
    ] = False,
    sizes: Annotated[str | None, typer.Option(help="Also with these factors of sizes and cash, such as 3,10.")] = None,
    latencies: Annotated[str | None, typer.Option(help="Also with these latencies, such as home,hosted,100ms.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of latencies and ids.")] = None,
    balance: Annotated[str | None, typer.Option(help="Opening balance in dollars, such as 1000.00.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, if there are several backtests.")] = 1,
    json_: Json = False,
) -> None:
    """Trade recordings with a model; exit code 0: complete, 1: ledger and exchange differ, 130: interrupted."""
    balance_micros = parse_dollars(balance) if balance else None
    settings = load(
        EmbeddedSettings, model=model, model_history=model_history,
        paper_exchange={"seed": seed, "balance_micros": balance_micros},
    )  # fmt: skip
    check_history(settings)
    configure_logs(settings.log_level, json=True, file=settings.state_path / "log.jsonl")
    if capacity and sizes is not None:
        raise UsageError("--capacity is --sizes 3,10: give one of the two")
    choices = Choices(
        window=Window(from_us=parse_time(from_) or 0, to_us=parse_time(to), markets=frozenset(market or ())),
        queues=parse_queues(queue), latency=latency, sizes_ppm=parse_factors(CAPACITY if capacity else sizes),
        latencies=listed(latencies), history=settings.model_history,
    )  # fmt: skip
    load_model(settings, settings.model)  # refused before anything runs
    found = _backtests(settings, data, choices, out=out, by_market=by_market, jobs=jobs)
    with last_output():
        for result in found:
            print(msgspec.json.encode(result).decode()) if json_ else print_result(result)
    if any(result.partial for result in found):
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(int(not all(one.account.ledger_equals_exchange for each in found for one in each.passes)))


def _backtests(
    settings: EmbeddedSettings, data: Sequence[Path], choices: Choices, *, out: Path | None, by_market: bool, jobs: int
) -> list[BacktestResult]:  # fmt: skip
    """Return one result for each recording; each market's own result is in a folder of its name."""
    folders = [out if out is None or len(data) == 1 else out / _name(path) for path in data]
    if len({_name(path) for path in data}) < len(data):
        raise UsageError("two recordings have the same name: their results would replace each other; rename one")
    groups = [
        _parts(settings, path, choices, out=folder, by_market=by_market)
        for path, folder in zip(data, folders, strict=True)
    ]
    all_results, is_interrupted = run_all([part for parts in groups for part in parts], settings, jobs)
    results = iter(all_results)
    found: list[BacktestResult] = []
    for parts, folder in zip(groups, folders, strict=True):
        own = [result for result in itertools.islice(results, len(parts)) if result is not None]
        if by_market and own:
            merged = merge(own)
            found.append(msgspec.structs.replace(merged, partial=merged.partial or is_interrupted))
            _write(folder, found[-1])
        else:
            found += own
    if is_interrupted and not any(result.partial for result in found):
        raise typer.Exit(INTERRUPTED)  # some were not run
    if not found:
        raise UsageError("no market of the recording has an event in the window of time")
    return found


def _name(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def load_model(settings: EmbeddedSettings, name: str) -> Model:
    """Load a model by its file, its name, or as the active one; raises ``ModelRefused``."""
    registry = ModelRegistry(settings.models_path, trades_on=find_layout(settings.observation.layout))
    if name.endswith(".onnx"):
        return registry.load_file(Path(name))
    return registry.load(name) if name else registry.active()


def _parts(
    settings: EmbeddedSettings, path: Path, choices: Choices, *, out: Path | None, by_market: bool
) -> list[Part]:  # fmt: skip
    engine, window = engine_settings(settings, path), choices.window
    seed = engine.latency.seed
    if choices.latency is not None:
        engine = msgspec.structs.replace(engine, latency=read_latency(choices.latency, seed))
    request = Request(
        path=path, settings=engine, queues=choices.queues, window=window,
        latency=choices.latency or profile_of(engine.latency),
        sizes_ppm=choices.sizes_ppm,
        latencies=tuple(NamedLatency(name, read_latency(name, seed)) for name in choices.latencies),
    )  # fmt: skip
    if not by_market:
        return [Part(request=request, model=settings.model, history=choices.history, out=out)]
    tickers = sorted(one.ticker for one in capture_metadata(path) if window.has(one.ticker))
    if unknown := window.markets - set(tickers):
        raise CaptureError(f"{path}: no market {min(unknown)} in this recording")
    return [
        Part(
            request=msgspec.structs.replace(
                request, window=msgspec.structs.replace(window, markets=frozenset({ticker}))
            ),
            model=settings.model,
            history=choices.history,
            out=None if out is None else out / ticker,
        )
        for ticker in tickers
    ]


def run_all(
    parts: Sequence[Part], settings: EmbeddedSettings, jobs: int
) -> tuple[list[BacktestResult | None], bool]:  # fmt: skip
    """Run every part, in processes if there are several; the results are in the order of the parts.

    A part that was not run after an interruption, or has no event, has no result. Also returns whether there was one.
    """
    found: list[BacktestResult | None] = [None] * len(parts)
    if jobs == 1 or len(parts) == 1:
        with _interruptions() as signals:
            for number, part in enumerate(parts):
                if signals:
                    return found, True
                progress = _progress(signals, None, is_shown=True)
                result = found[number] = _run(part, settings, progress, is_one=len(parts) == 1)
                if result is not None and result.partial:
                    return found, True
        return found, False
    with _interruptions() as signals, TemporaryDirectory() as folder:
        stopped = Path(folder) / "stopped"  # for the processes: a signal may have reached this one only
        with ProcessPoolExecutor(min(jobs, len(parts))) as pool:
            try:
                _collect(pool, parts, settings, found, signals, stopped)
            except BaseException:
                stopped.touch()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return found, bool(signals)


def _collect(
    pool: ProcessPoolExecutor, parts: Sequence[Part], settings: EmbeddedSettings,
    found: list[BacktestResult | None], signals: Sequence[int], stopped: Path,
) -> None:  # fmt: skip
    """Run the parts in processes and put their results into ``found``; raises the first error of one."""
    numbers = {pool.submit(_run_in_process, part, settings, stopped): number for number, part in enumerate(parts)}
    count, waiting = 0, set(numbers)
    while waiting:
        done, waiting = wait(waiting, timeout=CHECK_EVERY_S, return_when=FIRST_COMPLETED)
        if signals and not stopped.exists():
            stopped.touch()
            for queued in waiting:
                queued.cancel()
        for one in done:
            found[numbers[one]] = None if one.cancelled() else one.result()
            count += not one.cancelled()
            show_progress(f"{count} of {len(parts)} backtests done")


def _run_in_process(part: Part, settings: EmbeddedSettings, stopped: Path) -> BacktestResult | None:
    """Run one backtest, which Ctrl-C or a file ``stopped`` ends; none where it is there already."""
    if stopped.exists():
        return None
    with _interruptions() as signals:
        return _run(part, settings, _progress(signals, stopped, is_shown=False))


def _run(
    part: Part, settings: EmbeddedSettings, progress: Progress, *, is_one: bool = False
) -> BacktestResult | None:  # fmt: skip
    """Run one backtest and write its files; the result is partial if ``progress`` ended it.

    One of several without an event in its window is left out, which is shown.
    """
    started_s = SystemClock().monotonic_us() / MICROS
    try:
        uses = _uses(part, settings)
        model = load_model(settings, part.model) if uses is None else uses.first
        result = run_backtest(part.request, model, progress, uses=uses)
    except EmptyWindow as error:
        if is_one:
            raise
        show_progress(f"left out: {', '.join(sorted(part.request.window.markets))}: {error}")
        return None
    result = msgspec.structs.replace(result, seconds=round(SystemClock().monotonic_us() / MICROS - started_s, 3))
    _write(part.out, result)
    return result


def _uses(part: Part, settings: EmbeddedSettings) -> RecordedUses | None:
    if part.history is None:
        return None
    window = part.request.window
    return read_uses(settings, part.request.path, part.history, from_us=window.from_us, to_us=window.to_us)


def _write(folder: Path | None, result: BacktestResult) -> None:
    if folder is None:
        return
    write_result(folder, result)
    try:
        write_report(folder / REPORT_HTML, result)
    except MissingLibrary as error:
        show_progress(f"no {REPORT_HTML}: {error}")


@contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of ending at once; a second one ends at once."""
    signals: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)

    def take(number: int, _: object) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)

    before = [signal.signal(kind, take) for kind in kinds]
    try:
        yield signals
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _progress(signals: Sequence[int], stopped: Path | None, *, is_shown: bool) -> Progress:
    started_s = shown_s = SystemClock().monotonic_us() / MICROS

    def show(events: int, at_us: int) -> bool:
        nonlocal shown_s
        now_s = SystemClock().monotonic_us() / MICROS
        if is_shown and now_s - shown_s >= PROGRESS_EVERY_S:
            shown_s = now_s
            at = datetime.fromtimestamp(at_us / MICROS, UTC).strftime("%Y-%m-%d %H:%M:%S")
            show_progress(f"{at} UTC: {events:,} events, {events / (now_s - started_s):,.0f} a second")
        return not signals and not (stopped is not None and stopped.exists())

    return show
