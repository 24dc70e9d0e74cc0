"""The lines of a text file, plain or gzip, with their numbers; a torn or damaged file is one clear error."""

from __future__ import annotations

import errno
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from truebook.capture.importers.source import BytesRead
from truebook.capture.manifest import CaptureError

BUFFER_BYTES: Final = 1 << 18
COUNT_EVERY: Final = 1_024
"""Lines between two updates of the bytes read."""


def numbered_lines(path: Path, counter: BytesRead) -> Iterator[tuple[int, bytes]]:
    """Iterate over (number from 1, line) of a file, without empty lines; raises ``CaptureError``."""
    number = 0
    try:
        with path.open("rb") as file:
            is_packed = path.suffix == ".gz"
            lines = io.BufferedReader(gzip.GzipFile(fileobj=file), BUFFER_BYTES) if is_packed else file
            position = 0
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line
                if number % COUNT_EVERY == 0:
                    before, position = position, file.seek(0, io.SEEK_CUR)
                    counter.count += position - before
            counter.count += file.seek(0, io.SEEK_CUR) - position
    except EOFError as error:
        raise CaptureError(f"{path}, after line {number}: the file is cut off; restore it") from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise CaptureError(f"{path}, after line {number}: damaged: {error}; restore the file") from error
    except OSError as error:
        if error.errno == errno.EMFILE:
            raise too_many_open(path) from error
        raise CaptureError(f"{path}: cannot be read: {error.strerror}; correct the path or its permissions") from error


def too_many_open(path: Path) -> CaptureError:
    """Return the error for a limit on open files that is below the number of markets at one time."""
    return CaptureError(
        f"{path}: too many files are open; raise the limit (ulimit -n), or import fewer markets at once"
    )
