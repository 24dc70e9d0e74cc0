"""The encoded form of every message, byte for byte: released messages stay readable, no change goes unnoticed.

A new field with a default changes the bytes that are written: put the new sample next to the old one
(``NAME.2.json``); old samples are never edited, they must go on decoding.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.samples import samples
from truebook.messages import codec
from truebook.messages.codec import KNOWN_VERSION, DecodeError, decode, encode
from truebook.messages.reasons import Reason
from truebook.messages.topics import ORDERBOOK, TOPICS, Topic

GOLDEN = Path(__file__).parent / "golden"
TOPIC = {topic.name: topic for topic in TOPICS}
NAMES = sorted(samples())


def topic_of(name: str) -> Topic:
    return TOPIC[name.partition(".")[0]]


def test_every_type_of_every_topic_has_a_sample() -> None:
    carried = {f"{t.name}.{kind.__struct_config__.tag}" for t in TOPICS for kind in t.carries}
    assert carried == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_message_is_written_as_the_newest_golden_bytes(name: str) -> None:
    newest = max(GOLDEN.glob(f"{name}.*.json"), key=lambda path: int(path.suffixes[-2][1:]))
    assert encode(samples()[name]) == newest.read_bytes().rstrip(b"\n")


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden_bytes_still_decode(path: Path) -> None:
    message = decode(topic_of(path.name), path.read_bytes())
    stored = json.loads(path.read_bytes())
    written = json.loads(encode(message))
    assert restricted(written, stored) == stored, "each stored field keeps its name, type and value"


def restricted(written: Any, stored: Any) -> Any:
    """Return what is written without the fields, nested ones too, that the stored bytes do not have."""
    if not isinstance(written, dict) or not isinstance(stored, dict):
        return written
    return {name: restricted(written[name], stored[name]) for name in stored}


@pytest.mark.parametrize("name", NAMES)
def test_a_field_of_a_newer_writer_is_ignored(name: str) -> None:
    raw = json.loads(encode(samples()[name])) | {"added_later": {"deep": [1, 2]}}
    assert decode(topic_of(name), json.dumps(raw).encode()) == samples()[name]


@pytest.mark.parametrize("name", NAMES)
def test_another_version_is_refused_also_where_its_body_differs(name: str) -> None:
    raw = json.loads(encode(samples()[name])) | {"v": KNOWN_VERSION + 1}
    del raw["ticker"]
    with pytest.raises(DecodeError) as refused:
        decode(topic_of(name), json.dumps(raw).encode())
    assert refused.value.reason is Reason.UNKNOWN_VERSION


@pytest.mark.parametrize("name", NAMES)
def test_a_message_on_a_topic_of_other_types_is_unknown_type(name: str) -> None:
    other = next(topic for topic in TOPICS if topic.name != topic_of(name).name)
    with pytest.raises(DecodeError) as refused:
        decode(other, encode(samples()[name]))
    assert refused.value.reason is Reason.UNKNOWN_TYPE


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_field_is_undecodable(name: str) -> None:
    raw = json.loads(encode(samples()[name]))
    del raw["account"]
    with pytest.raises(DecodeError, match="account") as refused:
        decode(topic_of(name), json.dumps(raw).encode())
    assert refused.value.reason is Reason.UNDECODABLE


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", Reason.UNDECODABLE),
        (b"not json", Reason.UNDECODABLE),
        (b"\xff\xfe", Reason.UNDECODABLE),
        (b"null", Reason.UNDECODABLE),
        (b"[1, 2]", Reason.UNDECODABLE),
        (b'"text"', Reason.UNDECODABLE),
        (b"{}", Reason.UNKNOWN_TYPE),
        (b'{"type": "book_delta"}', Reason.UNDECODABLE),
        (b'{"type": "nonsense"}', Reason.UNKNOWN_TYPE),
        (b'{"type": 7}', Reason.UNDECODABLE),
        (b'{"type": "book_delta", "v": "1"}', Reason.UNDECODABLE),
        (b'{"type": "book_delta", "v": 0}', Reason.UNKNOWN_VERSION),
        (b'{"type": "nonsense", "v": 3}', Reason.UNKNOWN_VERSION),
        (b"[" * 100_000, Reason.UNDECODABLE),
        (b'{"a":' * 100_000, Reason.UNDECODABLE),
        (b'{"type": "\xff"}', Reason.UNDECODABLE),
    ],
)
def test_garbage_is_refused_with_its_reason(raw: bytes, reason: Reason) -> None:
    with pytest.raises(DecodeError) as refused:
        decode(ORDERBOOK, raw)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw.replace(b"KX", b"\xff\xfe"),
        lambda raw: raw[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        lambda raw: raw[:-1],
        lambda raw: raw + b"{}",
    ],
    ids=["bad UTF-8", "deep nesting", "cut short", "two in one"],
)
def test_a_damaged_message_is_undecodable(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DecodeError) as refused:
        decode(ORDERBOOK, damage(encode(samples()["orderbook.book_delta"])))
    assert refused.value.reason is Reason.UNDECODABLE


@pytest.mark.parametrize(
    "change", [{"price_cc": 46.0}, {"price_cc": "4600"}, {"size_centi": None}, {"book_side": "yes"}]
)
def test_a_retyped_field_is_undecodable(change: dict[str, object]) -> None:
    raw = json.loads(encode(samples()["orderbook.book_delta"])) | change
    with pytest.raises(DecodeError) as refused:
        decode(ORDERBOOK, json.dumps(raw).encode())
    assert refused.value.reason is Reason.UNDECODABLE


def test_a_message_cannot_be_changed() -> None:
    message = samples()["orderbook.book_delta"]
    with pytest.raises(AttributeError):
        message.ticker = "other"  # type: ignore[misc]


def test_only_features_signals_and_strikes_are_floats() -> None:
    allowed = {"Observation.features", "Signal.value", "MarketMetadata.strike"}
    found = set()
    for topic in TOPICS:
        for kind in topic.carries:
            for field in (*msgspec.structs.fields(kind), *_nested(kind)):
                if "float" in str(field.type):
                    found.add(f"{_owner(kind, field.name)}.{field.name}")
    assert found == allowed


def _nested(kind: type) -> tuple[msgspec.structs.FieldInfo, ...]:
    nested = [field.type for field in msgspec.structs.fields(kind) if isinstance(field.type, type)]
    return tuple(f for inner in nested if issubclass(inner, msgspec.Struct) for f in msgspec.structs.fields(inner))


def _owner(kind: type, name: str) -> str:
    return kind.__name__ if name in kind.__struct_fields__ else "MarketMetadata"


def test_the_codec_has_each_topic_once() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    assert set(codec._decoders) == {topic.name for topic in TOPICS}
