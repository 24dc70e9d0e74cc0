"""Structured logs by structlog: JSON lines for machines, readable ones for people; on standard error or in a file.

Each line carries ``service`` and, inside ``Correlations.bound``, ``correlation``: the id of the market update at the
root of the cause chain, which its observation, action, orders and fills share. Secrets are struck out by name and by
shape, wherever they turn up.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

STRUCK_OUT: Final = "[struck out]"
_SECRET_NAME: Final = re.compile(r"passw|secret|token|authorization|signature|private_key|\bpem\b", re.IGNORECASE)
_SECRET_SHAPES: Final = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), STRUCK_OUT),
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"), f"Bearer {STRUCK_OUT}"),
    (re.compile(r"(\w+://[^\s/:@]*):[^\s/@]+@"), rf"\1:{STRUCK_OUT}@"),
)


def strike_out_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: replace what is a secret by its name or by its shape."""
    return {name: _clean(name, value) for name, value in event.items()}


def configure_logs(level: str, json: bool, file: Path | None) -> None:
    """Send this process's logs, also those of libraries from warnings up, to ``file`` (appended) or standard error.

    ``level`` is debug, info, warning or error. The file's folder is made where it is missing.
    """
    out: TextIO = sys.stderr
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        out = file.open("a", encoding="utf-8", buffering=1)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        strike_out_secrets,
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
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def logger(service: str) -> Any:
    """A logger whose lines name that service; usable before ``configure_logs`` too."""
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
        return STRUCK_OUT
    for shape, replacement in _SECRET_SHAPES:
        value = shape.sub(replacement, value)
    return value
