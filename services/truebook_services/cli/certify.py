"""``truebook certify``: runs a client of any make on an exchange with faults, and reports how it behaved."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from truebook.capture.writer import check_new
from truebook.clock import MICROS, SystemClock
from truebook.kalshi.hosts import addresses
from truebook.runtime.logs import configure_logs, logger
from truebook.simulation.conduct.judge import Report, judge
from truebook.simulation.conduct.records import Run
from truebook.simulation.faults import PLANNED, Fault, FaultKind, fault_plan, parse_fault
from truebook_services.cli.amounts import parse_dollars, parse_duration
from truebook_services.cli.certify_page import page, text
from truebook_services.cli.certify_witness import Witness
from truebook_services.cli.errors import UsageError
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

BELIEFS: Final = "beliefs.jsonl"
BELIEFS_VARIABLE: Final = "CERTIFY_BELIEFS"
REPORT: Final = "report"
CLIENT_LOG: Final = "client.log"
STOP_S: Final = 15.0
"""Time that the client has to end after SIGTERM."""


def certify(
    command: Annotated[list[str], typer.Argument(help="The client and its arguments, after --.")],
    out: Annotated[Path, typer.Option(help="Folder of the report: new or empty.")] = Path("certification"),
    for_: Annotated[str, typer.Option("--for", help="Length, such as 240s.")] = "240s",
    seed: Annotated[int, typer.Option(help="Seed of the market and of the faults.")] = 1,
    fault: Annotated[
        list[str] | None, typer.Option(help="A kind of fault, or KIND@WHEN; may be repeated. By default all kinds.")
    ] = None,
    markets: Annotated[int, typer.Option(min=1, help="Number of synthetic markets.")] = 20,
    balance: Annotated[str, typer.Option(help="Opening balance in dollars.")] = "1000",
    latency: Annotated[str | None, typer.Option(help="Latency of calls, as of `exchange --latency`.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Run any client on a simulated exchange with faults, and report how it behaved. Exit code 1: it failed."""
    length_us = int(parse_duration(for_) * MICROS)
    plan = _plan(fault or [], seed, length_us)
    check_new(out)
    out.mkdir(parents=True, exist_ok=True)
    configure_logs("info", json=True, file=out / "exchange.jsonl", max_bytes=50_000_000)
    settings = PaperExchangeSettings(
        seed=seed, markets=markets, balance_micros=parse_dollars(balance), tier="basic", state_folder=out / "exchange",
        faults=tuple(str(one) for one in plan), latency_profile=latency or "",
    )  # fmt: skip
    report = asyncio.run(_run(settings, plan, command, out, length_us))
    (out / f"{REPORT}.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    (out / f"{REPORT}.html").write_text(page(report, shlex.join(command)), encoding="utf-8")
    print(msgspec.json.encode(report).decode() if json else text(report))
    if not report.passed:
        raise typer.Exit(1)


def _plan(texts: list[str], seed: int, length_us: int) -> tuple[Fault, ...]:
    """Return the faults that are named, those without a time at times drawn from the seed."""
    kinds = [FaultKind(each) for each in texts if each in list(FaultKind)]
    drawn = fault_plan(seed, length_us, kinds or (PLANNED if not texts else ()))
    plan = (*drawn, *(parse_fault(each) for each in texts if each not in list(FaultKind)))
    if any(one.every is not None for one in plan):
        raise UsageError("--fault KIND@every=N is of no time: write KIND, KIND@t=SECONDS or KIND@t=FROM..TO")
    return plan


async def _run(
    settings: PaperExchangeSettings, plan: tuple[Fault, ...], command: list[str], out: Path, length_us: int
) -> Report:
    exchange = PaperExchange(settings, SystemClock(), logger("certify"))
    await exchange.start()
    start_us = exchange.now_us()
    witness = Witness(exchange, settings.account)
    try:
        code = await _client(exchange, command, out, witness, length_us / MICROS)
        if code is not None:
            elapsed_s = (exchange.now_us() - start_us) // MICROS
            print(f"the client ended after {elapsed_s} s with exit code {code}: {out / CLIENT_LOG}", file=sys.stderr)
        run = Run(
            start_us=start_us, end_us=exchange.now_us(), plan=plan, requests=tuple(witness.requests),
            sockets=tuple(witness.sockets), faults=tuple(witness.faults),
            account=witness.account(settings.balance_micros), exit_code=code, unrecorded=witness.unrecorded,
        )  # fmt: skip
    finally:
        await exchange.aclose()
    return judge(run)


async def _client(
    exchange: PaperExchange, command: list[str], out: Path, witness: Witness, length_s: float
) -> int | None:
    """Run the client until the time is over; returns its exit code if it ended earlier."""
    environment = os.environ | client_environment(exchange, out)
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            start_new_session=True, limit=2**24,
        )  # fmt: skip
    except OSError as error:
        raise UsageError(
            f"{shlex.join(command)}: {error.strerror}; give the client and its arguments after --"
        ) from None
    assert process.stdout is not None
    reading = asyncio.create_task(_read_output(process.stdout, out / CLIENT_LOG, witness))
    ended: int | None = None
    try:
        async with asyncio.timeout(length_s):
            ended = await process.wait()
    except TimeoutError:
        await _stop(process)
    finally:
        if process.returncode is None:
            await _stop(process)
    await asyncio.wait((reading,), timeout=STOP_S)
    beliefs = out / BELIEFS
    for line in beliefs.read_text(encoding="utf-8").splitlines() if beliefs.exists() else ():
        witness.read(line)
    return ended


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End the client's process group: by SIGTERM, then by SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await process.wait()
                return


async def _read_output(output: asyncio.StreamReader, file: Path, witness: Witness) -> None:
    with file.open("wb") as log:
        while line := await output.readline():
            log.write(line)
            log.flush()
            decoded = line.decode("utf-8", "replace")
            if decoded.startswith("truebook-certify "):
                witness.read(decoded)


def client_environment(exchange: PaperExchange, out: Path) -> dict[str, str]:
    """Return the variables by which clients find the exchange and its key."""
    rest_url, ws_url = addresses(exchange.url)
    key_file = str(Path(exchange.private_key_file or "").absolute())
    return {
        "KALSHI_API_BASE_URL": rest_url, "KALSHI_BASE_URL": rest_url, "KALSHI_HOST": rest_url, "KALSHI_WS_URL": ws_url,
        "KALSHI_API_KEY_ID": exchange.key_id, "KALSHI_KEY_ID": exchange.key_id, "KALSHI_ACCESS_KEY": exchange.key_id,
        "KALSHI_PRIVATE_KEY_PATH": key_file, "KALSHI_ALLOW_UNKNOWN_HOST": "1",
        "TRUEBOOK_EXCHANGE_URL": exchange.url, "TRUEBOOK_KEY_ID": exchange.key_id, "TRUEBOOK_KEY_FILE": key_file,
        "TRUEBOOK_STATE_FOLDER": str((out / "client").absolute()),
        BELIEFS_VARIABLE: str((out / BELIEFS).absolute()),
    }  # fmt: skip
