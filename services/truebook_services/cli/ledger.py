"""``truebook ledger``: checks of the ledger's journal, in files or in its topic."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Final

import msgspec
import typer

from truebook.clock import SystemClock
from truebook.ledger.journal.verify import Heads, JournalReport, verify_entries, verify_journal
from truebook.messages.topics import JOURNAL as JOURNAL_TOPIC
from truebook.runtime.settings import TruebookSettings, load
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import Json, print_json
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.operator.journal_reading import open_topic
from truebook_services.operator.perform import operator_context
from truebook_services.operator.run_files import JOURNAL

ledger = typer.Typer(help="Verify the journal of the ledger.", no_args_is_help=True)
DIFFERS: Final = 1


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The file, and what was found."""

    file: str
    journal: JournalReport


@ledger.callback()
def _group() -> None:
    # A group of one command would otherwise become that command.
    pass


@ledger.command("verify")
def verify(
    head: Annotated[
        list[str] | None,
        typer.Option(metavar="SEQ:HASH", help="A head that a statement named: the entry must still have that hash."),
    ] = None,
    json_: Json = False,
) -> None:
    """Verify the journal: digests, hash chain, results and anchors; exit code 1: it is damaged, or a head differs."""
    heads = dict(map(_parse_head, head or ()))
    settings = load(EmbeddedSettings)
    if settings.kafka_servers is None:
        place = str(settings.state_path / JOURNAL)
        report = verify_journal(settings.state_path / JOURNAL, heads)
        if not report.segments:
            raise UsageError(f"{place} does not exist: only `truebook run` keeps its journal in a file")
    else:
        place = f"topic {JOURNAL_TOPIC.name}, account {settings.account}"
        report = asyncio.run(_verify_topic(settings, heads))
        if not report.entries and not report.problem:
            raise UsageError(f"the topic {JOURNAL_TOPIC.name} has no entries of the account {settings.account}")
    if json_:
        print_json(Verification(file=place, journal=report))
    else:
        for line in _lines(report):
            print(line)
    raise typer.Exit(DIFFERS if report.problem else 0)


async def _verify_topic(settings: TruebookSettings, heads: Heads) -> JournalReport:
    journal = await open_topic(settings, operator_context(settings, SystemClock()))
    return await verify_entries(journal.read(0), heads)


def _parse_head(text: str) -> tuple[int, str]:
    seq, _, digest = text.partition(":")
    if not seq.isdecimal() or not re.fullmatch("[0-9a-f]{64}", digest):
        raise typer.BadParameter(f"{text!r}: expected SEQ:HASH, a number and 64 hexadecimal digits")
    return int(seq), digest


def _lines(report: JournalReport) -> list[str]:
    files = f" in {report.segments} segments, {report.size_bytes / 1e6:.1f} MB" if report.segments else ""
    in_order = "all digests and numbers" if report.segments else "all numbers"
    lines = [
        f"{report.entries:,} entries ({report.first_seq:,} to {report.last_seq:,}){files}: {in_order} are in order",
    ]
    if report.problem:
        lines = [f"PROBLEM: {report.problem}", f"in order are the {report.entries:,} entries before it"]
    elif report.is_replayed:
        begin = "the first entry" if report.first_seq == 1 else f"the anchor after entry {report.removed_through_seq:,}"
        anchors = f"; {report.anchors} later anchors equal them" if report.anchors else ""
        lines.append(f"all results follow from the rules, from {begin} on{anchors}")
    else:
        lines.append("the results were not checked: there is no anchor before the first entry")
    if not report.problem:
        lines += _chain_lines(report)
    if report.removed_through_seq:
        lines.append(f"not checked: entries 1 to {report.removed_through_seq:,}, which are no longer in the files")
    if report.torn_bytes:
        lines.append(f"the last line has no end ({report.torn_bytes} bytes): it is being written, or a crash tore it")
    return lines


def _chain_lines(report: JournalReport) -> list[str]:
    lines = []
    if report.chain_from_seq:
        lines.append(f"the hash chain is unbroken from entry {report.chain_from_seq:,} on")
    if report.unhashed:
        lines.append(f"{report.unhashed:,} entries have no hash: an earlier version copied them")
    if report.heads:
        lines.append(f"given heads that are those of their entries: {report.heads}")
    return [*lines, f"head: {report.last_seq}:{report.head}"]
