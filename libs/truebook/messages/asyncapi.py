"""The topics and their messages as an AsyncAPI 3.0 document, made from the table of topics and the message structs.

Pure: it answers a tree of dicts, lists and words; ``make asyncapi`` writes it to ``docs/asyncapi.yaml``. Schemas are
JSON Schema draft 7, which is what AsyncAPI's own schema object extends.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from truebook.messages.envelope import Message
from truebook.messages.topics import TOPICS, StartAt, Topic

REFERENCE: Final = "#/components/schemas/{name}"
USUAL_PARTITIONS: Final = 4
"""What market-keyed topics have where ``TRUEBOOK_KAFKA_PARTITIONS`` says nothing."""
BINDING: Final = "0.5.0"
ABOUT: Final = """\
Truebook's services talk over these topics. Records are JSON; the field `type` names the message, `v` its version.
A reader ignores fields that it does not know, and puts a record whose `v` or `type` it does not know into
`dead_letters`. Delivery is at-least-once: ids are made before the effect, a repeated message has the same id.

Units stand in the names: `_cc` is a price in 1/10,000 dollar on the YES leg, `_centi` a size in 1/100 contract,
`_micros` money in 1/1,000,000 dollar, `_us` a time in microseconds of UTC since 1970, `_ppm` a share in millionths.
No float is ever money, a price or a size.
"""
STARTS: Final = {
    StartAt.BEGINNING: "from the start at every assignment",
    StartAt.END: "from the end at every assignment",
    StartAt.COMMITTED: "from where the group has committed",
}


def document(topics: Iterable[Topic] = TOPICS) -> dict[str, Any]:
    """Describe the topics; the same table gives the same document, in the same order."""
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
                "partitions": topic.partitions or USUAL_PARTITIONS,
                "topicConfiguration": {
                    "cleanup.policy": ["compact" if topic.compacted else "delete"],
                    "retention.ms": -1 if topic.kept_s is None else topic.kept_s * 1_000,
                    "retention.bytes": -1 if topic.kept_bytes is None else topic.kept_bytes,
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _operations(topic: Topic) -> Iterable[tuple[str, dict[str, Any]]]:
    """Name each way of each service to and from a topic, as that service sees it."""
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
    """Rewrite the one word of the newer draft that msgspec uses, the list of a tuple's places; tidy descriptions."""
    if isinstance(schema, dict):
        schema = {name: _draft_7(value) for name, value in schema.items()}
        if "prefixItems" in schema:
            if schema.pop("items", None) is False:
                schema["additionalItems"] = False
            schema["items"] = schema.pop("prefixItems")
        if isinstance(told := schema.get("description"), str):  # Python up to 3.12 leaves docstrings indented
            schema["description"] = inspect.cleandoc(told)
        return schema
    return [_draft_7(each) for each in schema] if isinstance(schema, list) else schema
