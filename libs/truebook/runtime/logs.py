"""Structured logs by structlog: JSON lines for machines, readable ones for people; on standard error or in a file.

A log file is bounded: at its full size it is renamed, and the oldest one removed. A full disk loses lines and ends
nothing. Each line has the field ``service`` and, inside ``Correlations.bound``, ``correlation``: the id of the market
update at the root of the cause chain, which its observation, action, orders and fills share. Secrets are redacted by
field name and by pattern.
"""

from __future__ import annotations

import logging
import re
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED: Final = "[redacted]"
LOG_EARLIER_FILES: Final = 4
_RENDERED: Final = "rendered"
"""Marks the records whose message is the complete line."""
_SECRET_NAME: Final = re.compile(r"passw|secret|token|authorization|signature|private_key|\bpem\b", re.IGNORECASE)
_SECRET_PATTERNS: Final = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), REDACTED),
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"), f"Bearer {REDACTED}"),
    (re.compile(r"(\w+://[^\s/:@]*):[^\s/@]+@"), rf"\1:{REDACTED}@"),
)


def redact_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Redact secrets by field name and pattern: a structlog processor."""
    return {name: _clean(name, value) for name, value in event.items()}


class BoundedLogHandler(RotatingFileHandler):
    """Writes complete lines, of this package and of libraries, to a file of limited size."""

    def __init__(self, file: Path, max_bytes: int, earlier_files: int) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(file, maxBytes=max_bytes, backupCount=earlier_files, encoding="utf-8")
        self._has_failed = False

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage() if hasattr(record, _RENDERED) else super().format(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Report the first line that could not be written on standard error: the disk is full, for example."""
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._has_failed:
            self._has_failed = True
            sys.stderr.write(f"truebook: the log {self.baseFilename} can't be written: {error}\n")


class _HandlerFile:
    """A handler as the file that structlog writes to: its lines are rendered already."""

    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler

    def write(self, text: str) -> None:
        self._handler.handle(logging.makeLogRecord({"msg": text.removesuffix("\n"), _RENDERED: True}))

    def flush(self) -> None:
        """Do nothing: the handler flushes each line."""


def configure_logs(
    level: str, json: bool, file: Path | None, *, max_bytes: int = 32 * 2**20, earlier_files: int = LOG_EARLIER_FILES
) -> None:
    """Write this process's logs, and warnings of libraries, to ``file`` (appended) or standard error.

    ``level`` is debug, info, warning or error. A missing folder of the file is created. A file of ``max_bytes`` becomes
    ``FILE.1``, and so on up to ``earlier_files`` of them.
    """
    out: Any = sys.stderr
    handler: logging.Handler = logging.StreamHandler(out)
    if file is not None:
        handler = BoundedLogHandler(file, max_bytes, earlier_files)
        out = _HandlerFile(handler)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        redact_secrets,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(default=str)
        if json
        else structlog.dev.ConsoleRenderer(colors=file is None and out.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def logger(service: str) -> Any:
    """Return a logger with the field ``service``; usable before ``configure_logs``."""
    return structlog.get_logger(service=service)


def _clean(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {str(inner): _clean(str(inner), deeper) for inner, deeper in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(name, item) for item in value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return value
    if _SECRET_NAME.search(name):
        return REDACTED
    for pattern, replacement in _SECRET_PATTERNS:
        value = pattern.sub(replacement, value)
    return value
