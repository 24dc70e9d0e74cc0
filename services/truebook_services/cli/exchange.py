"""``truebook exchange``: the simulated exchange in a process of its own, in the foreground."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from truebook.runtime.gc import collection_paused, frozen_modules
from truebook.runtime.logs import configure_logs, logger
from truebook.runtime.loop import run_until_done, stop_on_signal
from truebook.runtime.settings import TruebookSettings, load
from truebook.runtime.state_folder import StateFolder
from truebook.simulation.synthetic.presets import Preset
from truebook.venue.rate_tiers import TIER_LIMITS
from truebook_services.cli.amounts import parse_dollars
from truebook_services.cli.errors import UsageError
from truebook_services.paper_exchange.server import PaperExchange, exchange_clock
from truebook_services.paper_exchange.settings import PRIVATE_TIER, PaperExchangeSettings

FOLDER = Path("exchange")
TIMES = ("now", "recorded")


class ExchangeSettings(TruebookSettings):
    """The common settings and the exchange's section."""

    paper_exchange: PaperExchangeSettings = PaperExchangeSettings(port=18080, tier=PRIVATE_TIER)


def exchange(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes any free one.")] = None,
    markets: Annotated[int | None, typer.Option(min=1, help="Number of synthetic markets.")] = None,
    market: Annotated[
        list[str] | None, typer.Option(help="Ticker of a named market; may be repeated. With --markets beside those.")
    ] = None,
    preset: Annotated[Preset | None, typer.Option(help="Kind of synthetic markets.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the synthetic traders; at a restart that of later events.")
    ] = None,
    tier: Annotated[
        str | None, typer.Option(help=f"Usage tier, which sets the rate limits: {', '.join(TIER_LIMITS)}.")
    ] = None,
    capture: Annotated[Path | None, typer.Option(help="Recording that is the market data.")] = None,
    mirror: Annotated[
        str | None, typer.Option(help="Address of another exchange whose market data are traded on paper here.")
    ] = None,
    speed: Annotated[float | None, typer.Option(help="Speed of a recording, 1 is real time.")] = None,
    times: Annotated[
        str | None, typer.Option(help="Times of a recording: now (shifted to the start, the default) or recorded.")
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="Name of a further account with an own key; may be repeated.")
    ] = None,
    shard: Annotated[
        list[str] | None, typer.Option(help="A further exchange shard: INDEX or INDEX:SERIES+SERIES; may be repeated.")
    ] = None,
    spec: Annotated[str | None, typer.Option(help="Version of the exchange's API: 3.34 (default) or 3.30.")] = None,
    key_id: Annotated[str | None, typer.Option(help="Id of the key that signs requests.")] = None,
    public_key: Annotated[Path | None, typer.Option(help="Its public key, PEM.")] = None,
    latency: Annotated[
        str | None, typer.Option(help="Latency of calls: home, hosted, a time such as 100ms, or a JSON file.")
    ] = None,
    balance: Annotated[
        str | None, typer.Option(help="Opening balance in dollars; at a restart the difference is deposited.")
    ] = None,
    fault: Annotated[list[str] | None, typer.Option(help="Fault to inject, such as lost_ack@every=7.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start with an empty exchange, not from the journal.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Write a detailed log; show tracebacks of errors.")] = False,
) -> None:
    """Run the simulated exchange alone, until Ctrl-C."""
    if speed is not None and capture is None:
        raise UsageError("--speed is that of a recording: give one by --capture")
    if mirror is not None and capture is not None:
        raise UsageError("--mirror and --capture: give one of the two")
    if times is not None and (capture is None or times not in TIMES):
        raise UsageError(f"--times is {' or '.join(TIMES)}, for a recording that --capture names")
    flags = {
        "port": port, "markets": markets, "preset": preset, "tier": tier, "seed": seed,
        "tickers": tuple(market) if market else None,
        "capture": capture, "mirror": mirror, "speed": speed, "capture_times": (times or "now") if capture else None,
        "accounts": tuple(account) if account else None, "shards": tuple(shard) if shard else None,
        "spec": spec, "key_id": key_id, "public_key_file": public_key,
        "balance_micros": parse_dollars(balance) if balance else None,
        "faults": tuple(fault) if fault else None, "latency_profile": latency,
    }  # fmt: skip
    settings = load(ExchangeSettings, paper_exchange=flags)
    folder = settings.state_folder / FOLDER
    configure_logs(
        "debug" if debug else settings.log_level, json=True, file=folder / "log.jsonl",
        max_bytes=settings.log_max_bytes,
    )  # fmt: skip
    with StateFolder(folder, fresh=fresh or capture is not None), _collected_once_started() as started:
        run_until_done(_serve(settings, settings.paper_exchange.model_copy(update={"state_folder": folder}), started))


@contextmanager
def _collected_once_started() -> Iterator[Callable[[], None]]:
    """Collect garbage only after the yielded function is called, and not among the modules and orders of that time."""
    with ExitStack() as starting, ExitStack() as running:
        starting.enter_context(collection_paused())

        def started() -> None:
            running.enter_context(frozen_modules())
            starting.close()

        yield started


async def _serve(process: ExchangeSettings, settings: PaperExchangeSettings, started: Callable[[], None]) -> None:
    server = PaperExchange(settings, exchange_clock(settings), logger("paper_exchange"))

    def ready() -> None:
        started()
        where = f", private key {server.private_key_file}" if server.private_key_file else ""
        print(f"exchange ready at {server.url}, key id {server.key_id}{where}", flush=True)
        for one in server.keys[1:]:
            print(f"account {one.account}: key id {one.key_id}, private key {one.private_key_file}", flush=True)

    stop = stop_on_signal()
    if settings.mirror is None:
        await server.run(stop, ready)
        return
    from truebook_services.cli.mirror import mirrored  # a client and the recorder: loads slowly, only a mirror needs it

    serves = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run(stop, serves.set))
        await serves.wait()
        try:
            async with mirrored(server, process, settings.mirror):
                ready()
                await stop.wait()
        finally:
            stop.set()
