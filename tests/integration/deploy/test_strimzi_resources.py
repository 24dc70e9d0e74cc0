"""The overlay `strimzi` against the parts of Strimzi's v1 schemas that it uses, and its topics against our own table.

No operator runs in this test, so the schemas are listed here: any other field is a typing error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from truebook.bus.kafka.topics import configs_of
from truebook.messages.topics import TOPICS
from truebook.runtime.settings import TruebookSettings

FOLDER = Path(__file__).parents[3] / "deploy/k8s/overlays/strimzi"
RESOURCES = {"requests?": {"cpu?": str, "memory?": str}, "limits?": {"cpu?": str, "memory?": str}}
VOLUME = {
    "id": int, "type": {"persistent-claim", "ephemeral"}, "size?": str, "class?": str, "deleteClaim?": bool,
    "kraftMetadata?": {"shared"},
}  # fmt: skip
SPECS: dict[str, Any] = {
    "Kafka": {
        "kafka": {
            "version?": str, "metadataVersion?": str, "config?": dict,
            "listeners": [
                {"name": re.compile(r"[a-z0-9]{1,11}"), "port": int, "type": {"internal", "nodeport"}, "tls": bool}
            ],
        },
        "entityOperator?": {"topicOperator?": dict, "userOperator?": dict},
    },
    "KafkaNodePool": {
        "replicas": int, "roles": [{"controller", "broker"}], "resources?": RESOURCES,
        "jvmOptions?": {"-Xms?": str, "-Xmx?": str}, "storage": {"type": {"jbod"}, "volumes": [VOLUME]},
    },
    "KafkaTopic": {"topicName?": str, "partitions?": int, "replicas?": int, "config?": dict},
}  # fmt: skip
NEEDS_CLUSTER = {"KafkaNodePool", "KafkaTopic"}


def problems(value: Any, schema: Any, where: str) -> list[str]:
    """List what the schema forbids in ``value``. A schema is a dict of fields (``?``: optional), a list of one kind, a
    set of words, a pattern or a type."""
    match schema:
        case dict():
            if not isinstance(value, dict):
                return [f"{where}: no mapping"]
            fields = {name.removesuffix("?"): kind for name, kind in schema.items()}
            found = [f"{where}.{name}: there is no such field" for name in value if name not in fields]
            found += [f"{where}.{name}: missing" for name in schema if not name.endswith("?") and name not in value]
            return found + [p for n, v in value.items() if n in fields for p in problems(v, fields[n], f"{where}.{n}")]
        case list():
            if not isinstance(value, list) or not value:
                return [f"{where}: no list, or empty"]
            return [p for number, one in enumerate(value) for p in problems(one, schema[0], f"{where}[{number}]")]
        case set():
            return [] if value in schema else [f"{where}: {value!r} is none of {sorted(schema)}"]
        case re.Pattern():
            return [] if isinstance(value, str) and schema.fullmatch(value) else [f"{where}: {value!r}"]
        case _:
            is_right = isinstance(value, schema) and (schema is bool or not isinstance(value, bool))
            return [] if is_right else [f"{where}: {value!r} is no {schema.__name__}"]


def resources() -> list[dict[str, Any]]:
    return [
        resource
        for file in ("kafka.yaml", "topics.yaml")
        for resource in yaml.safe_load_all((FOLDER / file).read_text())
    ]


def test_every_resource_fits_its_schema() -> None:
    found: list[str] = []
    for resource in resources():
        kind = resource["kind"]
        assert resource["apiVersion"] == "kafka.strimzi.io/v1"
        found += problems(resource["spec"], SPECS[kind], f"{kind} {resource['metadata']['name']}")
        if kind in NEEDS_CLUSTER:
            assert resource["metadata"]["labels"]["strimzi.io/cluster"] == "truebook"
    assert found == []


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"partitions": 4, "replication": 3}, "t.replication: there is no such field"),
        ({"partitions": "4"}, "t.partitions: '4' is no int"),
        ({"config": []}, "t.config: [] is no dict"),
    ],
)
def test_typing_errors_are_found(spec: dict[str, Any], problem: str) -> None:
    assert problems(spec, SPECS["KafkaTopic"], "t") == [problem]


def test_the_topics_match_the_declared_ones() -> None:
    topics = {r["spec"]["topicName"]: r["spec"] for r in resources() if r["kind"] == "KafkaTopic"}
    assert topics.keys() == {topic.name for topic in TOPICS}
    common = TruebookSettings.model_fields["kafka_partitions"].default
    for topic in TOPICS:
        spec = topics[topic.name]
        assert spec["partitions"] == (topic.partitions or common), topic.name
        assert {name: str(value) for name, value in spec["config"].items()} == configs_of(topic), topic.name
