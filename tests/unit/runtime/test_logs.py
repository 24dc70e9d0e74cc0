from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from support.full_disk import no_file_larger_than
from support.samples import action
from truebook.runtime.correlation import Correlations
from truebook.runtime.logs import REDACTED, configure_logs, logger, redact_secrets


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore logging for other tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_json_with_service_level_time_and_correlation(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "log.jsonl"
    configure_logs("info", json=True, file=path)
    log = logger("execution")
    with Correlations().bound(action(id="act", cause_id="delta")):
        log.info("sent", price_cc=4_600)
    log.debug("too fine")
    (line,) = lines(path)
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "sent", "level": "info", "service": "execution", "price_cc": 4_600, "correlation": "delta",
    }  # fmt: skip


def test_a_second_run_appends(tmp_path: Path) -> None:
    for _ in range(2):
        configure_logs("info", json=True, file=tmp_path / "log.jsonl")
        logger("x").info("started")
    assert len(lines(tmp_path / "log.jsonl")) == 2


def test_a_log_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    configure_logs("info", json=True, file=path, max_bytes=2_000, earlier_files=2)
    for number in range(200):
        logger("x").info("repeated", number=number)
        logging.getLogger("library").warning("odd frame")
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["log.jsonl", "log.jsonl.1", "log.jsonl.2"]
    assert max(file.stat().st_size for file in files) <= 2_000
    assert {line["event"] for file in files for line in lines(file)} == {"repeated", "odd frame"}
    kept = [line["number"] for file in reversed(files) for line in lines(file) if "number" in line]
    assert kept == list(range(kept[0], 200)), "the newest lines, in order"


def test_a_full_disk_loses_log_lines_but_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", json=True, file=tmp_path / "log.jsonl")
    logger("x").info("before")
    with no_file_larger_than(100):
        for _ in range(3):
            logger("x").info("lost")
            logging.getLogger("library").warning("lost too")
    logger("x").info("after")
    assert {"before", "after"} <= {line["event"] for line in lines(tmp_path / "log.jsonl")}
    shown = capsys.readouterr().err
    assert shown.count("can't be written") == 1 and "Traceback" not in shown


def test_a_traceback_is_one_field(tmp_path: Path) -> None:
    configure_logs("info", json=True, file=tmp_path / "log.jsonl")
    try:
        raise ValueError("bug")
    except ValueError:
        logger("x").exception("failed")
    (line,) = lines(tmp_path / "log.jsonl")
    assert "ValueError: bug" in line["exception"]


def test_warnings_of_libraries_go_to_the_same_place(tmp_path: Path) -> None:
    configure_logs("info", json=True, file=tmp_path / "log.jsonl")
    logging.getLogger("websockets").warning("odd frame from %s", "wss://u:secret@host/")
    logging.getLogger("websockets").info("noise")
    (line,) = lines(tmp_path / "log.jsonl")
    assert line["event"] == f"odd frame from wss://u:{REDACTED}@host/"
    assert line["logger"] == "websockets"


def test_people_get_readable_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("warning", json=False, file=None)
    logger("ingest").warning("book stale", reason="silence")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "book stale" in shown.err
    assert "reason=silence" in shown.err


PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("password", "hunter2", REDACTED),
        ("redis_password", "hunter2", REDACTED),
        ("token", "abc", REDACTED),
        ("KALSHI-ACCESS-SIGNATURE", "abc", REDACTED),
        ("Authorization", "Bearer abc", REDACTED),
        ("detail", f"could not read {PEM}", f"could not read {REDACTED}"),
        ("detail", PEM[:40], REDACTED),
        ("detail", b"Bearer abc.def-ghi", f"Bearer {REDACTED}"),
        ("url", "redis://default:hunter2@localhost:6379/0", f"redis://default:{REDACTED}@localhost:6379/0"),
        ("url", "http://127.0.0.1:18080/trade-api/v2", "http://127.0.0.1:18080/trade-api/v2"),
        ("headers", {"authorization": "x", "accept": "json"}, {"authorization": REDACTED, "accept": "json"}),
        ("parts", ["Bearer abc"], [f"Bearer {REDACTED}"]),
        ("key", "KXHIGHNY", "KXHIGHNY"),
        ("tokens", 5, 5),
        ("price_cc", 4_600, 4_600),
    ],
)
def test_secrets_are_redacted(name: str, value: object, expected: object) -> None:
    assert redact_secrets(None, "info", {name: value}) == {name: expected}
