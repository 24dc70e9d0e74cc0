"""Makes one statement from the files of a journal, as JSON on standard output, at a low priority.

``python -m truebook_services.operator.statement_process FILE ACCOUNT PERIOD MADE_US``, with the period as JSON. Exit
code 2: the journal does not have that day; 3: it is damaged. The reason is one line on standard error.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from truebook.ledger.journal.chain import ChainBroken
from truebook.ledger.port import LedgerError
from truebook.statement.fold import NotCovered
from truebook.statement.records import Period
from truebook_services.operator.port import NothingRecorded
from truebook_services.operator.statements import FAILED, REFUSED, statement_of_files

_NICE: Final = 10


def main(arguments: list[str]) -> int:
    """Print the statement; returns the exit code."""
    os.nice(_NICE)
    path, account, period, made_us = arguments
    try:
        day = msgspec.json.decode(period, type=Period)
        statement = statement_of_files(Path(path), account, day, int(made_us))
    except (NotCovered, NothingRecorded) as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    except (LedgerError, ChainBroken, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    sys.stdout.buffer.write(msgspec.json.encode(statement))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
