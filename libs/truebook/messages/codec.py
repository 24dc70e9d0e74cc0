"""Encode and decode messages: JSON by msgspec, with one decoder per topic.

Unknown fields are ignored (a newer writer); an unknown ``v`` or ``type`` is an error, and the record becomes a dead
letter: a newer schema must not be guessed.
"""

from __future__ import annotations

from typing import Any, Final, Union

import msgspec

from truebook.decoding import UNREADABLE
from truebook.messages.envelope import Message
from truebook.messages.reasons import Reason
from truebook.messages.topics import TOPICS, Topic

KNOWN_VERSION: Final = 2


class DecodeError(ValueError):
    """A record is no message of its topic; ``reason`` states why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class _Head(msgspec.Struct):
    type: str = ""
    v: int = KNOWN_VERSION


_encoder = msgspec.json.Encoder()
_head = msgspec.json.Decoder(_Head)
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    topic.name: msgspec.json.Decoder(Union[topic.carries])  # noqa: UP007 - a union made from a tuple
    for topic in TOPICS
}
_tags: dict[str, frozenset[str]] = {
    topic.name: frozenset(str(carried.__struct_config__.tag) for carried in topic.carries) for topic in TOPICS
}


def encode(message: Message) -> bytes:
    """Encode one message as JSON."""
    return _encoder.encode(message)


def decode(topic: Topic, raw: bytes) -> Message:
    """Decode one record of ``topic``; raises ``DecodeError`` with the reason for its dead letter."""
    try:
        message: Message = _decoders[topic.name].decode(raw)
    except UNREADABLE as error:
        raise _explain(topic, raw, error) from error
    if message.v != KNOWN_VERSION:
        raise DecodeError(Reason.UNKNOWN_VERSION, f"v={message.v}, known is {KNOWN_VERSION}")
    return message


def _explain(topic: Topic, raw: bytes, error: Exception) -> DecodeError:
    try:
        head = _head.decode(raw)
    except UNREADABLE:
        return DecodeError(Reason.UNDECODABLE, str(error))
    if head.v != KNOWN_VERSION:
        return DecodeError(Reason.UNKNOWN_VERSION, f"v={head.v}, known is {KNOWN_VERSION}")
    if head.type not in _tags[topic.name]:
        return DecodeError(Reason.UNKNOWN_TYPE, f"type {head.type!r} is not carried by {topic.name}")
    return DecodeError(Reason.UNDECODABLE, str(error))
