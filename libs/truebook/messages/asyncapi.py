"""The topics and their messages as an AsyncAPI 3.0 document, generated from the topics and message structs.

Pure: it returns a tree of dicts and lists; ``make asyncapi`` writes it to ``docs/asyncapi.yaml``. Schemas are JSON
Schema draft 7, which AsyncAPI's schema object extends.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from truebook.messages.envelope import Message
from truebook.messages.topics import TOPICS, StartAt, Topic

REFERENCE: Final = "#/components/schemas/{name}"
DEFAULT_PARTITIONS: Final = 4
"""Partitions of market-keyed topics unless ``TRUEBOOK_KAFKA_PARTITIONS`` sets others."""
BINDING: Final = "0.5.0"
ABOUT: Final = """\
Truebook's services communicate over these topics. Records are JSON; the field `type` names the message, `v` its
version. A reader ignores unknown fields, and publishes a record of unknown `v` or `type` to `dead_letters`. Delivery is
at-least-once: ids are created before the effect, a repeated message has the same id.

Units are part of the names: `_cc` is a price in 1/10,000 dollar on the YES leg, `_centi` a size in 1/100 contract,
`_micros` money in 1/1,000,000 dollar, `_us` a time in microseconds of UTC since 1970, `_ppm` a share in millionths.
No float is ever money, a price or a size.
"""
STARTS: Final = {
    StartAt.BEGINNING: "from the beginning at every assignment",
    StartAt.END: "from the end at every assignment",
    StartAt.COMMITTED: "from the group's commits",
}


def document(topics: Iterable[Topic] = TOPICS) -> dict[str, Any]:
    """Describe the topics; the result is deterministic."""
    topics = tuple(topics)
    kinds = [kind for topic in topics for kind in topic.carries]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Truebook", "version": "1", "description": ABOUT},
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": dict(operation for topic in topics for operation in _operations(topic)),
        "components": {
            "messages": {_tag(kind): _message(topic, kind) for topic in topics for kind in topic.carries},
            "schemas": {name: _draft_7(schemas[name]) for name in sorted(schemas)},
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Keyed by {topic.key}; read {STARTS[topic.start_at]}.",
        "messages": {_tag(kind): {"$ref": f"#/components/messages/{_tag(kind)}"} for kind in topic.carries},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions or DEFAULT_PARTITIONS,
                "topicConfiguration": {
                    "cleanup.policy": ["compact" if topic.compacted else "delete"],
                    "retention.ms": -1 if topic.retention_s is None else topic.retention_s * 1_000,
                    "retention.bytes": -1 if topic.retention_bytes is None else topic.retention_bytes,
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _operations(topic: Topic) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield one operation per service and topic that it writes or reads."""
    for action, verb, services in (("send", "writes", topic.written_by), ("receive", "reads", topic.read_by)):
        for service in services:
            yield (
                f"{service}_{verb}_{topic.name}",
                {"action": action, "channel": {"$ref": f"#/channels/{topic.name}"}, "tags": [{"name": service}]},
            )


def _message(topic: Topic, kind: type[Message]) -> dict[str, Any]:
    return {
        "name": _tag(kind),
        "payload": {"$ref": REFERENCE.format(name=kind.__name__)},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": f"The {topic.key}."}, "bindingVersion": BINDING}
        },
    }


def _tag(kind: type[Message]) -> str:
    return str(kind.__struct_config__.tag)


def _draft_7(schema: Any) -> Any:
    """Rewrite msgspec's keyword of a newer draft for the items of a tuple; clean descriptions."""
    if isinstance(schema, dict):
        schema = {name: _draft_7(value) for name, value in schema.items()}
        if "prefixItems" in schema:
            if schema.pop("items", None) is False:
                schema["additionalItems"] = False
            schema["items"] = schema.pop("prefixItems")
        if isinstance(text := schema.get("description"), str):  # Python up to 3.12 leaves docstrings indented
            schema["description"] = inspect.cleandoc(text)
        return schema
    return [_draft_7(each) for each in schema] if isinstance(schema, list) else schema
