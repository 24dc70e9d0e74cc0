"""``truebook topics``: the topics in Kafka, created where they are missing, and how far each group is behind."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from truebook.bus.port import TopicMismatch
from truebook.bus.topics_admin import TopicsAdmin
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.serving.settings import kafka_connection


def topics(
    create: Annotated[bool, typer.Option("--create", help="Create what is missing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Show the topics and the groups' lag. Ends with 3 where a topic is missing or has a wrong partition count."""
    settings = load(TruebookSettings)
    found = asyncio.run(_look(settings, create=create))
    if json_:
        print(json.dumps(found))
    else:
        _print(found)
    if found["problems"]:
        raise TopicMismatch("; ".join(found["problems"]) + ": see `truebook topics --create`")


async def _look(settings: TruebookSettings, *, create: bool) -> dict[str, Any]:
    async with TopicsAdmin.connected(kafka_connection(settings), settings.kafka_partitions) as admin:
        created = await admin.create(settings.kafka_replicas) if create else []
        states = await admin.states()
        return {
            "created": created,
            "problems": [state.problem for state in states if state.problem is not None],
            "topics": {
                state.name: {"partitions": state.partitions, "declared": state.declared, "records": state.records}
                for state in states
            },
            "lag": await admin.lag(),
        }


def _print(found: dict[str, Any]) -> None:
    console = Console(markup=False)
    table = Table("topic", "partitions", "declared", "records", "lag per group")
    for name, topic in found["topics"].items():
        lags = [f"{group} {by_topic[name]}" for group, by_topic in found["lag"].items() if name in by_topic]
        made = " (new)" if name in found["created"] else ""
        table.add_row(
            f"{name}{made}", str(topic["partitions"]), str(topic["declared"]), str(topic["records"]), ", ".join(lags)
        )
    console.print(table)
