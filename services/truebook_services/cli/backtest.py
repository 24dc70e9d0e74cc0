"""``truebook backtest``: a recording traded by a model, with the rules of ``truebook run``, as fast as possible."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from truebook.backtest.report.charts import MissingLibrary
from truebook.backtest.report.output import REPORT_HTML, write_report
from truebook.backtest.result import BacktestResult, write_result
from truebook.backtest.run import Progress, Request, run_backtest
from truebook.backtest.window import Window
from truebook.capture.market_metadata import capture_metadata
from truebook.clock import MICROS, SystemClock
from truebook.features.plugins import find_layout
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model
from truebook.money import format_micros
from truebook.runtime.logs import configure_logs
from truebook.runtime.settings import load
from truebook.simulation.latency import Latency
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import Json
from truebook_services.cli.output import last_output, show_progress
from truebook_services.cli.run import parse_balance
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

PROFILES: Final = {"home": (50_000, 20_000), "hosted": (5_000, 3_000)}
"""Named latencies of an order or cancel: the fixed part and the largest jitter, in microseconds."""
ALL: Final = "all"
INTERRUPTED: Final = 130
PROGRESS_EVERY_S: Final = 1.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One backtest of several: a recording, or one market of it, and the folder of its result."""

    request: Request
    model: str
    out: Path | None


def backtest(
    data: Annotated[list[Path], typer.Argument(help="Recordings: each is a backtest of its own.")],
    model: Annotated[str | None, typer.Option(help="Name of a model, or an ONNX file; else the active one.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the result and its report.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="First time in UTC, such as 2026-08-11 or 2026-08-11T01:15:00.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Last time in UTC.")] = None,
    market: Annotated[list[str] | None, typer.Option(help="Only this market; repeatable.")] = None,
    by_market: Annotated[
        bool, typer.Option("--by-market", help="A backtest with an account of its own for each market.")
    ] = False,
    queue: Annotated[str, typer.Option(help="Queue model: pessimistic, realistic, optimistic or all.")] = ALL,
    latency: Annotated[
        str | None, typer.Option(help="home (50 to 70 ms), hosted (5 to 8 ms), or a JSON file; else the settings'.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of latencies and ids.")] = None,
    balance: Annotated[str | None, typer.Option(help="Opening balance in dollars, such as 1000.00.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, if there are several backtests.")] = 1,
    json_: Json = False,
) -> None:
    """Trade recordings with a model; exit code 0: complete, 1: ledger and exchange differ, 130: interrupted."""
    balance_micros = parse_balance(balance) if balance else None
    settings = load(
        EmbeddedSettings, model=model, paper_exchange={"seed": seed, "balance_micros": balance_micros}
    )  # fmt: skip
    configure_logs(settings.log_level, json=True, file=settings.state_path / "log.jsonl")
    window = Window(
        from_us=parse_time(from_) or 0, to_us=parse_time(to), markets=frozenset(market or ())
    )  # fmt: skip
    parts = [
        part
        for path in data
        for part in _parts(settings, path, window, by_market=by_market, queues=_queues(queue), latency=latency)
    ]
    if len(parts) == 1:
        parts = [msgspec.structs.replace(parts[0], out=out)]
    else:
        names = [_name(part) for part in parts]
        if len(set(names)) < len(names):
            raise UsageError("two recordings have the same name: their results would replace each other; rename one")
        parts = [
            msgspec.structs.replace(part, out=None if out is None else out / name)
            for part, name in zip(parts, names, strict=True)
        ]
    load_model(settings, settings.model)  # refused before anything runs
    results = _run_all(parts, settings, jobs)
    with last_output():
        for result in results:
            print(msgspec.json.encode(result).decode()) if json_ else print_result(result)
    if any(result.partial for result in results):
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(int(not all(one.account.ledger_equals_exchange for each in results for one in each.passes)))


def _name(part: Part) -> str:
    path = part.request.path
    return f"{path.name if path.is_dir() else path.stem}-{'-'.join(sorted(part.request.window.markets)) or 'all'}"


def load_model(settings: EmbeddedSettings, name: str) -> Model:
    """Load a model by its file, its name, or as the active one; raises ``ModelRefused``."""
    registry = ModelRegistry(settings.models_path, trades_on=find_layout(settings.observation.layout))
    if name.endswith(".onnx"):
        return registry.load_file(Path(name))
    return registry.load(name) if name else registry.active()


def _parts(
    settings: EmbeddedSettings, path: Path, window: Window, *, by_market: bool, queues: tuple[QueueModel, ...],
    latency: str | None,
) -> Iterator[Part]:  # fmt: skip
    engine = engine_settings(settings, path)
    limits = engine.limits
    if limits.daily_loss_micros is not None or limits.drawdown_micros is not None:
        raise UsageError("a backtest has no limits of losses: unset limits.daily_loss_micros and drawdown_micros")
    if latency is not None:
        engine = msgspec.structs.replace(engine, latency=read_latency(latency, engine.latency.seed))
    windows = [window]
    if by_market:
        tickers = sorted(one.ticker for one in capture_metadata(path) if window.has(one.ticker))
        windows = [msgspec.structs.replace(window, markets=frozenset({ticker})) for ticker in tickers]
    for each in windows:
        request = Request(path=path, settings=engine, queues=queues, window=each, latency=latency or "")
        yield Part(request=request, model=settings.model, out=None)


def read_latency(name: str, seed: int) -> Latency:
    """Return a named latency, or that of a JSON file with ``order_us``, ``cancel_us`` and ``jitter_us``."""
    if name in PROFILES:
        fixed_us, jitter_us = PROFILES[name]
        return Latency(seed=seed, order_us=fixed_us, cancel_us=fixed_us, jitter_us=jitter_us)
    try:
        read = msgspec.json.decode(Path(name).read_bytes(), type=_LatencyFile)
    except OSError as error:
        raise UsageError(f"--latency {name}: {error.strerror}; give home, hosted or a file") from error
    except msgspec.MsgspecError as error:
        raise UsageError(
            f'--latency {name}: {error}; it has {{"order_us": 50000, "cancel_us": 50000, "jitter_us": 20000}}'
        ) from error
    if min(read.order_us, read.cancel_us, read.jitter_us) < 0:
        raise UsageError(f"--latency {name}: a latency is at least 0")
    return Latency(seed=seed, order_us=read.order_us, cancel_us=read.cancel_us, jitter_us=read.jitter_us)


class _LatencyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order_us: int
    cancel_us: int
    jitter_us: int = 0


def _queues(name: str) -> tuple[QueueModel, ...]:
    if name == ALL:
        return tuple(QueueModel)
    try:
        return (QueueModel(name),)
    except ValueError:
        known = ", ".join((*QueueModel, ALL))
        raise UsageError(f"--queue {name}: it is one of {known}") from None


def parse_time(text: str | None) -> int | None:
    """Read a date or time in UTC as microseconds."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text}: {error}; write 2026-08-11 or 2026-08-11T01:15:00, in UTC") from error
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * MICROS)


def _run_all(parts: Sequence[Part], settings: EmbeddedSettings, jobs: int) -> list[BacktestResult]:
    """Run every part, in processes if there are several; the results are in the order of the parts."""
    if jobs == 1 or len(parts) == 1:
        results = []
        for part in parts:
            results.append(_run(part, settings, is_shown=True))
            if results[-1].partial:
                break
        return results
    found: dict[int, BacktestResult] = {}
    with ProcessPoolExecutor(min(jobs, len(parts))) as pool:
        running = {pool.submit(_run, part, settings): number for number, part in enumerate(parts)}
        for done in as_completed(running):
            found[running[done]] = done.result()
            show_progress(f"{len(found)} of {len(parts)} backtests done")
    return [found[number] for number in sorted(found)]


def _run(part: Part, settings: EmbeddedSettings, *, is_shown: bool = False) -> BacktestResult:
    """Run one backtest and write its files; Ctrl-C ends it with a partial result."""
    started_s = SystemClock().monotonic_us() / MICROS
    with _interruptions() as signals:
        progress = _progress(signals, started_s, is_shown=is_shown)
        result = run_backtest(part.request, load_model(settings, part.model), progress)
    result = msgspec.structs.replace(result, seconds=round(SystemClock().monotonic_us() / MICROS - started_s, 3))
    if part.out is not None:
        write_result(part.out, result)
        try:
            write_report(part.out / REPORT_HTML, result)
        except MissingLibrary as error:
            show_progress(f"no {REPORT_HTML}: {error}")
    return result


@contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of ending at once."""
    signals: list[int] = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, lambda number, _: signals.append(number)) for kind in kinds]
    try:
        yield signals
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _progress(signals: Sequence[int], started_s: float, *, is_shown: bool) -> Progress:
    shown_s = started_s

    def show(events: int, at_us: int) -> bool:
        nonlocal shown_s
        now_s = SystemClock().monotonic_us() / MICROS
        if is_shown and now_s - shown_s >= PROGRESS_EVERY_S:
            shown_s = now_s
            at = datetime.fromtimestamp(at_us / MICROS, UTC).strftime("%Y-%m-%d %H:%M:%S")
            show_progress(f"{at} UTC: {events:,} events, {events / (now_s - started_s):,.0f} a second")
        return not signals

    return show


def print_result(result: BacktestResult) -> None:
    """Print the passes side by side."""
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    part = " (interrupted: partial)" if result.partial else ""
    table = Table(title=f"backtest of {result.model.name} on {result.data.name}{part}", title_justify="left")
    table.add_column("")
    for one in result.passes:
        table.add_column(str(one.queue), justify="right")
    rows = {
        "equity $": [_money(one.account.equity_micros) for one in result.passes],
        "profit $": [_profit(result, number) for number in range(len(result.passes))],
        "fees $": [_money(one.account.fees_micros) for one in result.passes],
        "orders": [f"{len(one.orders):,}" for one in result.passes],
        "fills": [f"{len(one.fills):,}" for one in result.passes],
        "observations": [f"{one.observations:,}" for one in result.passes],
        "ledger = exchange": ["yes" if one.account.ledger_equals_exchange else "NO" for one in result.passes],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    console.print(table)
    console.print(f"{result.data.events:,} events of {len(result.data.markets)} markets in {result.seconds} s")


def _money(micros: int | None) -> str:
    return "unknown" if micros is None else f"{float(format_micros(micros)):,.2f}"


def _profit(result: BacktestResult, number: int) -> str:
    account = result.passes[number].account
    if account.equity_micros is None:
        return "unknown"
    return _money(account.equity_micros - account.deposits_micros)
