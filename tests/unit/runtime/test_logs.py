from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from support.samples import action
from truebook.runtime.correlation import Correlations
from truebook.runtime.logs import STRUCK_OUT, configure_logs, logger, strike_out_secrets


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as other tests expect it."""
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
    assert line["event"] == f"odd frame from wss://u:{STRUCK_OUT}@host/"
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
        ("password", "hunter2", STRUCK_OUT),
        ("redis_password", "hunter2", STRUCK_OUT),
        ("token", "abc", STRUCK_OUT),
        ("KALSHI-ACCESS-SIGNATURE", "abc", STRUCK_OUT),
        ("Authorization", "Bearer abc", STRUCK_OUT),
        ("detail", f"could not read {PEM}", f"could not read {STRUCK_OUT}"),
        ("detail", PEM[:40], STRUCK_OUT),
        ("detail", b"Bearer abc.def-ghi", f"Bearer {STRUCK_OUT}"),
        ("url", "redis://default:hunter2@localhost:6379/0", f"redis://default:{STRUCK_OUT}@localhost:6379/0"),
        ("url", "http://127.0.0.1:18080/trade-api/v2", "http://127.0.0.1:18080/trade-api/v2"),
        ("headers", {"authorization": "x", "accept": "json"}, {"authorization": STRUCK_OUT, "accept": "json"}),
        ("parts", ["Bearer abc"], [f"Bearer {STRUCK_OUT}"]),
        ("key", "KXHIGHNY", "KXHIGHNY"),
        ("tokens", 5, 5),
        ("price_cc", 4_600, 4_600),
    ],
)
def test_secrets_are_struck_out(name: str, value: object, expected: object) -> None:
    assert strike_out_secrets(None, "info", {name: value}) == {name: expected}
