"""``truebook dead-letters``: messages that services could not handle, the reason, and how to replay them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from truebook.bus.kafka.bus import KafkaBus
from truebook.bus.kafka.reading import read_topic
from truebook.messages.codec import DecodeError, decode
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.reason_table import EXPLANATIONS
from truebook.messages.topics import DEAD_LETTERS, TOPICS, Topic
from truebook.runtime.dead_letters import MAX_PAYLOAD
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.cli.errors import UsageError
from truebook_services.serving.settings import kafka_connection

SHOWN: Final = 60
ALTERED: Final = "\ufffd"


def dead_letters(
    replay: Annotated[str | None, typer.Option(help="Id of the letter to publish again on its topic.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """List and explain the dead letters, or replay one."""
    settings = load(TruebookSettings)
    if replay is not None:
        result = asyncio.run(_replay(settings, replay))
        print(json.dumps(result) if json_ else f"replayed to {result['topic']}: {result['replayed']}")
        return
    letters = [_row(letter, times) for letter, times in asyncio.run(_read(settings)).values()]
    if json_:
        print(json.dumps({"dead_letters": letters}))
    else:
        _print(letters)


async def _read(settings: TruebookSettings) -> dict[str, tuple[DeadLetter, int]]:
    """Return the letters by id, oldest first, with how often each was written: a failed replay has the same id."""
    found: dict[str, tuple[DeadLetter, int]] = {}
    async for record in read_topic(kafka_connection(settings), DEAD_LETTERS, settings.kafka_partitions):
        try:
            letter = decode(DEAD_LETTERS, record.value)
        except DecodeError:
            continue  # counted and logged elsewhere; a letter about a letter would cause the next one
        if isinstance(letter, DeadLetter):
            found[letter.id] = (letter, found[letter.id][1] + 1 if letter.id in found else 1)
    return dict(sorted(found.items(), key=lambda item: item[1][0].produced_us))


async def _replay(settings: TruebookSettings, id_prefix: str) -> dict[str, Any]:
    matching = [letter for name, (letter, _) in (await _read(settings)).items() if name.startswith(id_prefix)]
    if len(matching) != 1:
        raise UsageError(
            f"{len(matching)} dead letters have an id that begins with {id_prefix!r}; see `truebook dead-letters`"
        )
    letter = matching[0]
    topic = topic_of(letter)
    bus = await KafkaBus.connect(kafka_connection(settings))
    try:
        await bus.publish(topic, letter.ticker, letter.payload.encode())
    finally:
        await bus.aclose()
    return {"replayed": letter.id, "topic": topic.name, "key": letter.ticker}


def topic_of(letter: DeadLetter) -> Topic:
    """Return the topic to replay a letter on; raises ``UsageError`` where it can't be replayed."""
    topic = next((topic for topic in TOPICS if topic.name == letter.origin), None)
    if topic is None:
        raise UsageError(f"the letter came from {letter.origin}, not from a topic: it can't be replayed")
    if len(letter.payload) >= MAX_PAYLOAD or ALTERED in letter.payload:
        raise UsageError("only a part of the payload, or no readable text, was kept: it can't be replayed")
    return topic


def _row(letter: DeadLetter, times: int) -> dict[str, Any]:
    return {
        "id": letter.id,
        "at": datetime.fromtimestamp(letter.produced_us / 1e6, UTC).isoformat(timespec="milliseconds"),
        "times": times,
        "origin": letter.origin,
        "key": letter.ticker,
        "service": letter.service,
        "reason": str(letter.reason),
        "detail": letter.detail,
        "explanation": EXPLANATIONS[letter.reason].sentence(),
        "payload": letter.payload,
    }


def _print(letters: list[dict[str, Any]]) -> None:
    console = Console(markup=False)
    if not letters:
        console.print("no dead letters")
        return
    table = Table("id", "at", "times", "from", "service", "reason", "payload")
    for letter in letters:
        why = f"{letter['reason']}: {letter['detail']}\n{letter['explanation']}"
        table.add_row(
            letter["id"][:12], letter["at"], str(letter["times"]), f"{letter['origin']}\n{letter['key']}",
            letter["service"], why, letter["payload"][:SHOWN],
        )  # fmt: skip
    console.print(table)
