"""docs/asyncapi.yaml matches the code and the topics that the services use."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from support.samples import samples
from truebook.messages.asyncapi import document
from truebook.messages.codec import encode
from truebook.messages.topics import TOPICS

ROOT = Path(__file__).parents[2]
GOLDEN = sorted((ROOT / "tests/schema/golden").glob("*.json"))
SERVICES = (
    "ingest", "observation", "policy", "execution", "fill_listener", "reconciler", "paper_exchange", "recorder",
    "alerts",
)  # fmt: skip
IMPORTED = re.compile(r"^from truebook\.messages\.topics import ([\w, ]+)$", re.MULTILINE)


def validator(message: str) -> Draft7Validator:
    """Return the validator of one message's payload."""
    found = document()
    return Draft7Validator({**found["components"]["messages"][message]["payload"], "components": found["components"]})


def test_the_committed_document_is_what_the_code_generates() -> None:
    spec = importlib.util.spec_from_file_location("asyncapi_page", ROOT / "deploy/asyncapi.py")
    assert spec is not None and spec.loader is not None
    script: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert (ROOT / "docs/asyncapi.yaml").read_text() == script.page(), "run `make asyncapi`"


def test_its_schemas_are_schemas_of_draft_7() -> None:
    for schema in document()["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_golden_message_is_valid(path: Path) -> None:
    validator(path.name.split(".")[1]).validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize("name", sorted(samples()))
def test_missing_fields_and_text_for_numbers_are_invalid(name: str) -> None:
    schema = validator(name.partition(".")[2])
    whole = json.loads(encode(samples()[name]))
    assert schema.is_valid(whole)
    assert not schema.is_valid({field: value for field, value in whole.items() if field != "ticker"})
    assert not schema.is_valid(whole | {"produced_us": "now"})


def test_a_pair_has_two_places() -> None:
    schema = validator("book_snapshot")
    whole = json.loads(encode(samples()["orderbook.book_snapshot"]))
    for level in ([4_600], [4_600, 1, 1], [4_600, "1"]):
        assert not schema.is_valid(whole | {"bids": [level]}), level


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_uses_the_topics_that_the_table_lists(service: str) -> None:
    folder = ROOT / "services/truebook_services" / service
    named = {
        name
        for path in folder.glob("*.py")
        for names in IMPORTED.findall(path.read_text())
        for name in names.split(", ")
    }
    used = {name.lower() for name in named if name.isupper()}
    listed = {topic.name for topic in TOPICS if service in topic.written_by + topic.read_by}
    written_by_runtime = {"dead_letters", "refusals", "services"}
    assert used | written_by_runtime == listed | written_by_runtime


def test_each_service_in_the_table_exists() -> None:
    named = {name for topic in TOPICS for name in topic.written_by + topic.read_by}
    assert named - {"user", "operator"} <= set(SERVICES)
