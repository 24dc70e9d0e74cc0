"""``truebook dead-letters``: what services have put aside, why, and how to give it to them once more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from truebook.bus.kafka import KafkaBus
from truebook.bus.kafka_reading import read_topic
from truebook.messages.codec import DecodeError, decode
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.reasons import Reason
from truebook.messages.topics import DEAD_LETTERS, TOPICS, Topic
from truebook.runtime.dead_letters import MOST_PAYLOAD
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.cli.errors import UsageError
from truebook_services.serving.settings import kafka_connection

EXPLANATIONS: Final[Mapping[Reason, str]] = {
    Reason.UNDECODABLE: "it is no message of its topic: mend its writer; a replay ends here again",
    Reason.UNKNOWN_VERSION: "a newer Truebook wrote it: update this service, then replay",
    Reason.UNKNOWN_TYPE: "its topic does not carry this type for this version: update this service, then replay",
    Reason.HANDLER_FAILED: "its reader failed on it: see that service's log, mend the cause, then replay",
}
SHOWN: Final = 60
ALTERED: Final = "\ufffd"


def dead_letters(
    replay: Annotated[str | None, typer.Option(help="Id of the letter to publish on its topic once more.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """List what was put aside and explain it, or replay one letter."""
    settings = load(TruebookSettings)
    if replay is not None:
        answer = asyncio.run(_replay(settings, replay))
        print(json.dumps(answer) if json_ else f"replayed to {answer['topic']}: {answer['replayed']}")
        return
    letters = [_row(letter, times) for letter, times in asyncio.run(_read(settings)).values()]
    if json_:
        print(json.dumps({"dead_letters": letters}))
    else:
        _print(letters)


async def _read(settings: TruebookSettings) -> dict[str, tuple[DeadLetter, int]]:
    """The letters by id, the oldest first, each with how often it was written: one that ends here again is the same."""
    found: dict[str, tuple[DeadLetter, int]] = {}
    async for record in read_topic(kafka_connection(settings), DEAD_LETTERS, settings.kafka_partitions):
        try:
            letter = decode(DEAD_LETTERS, record.value)
        except DecodeError:
            continue  # counted and logged by who wrote or read it; a letter about it would cause the next one
        if isinstance(letter, DeadLetter):
            found[letter.id] = (letter, found[letter.id][1] + 1 if letter.id in found else 1)
    return dict(sorted(found.items(), key=lambda item: item[1][0].produced_us))


async def _replay(settings: TruebookSettings, wanted: str) -> dict[str, Any]:
    matching = [letter for name, (letter, _) in (await _read(settings)).items() if name.startswith(wanted)]
    if len(matching) != 1:
        raise UsageError(f"{len(matching)} dead letters have an id that begins with {wanted!r}; see the list")
    letter = matching[0]
    topic = topic_of(letter)
    bus = await KafkaBus.connect(kafka_connection(settings))
    try:
        await bus.publish(topic, letter.ticker, letter.payload.encode())
    finally:
        await bus.aclose()
    return {"replayed": letter.id, "topic": topic.name, "key": letter.ticker}


def topic_of(letter: DeadLetter) -> Topic:
    """The topic that a letter can go back to; raises ``UsageError`` with the reason where it can't."""
    topic = next((topic for topic in TOPICS if topic.name == letter.origin), None)
    if topic is None:
        raise UsageError(f"it came from {letter.origin}, not from a topic: there is no way back")
    if len(letter.payload) >= MOST_PAYLOAD or ALTERED in letter.payload:
        raise UsageError("only a part of it, or no readable text, was kept: it can't be replayed as it was")
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
        "explanation": EXPLANATIONS.get(letter.reason, "see docs/reasons.md"),
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
