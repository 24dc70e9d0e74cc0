"""``truebook ledger``: checks of what the ledger has stored in files."""

from __future__ import annotations

from typing import Final

import msgspec
import typer

from truebook.ledger.journal.verify import JournalReport, verify_journal
from truebook.runtime.settings import load
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import Json, print_json
from truebook_services.embedded.resources import JOURNAL
from truebook_services.embedded.settings import EmbeddedSettings

ledger = typer.Typer(help="Verify what the ledger has stored in files.", no_args_is_help=True)
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
def verify(json_: Json = False) -> None:
    """Verify the journal of `truebook run`: digests, results and anchors; exit code 1: it is damaged."""
    path = load(EmbeddedSettings).state_path / JOURNAL
    report = verify_journal(path)
    if not report.segments:
        raise UsageError(f"{path} does not exist: only `truebook run` keeps its journal in a file")
    if json_:
        print_json(Verification(file=str(path), journal=report))
    else:
        for line in _lines(report):
            print(line)
    raise typer.Exit(DIFFERS if report.problem else 0)


def _lines(report: JournalReport) -> list[str]:
    lines = [
        f"{report.entries:,} entries ({report.first_seq:,} to {report.last_seq:,}) in {report.segments} segments, "
        f"{report.size_bytes / 1e6:.1f} MB: all digests and numbers are in order",
    ]
    if report.problem:
        lines = [f"PROBLEM: {report.problem}", f"in order are the {report.entries:,} entries before it"]
    elif report.is_replayed:
        begin = "the first entry" if report.first_seq == 1 else f"the anchor after entry {report.removed_through_seq:,}"
        anchors = f"; {report.anchors} later anchors equal them" if report.anchors else ""
        lines.append(f"all results follow from the rules, from {begin} on{anchors}")
    else:
        lines.append("the results were not checked: there is no anchor before the first entry")
    if report.removed_through_seq:
        lines.append(f"not checked: entries 1 to {report.removed_through_seq:,}, which are no longer in the files")
    if report.torn_bytes:
        lines.append(f"the last line has no end ({report.torn_bytes} bytes): it is being written, or a crash tore it")
    return lines
