"""A record of a topic as text: aligned fields for people, or one JSON object on a line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from truebook.bus.port import Record
from truebook.clock import MICROS
from truebook.messages.codec import DecodeError, decode
from truebook.messages.topics import Topic

SHOWN_BYTES: Final = 400
"""Of a value that can't be decoded."""
HEAD: Final = frozenset({"type"})
"""Fields that the first line shows."""


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A record with its message, or with why it has none."""

    topic: str
    at: str
    partition: int
    offset: int
    key: str
    type: str | None = None
    body: dict[str, Any] | None = None
    problem: str | None = None
    value: str | None = None
    """The beginning of a value that is no message."""


def describe(topic: Topic, record: Record, at_us: int) -> Described:
    """Decode the record; one that is no message of its topic is described with the reason."""
    described = Described(
        topic=topic.name, partition=record.partition, offset=record.offset, key=record.key,
        at=datetime.fromtimestamp(at_us / MICROS, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
    )  # fmt: skip
    if not record.value:
        return msgspec.structs.replace(described, problem="no value: the key was deleted")
    try:
        body = msgspec.to_builtins(decode(topic, record.value))
    except DecodeError as error:
        value = record.value[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        return msgspec.structs.replace(described, problem=str(error), value=value)
    return msgspec.structs.replace(described, type=str(body["type"]), body=body)


def is_of(described: Described, ticker: str) -> bool:
    """Whether the record is about this market: by its key, or by its message."""
    return described.key == ticker or (described.body is not None and described.body.get("ticker") == ticker)


def json_line(described: Described) -> str:
    """Return one JSON object; control characters and all but ASCII are escaped."""
    return json.dumps({name: value for name, value in msgspec.structs.asdict(described).items() if value is not None})


def text_lines(described: Described) -> list[str]:
    """Return a line with the record's place, and one for each field of its message."""
    kind = described.type or "NO MESSAGE"
    place = f"{described.topic} {described.partition}/{described.offset}"
    lines = [f"{described.at}  {place}  {described.key or '(no key)'}  {kind}"]
    if described.body is None:
        fields: dict[str, Any] = {"problem": described.problem, "value": described.value}
    else:
        fields = {name: value for name, value in described.body.items() if name not in HEAD}
    shown = {name: value for name, value in fields.items() if value is not None}
    width = max(map(len, shown), default=0)
    lines += [f"    {name:<{width}}  {_shown(value)}" for name, value in shown.items()]
    return [_printable(line) for line in lines]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _printable(line: str) -> str:
    """Escape control characters: a record from outside must not control the terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)
