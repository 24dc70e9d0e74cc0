"""``truebook record``: record an exchange's market data until Ctrl-C or for a given time."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer

from truebook.bus.memory.bus import MemoryBus
from truebook.capture.writer import CaptureWriter, check_new
from truebook.clock import MICROS, Clock, ExchangeClock, SystemClock
from truebook.kalshi.hosts import addresses, check_hosts, root_address
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import load_signer
from truebook.kalshi.stream.connection import WebsocketConnector
from truebook.messages.envelope import Source
from truebook.runtime.context import Context
from truebook.runtime.logs import configure_logs, logger
from truebook.runtime.loop import stop_on_signal
from truebook.runtime.metrics import Metrics
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.cli.amounts import parse_duration
from truebook_services.cli.errors import NothingToRecord
from truebook_services.cli.exchange import FOLDER as EXCHANGE_FOLDER
from truebook_services.cli.output import show_progress
from truebook_services.paper_exchange.auth import read_key_pair
from truebook_services.recorder.recording import RECORDS_YES_PRICE, Recording
from truebook_services.recorder.service import build
from truebook_services.recorder.settings import RecorderSettings

LOCAL_EXCHANGE: Final = "http://127.0.0.1:18080"
"""Where ``truebook exchange`` listens by default."""
SHOW_EVERY_S: Final = 0.5
PRINT_EVERY_S: Final = 2.0


class RecordSettings(TruebookSettings):
    """The common settings and the recorder's section."""

    recorder: RecorderSettings = RecorderSettings()


def record(
    out: Annotated[Path, typer.Option(help="Folder of the recording: new or empty.")],
    for_: Annotated[
        str | None, typer.Option("--for", help="Length of the recording, such as 60s; until Ctrl-C if omitted.")
    ] = None,
    exchange: Annotated[str | None, typer.Option(help=f"Address of the exchange; by default {LOCAL_EXCHANGE}.")] = None,
    market: Annotated[list[str] | None, typer.Option(help="Ticker of a market to record; may be repeated.")] = None,
    markets: Annotated[int | None, typer.Option(min=1, help="Maximum number of markets.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Write a detailed log; show tracebacks of errors.")] = False,
) -> None:
    """Record an exchange's market data, for `run --capture`."""
    recorder = {"tickers": tuple(market) if market else None, "max_markets": markets}
    settings = load(RecordSettings, exchange_url=exchange, recorder=recorder)
    duration_s = parse_duration(for_) if for_ else None
    check_new(out)
    configure_logs(
        "debug" if debug else settings.log_level, json=True, file=settings.state_folder / "record.jsonl",
        max_bytes=settings.log_max_bytes,
    )  # fmt: skip
    recorded = asyncio.run(_record(settings, out, duration_s))
    print(f"recorded {recorded} in {out}", file=sys.stderr)


async def _record(settings: RecordSettings, out: Path, duration_s: float | None) -> str:
    """Record until the time is over or a signal is received; returns a line about it."""
    url = root_address(settings.exchange_url or LOCAL_EXCHANGE)
    rest_url, ws_url = addresses(url)
    check_hosts(rest_url, ws_url, settings.exchange)
    signer = load_signer(*_credentials(settings, url))
    clock = ExchangeClock(SystemClock())
    rest = HttpRestClient(rest_url, signer, clock)
    async with contextlib.aclosing(rest):
        clock.observe(await rest.exchange_time_us())
        await _check_listed(rest, settings.recorder.tickers or (), url)
        context = Context(
            service="recorder", account=settings.account, strategy=settings.strategy, source=_source(settings),
            clock=clock, bus=MemoryBus(), metrics=Metrics("recorder"), log=logger("recorder"),
        )  # fmt: skip
        with CaptureWriter(
            out, source=_source(settings), hosts=(url,), use_yes_price=RECORDS_YES_PRICE,
            versions={"truebook": version("truebook")},
        ) as writer:  # fmt: skip
            connector = WebsocketConnector(ws_url, signer, clock)
            recording = Recording(context, settings.recorder, rest, connector, writer)
            await recording.refresh()
            stop = stop_on_signal()
            async with asyncio.TaskGroup() as group:
                group.create_task(build(context, settings.recorder, recording=recording).run(stop))
                progress = group.create_task(_show(recording, clock))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(duration_s):
                        await stop.wait()
                stop.set()
                progress.cancel()
    if not recording.followed:
        raise NothingToRecord(f"nothing was recorded: {url} had no open market that the settings select")
    return _progress(recording)


async def _check_listed(rest: HttpRestClient, tickers: tuple[str, ...], url: str) -> None:
    """Refuse tickers that the exchange does not list. One whose market has yet to open is valid."""
    if not tickers:
        return
    listed = {market.ticker for market in await rest.markets(tickers=tickers)}
    unlisted = [ticker for ticker in tickers if ticker not in listed]
    if unlisted:
        raise NothingToRecord(f"{url} lists no market {', '.join(unlisted)}: see its GET /markets for the tickers")


def _credentials(settings: RecordSettings, url: str) -> tuple[str, Path]:
    """Return the configured key; without one, for a local exchange, the key that ``truebook exchange`` made here."""
    if settings.key_id is None and settings.key_file is None and settings.exchange == "simulated":
        found = read_key_pair(settings.state_folder / EXCHANGE_FOLDER)
        if found is not None:
            return found
    return settings.model_copy(update={"exchange_url": url}).credentials()


def _source(settings: RecordSettings) -> Source:
    return Source.DEMO if settings.exchange == "demo" else Source.SIMULATED


async def _show(recording: Recording, clock: Clock) -> None:
    """Print the progress on standard error: one redrawn line in a terminal, else a line every two seconds."""
    is_terminal = sys.stderr.isatty()
    began_us = clock.monotonic_us()
    while True:
        await asyncio.sleep(SHOW_EVERY_S if is_terminal else PRINT_EVERY_S)
        line = f"{(clock.monotonic_us() - began_us) / MICROS:7.1f} s  {_progress(recording)}"
        show_progress(f"\r{line:<79}" if is_terminal else line, end="" if is_terminal else "\n")


def _progress(recording: Recording) -> str:
    reconnections = f", {recording.reconnections} reconnections" if recording.reconnections else ""
    return (
        f"{recording.frames:,} frames of {len(recording.followed):,} markets, "
        f"{recording.characters / 1e6:.1f} MB before compression{reconnections}"
    )
