"""``truebook exchange``: the simulated exchange alone, in the foreground."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from truebook.capture.reader import read_capture
from truebook.clock import Clock, ScaledClock, SystemClock
from truebook.runtime.logs import configure_logs, logger
from truebook.runtime.loop import run_until_done
from truebook.runtime.settings import TruebookSettings, load
from truebook.runtime.state_folder import StateFolder
from truebook_services.cli.run import parse_balance
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

FOLDER = Path("exchange")


class ExchangeSettings(TruebookSettings):
    """The common settings and the exchange's section."""

    paper_exchange: PaperExchangeSettings = PaperExchangeSettings(port=18080)


def exchange(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes any free one.")] = None,
    markets: Annotated[int | None, typer.Option(min=1, help="Number of synthetic markets.")] = None,
    market: Annotated[list[str] | None, typer.Option(help="Ticker of a market; may be repeated.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the synthetic traders.")] = None,
    capture: Annotated[Path | None, typer.Option(help="A recorded session as market data.")] = None,
    speed: Annotated[float | None, typer.Option(help="How many times as fast a recording runs.")] = None,
    key_id: Annotated[str | None, typer.Option(help="Id of the key that may sign.")] = None,
    public_key: Annotated[Path | None, typer.Option(help="Its public key, PEM.")] = None,
    balance: Annotated[str | None, typer.Option(help="The account's first balance in dollars.")] = None,
    fault: Annotated[list[str] | None, typer.Option(help="A fault by schedule, such as lost_ack@every=7.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew instead of going on from the journal.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Detailed log; tracebacks of errors.")] = False,
) -> None:
    """Run the simulated exchange until Ctrl-C. Prints one line when it is ready."""
    named: dict[str, Any] = {
        "port": port, "markets": markets, "tickers": tuple(market) if market else None, "seed": seed,
        "capture": capture, "speed": speed, "key_id": key_id, "public_key_file": public_key,
        "balance_micros": parse_balance(balance) if balance else None, "faults": tuple(fault) if fault else None,
    }  # fmt: skip
    flags = {name: value for name, value in named.items() if value is not None}
    settings = load(ExchangeSettings, **({"paper_exchange": flags} if flags else {}))
    folder = settings.state_folder / FOLDER
    configure_logs("debug" if debug else settings.log_level, json=True, file=folder / "log.jsonl")
    with StateFolder(folder, fresh=fresh or capture is not None):
        run_until_done(_serve(settings.paper_exchange.model_copy(update={"state_folder": folder})))


async def _serve(settings: PaperExchangeSettings) -> None:
    server = PaperExchange(settings, _clock(settings), logger("paper_exchange"))
    await server.start()
    try:
        where = f", private key {server.private_key_file}" if server.private_key_file else ""
        print(f"exchange ready at {server.url}, key id {server.key_id}{where}", flush=True)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await stop.wait()
    finally:
        await server.aclose()


def _clock(settings: PaperExchangeSettings) -> Clock:
    if settings.capture is None:
        return SystemClock()
    return ScaledClock(next(iter(read_capture(settings.capture))).at_us, settings.speed)
