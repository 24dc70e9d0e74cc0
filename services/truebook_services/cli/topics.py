"""``truebook topics``: the topics in Kafka, created where missing, the lag of each consumer group, and records."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from truebook.bus.kafka.topics import POLICY, TopicsAdmin
from truebook.bus.port import TopicMismatch
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.cli.errors import UsageError
from truebook_services.cli.topics_tail import tail
from truebook_services.serving.settings import kafka_connection

HINT: Final = (
    "create missing topics with `truebook topics --create`; change retention and compaction with Kafka's "
    "kafka-configs.sh --alter; for other partitions, recreate the topics while nothing runs"
)


topics = typer.Typer(invoke_without_command=True)
topics.command("tail")(tail)


@topics.callback()
def show_topics(
    context: typer.Context,
    create: Annotated[bool, typer.Option("--create", help="Create missing topics.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """Show topics and group lag; exit code 3 if partitions, compaction or retention are wrong."""
    if context.invoked_subcommand is not None:
        if create or json_:
            raise UsageError(f"--create and --json before {context.invoked_subcommand} have no meaning: leave them out")
        return
    settings = load(TruebookSettings)
    found = asyncio.run(_read_topics(settings, create=create))
    if json_:
        print(json.dumps(found))
    else:
        _print(found)
    if found["problems"]:
        raise TopicMismatch(f"{'; '.join(found['problems'])}: {HINT}")


async def _read_topics(settings: TruebookSettings, *, create: bool) -> dict[str, Any]:
    async with TopicsAdmin.connected(kafka_connection(settings), settings.kafka_partitions) as admin:
        created = await admin.create(settings.kafka_replicas) if create else []
        states = await admin.states()
        return {
            "created": created,
            "problems": [state.problem for state in states if state.problem is not None],
            "topics": {
                state.name: {
                    "partitions": state.partitions,
                    "declared": state.declared,
                    "records": state.records,
                    "settings": state.settings,
                }
                for state in states
            },
            "lag": await admin.lag(),
        }


def _print(found: dict[str, Any]) -> None:
    console = Console(markup=False)
    table = Table("topic", "partitions", "declared", "records", "kept", "lag per group")
    for name, topic in found["topics"].items():
        lags = [f"{group} {by_topic[name]}" for group, by_topic in found["lag"].items() if name in by_topic]
        made = " (new)" if name in found["created"] else ""
        table.add_row(
            f"{name}{made}", str(topic["partitions"]), str(topic["declared"]), str(topic["records"]),
            _kept(topic["settings"]), ", ".join(lags),
        )  # fmt: skip
    console.print(table)


def _kept(settings: dict[str, str] | None) -> str:
    """Describe how long records are kept."""
    if settings is None:
        return "not shown to this user"
    if settings[POLICY] != "delete":
        return settings[POLICY]
    retention_ms = int(settings["retention.ms"])
    return "for ever" if retention_ms < 0 else f"{retention_ms / 3_600_000:g} h"
