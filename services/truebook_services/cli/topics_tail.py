"""``truebook topics tail``: print the records of a topic as they are written."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated

import typer

from truebook.bus.kafka.tailing import Tailed, tail_topic
from truebook.messages.topics import TOPICS, Topic
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.cli.errors import UsageError
from truebook_services.cli.output import last_output
from truebook_services.cli.record_lines import describe, is_of, json_line, text_lines
from truebook_services.serving.settings import kafka_connection


class From(StrEnum):
    """Where the command begins."""

    BEGINNING = "beginning"
    END = "end"


def tail(
    topic: Annotated[str, typer.Argument(help=f"One of {', '.join(each.name for each in TOPICS)}.")],
    ticker: Annotated[str | None, typer.Option(help="Only the records of this market.")] = None,
    from_: Annotated[From, typer.Option("--from", help="Begin with all that the topic has, or at its end.")] = From.END,
    last: Annotated[
        int, typer.Option(min=0, max=100_000, help="Begin with so many of the newest records, of all markets.")
    ] = 0,
    json_: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per record on a line of its own.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print only the value, byte for byte, and a line end.")] = False,
) -> None:
    """Print the records of a topic until Ctrl-C; those that can't be decoded are shown with the reason."""
    chosen = next((each for each in TOPICS if each.name == topic), None)
    if chosen is None:
        raise UsageError(f"unknown topic {topic!r}; use one of {', '.join(each.name for each in TOPICS)}")
    if json_ and raw:
        raise UsageError("--json and --raw exclude each other")
    if last and from_ is From.BEGINNING:
        raise UsageError("--last and --from beginning exclude each other")
    settings = load(TruebookSettings)
    records = tail_topic(
        kafka_connection(settings), chosen, settings.kafka_partitions, from_beginning=from_ is From.BEGINNING, last=last
    )  # fmt: skip
    try:
        with last_output():
            asyncio.run(print_records(chosen, records, ticker=ticker, as_json=json_, raw=raw))
    except KeyboardInterrupt:
        pass  # how a person ends the command; the client is closed


async def print_records(
    topic: Topic, records: AsyncGenerator[Tailed, None], *, ticker: str | None, as_json: bool, raw: bool
) -> None:
    """Print each record, or each of one market, and let it be seen at once."""
    async with aclosing(records):
        async for record, at_us in records:
            described = describe(topic, record, at_us)
            if ticker is not None and not is_of(described, ticker):
                continue
            if raw:
                sys.stdout.buffer.write(record.value + b"\n")
            elif as_json:
                print(json_line(described))
            else:
                print("\n".join(text_lines(described)))
            sys.stdout.flush()
