"""``truebook topics tail``: how records are printed, and which arguments exclude each other."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import pytest
from typer.testing import CliRunner

from support.samples import samples
from truebook.bus.kafka.tailing import Tailed
from truebook.bus.port import Record
from truebook.messages.codec import encode
from truebook.messages.topics import DEAD_LETTERS, ORDERBOOK, TOPICS, Topic
from truebook_services.cli.__main__ import app
from truebook_services.cli.errors import UsageError
from truebook_services.cli.record_lines import describe, json_line, text_lines
from truebook_services.cli.topics_tail import print_records

AT_US = 1_767_225_600_250_000


def record(topic: Topic, value: bytes, key: str = "A-1", offset: int = 7) -> Record:
    return Record(topic.name, 2, offset, key, value)


def carried() -> list[tuple[Topic, str]]:
    return [(topic, name) for topic in TOPICS for name in samples() if name.startswith(f"{topic.name}.")]


async def tailed(*records: Record) -> AsyncGenerator[Tailed, None]:
    for each in records:
        yield Tailed(each, AT_US)


@pytest.mark.parametrize(("topic", "name"), carried(), ids=lambda each: each if isinstance(each, str) else each.name)
def test_each_message_is_shown_with_its_place_and_all_of_its_fields(topic: Topic, name: str) -> None:
    value = encode(samples()[name])
    described = describe(topic, record(topic, value), AT_US)
    whole = json.loads(json_line(described))
    assert whole["body"] == json.loads(value) or set(json.loads(value)) <= set(whole["body"])
    assert (whole["at"], whole["partition"], whole["offset"]) == ("2026-01-01T00:00:00.250Z", 2, 7)
    first, *fields = text_lines(described)
    assert first == f"2026-01-01T00:00:00.250Z  {topic.name} 2/7  A-1  {json.loads(value)['type']}"
    assert len({line[:4] for line in fields}) == 1
    names = [line.split()[0] for line in fields]
    assert names == [name for name, found in whole["body"].items() if name != "type" and found is not None]


@pytest.mark.parametrize(
    "value", [b"{oops", b"\xff\xfe", b'{"type":"newer","v":2}', b'{"type":"book_delta","v":99}', b""]
)
def test_a_record_that_is_no_message_is_shown_with_the_reason(value: bytes) -> None:
    described = describe(ORDERBOOK, record(ORDERBOOK, value), AT_US)
    assert described.problem and described.body is None
    assert json.loads(json_line(described))["problem"] == described.problem
    lines = text_lines(described)
    assert "NO MESSAGE" in lines[0]
    assert described.problem in lines[1]


def test_a_record_does_not_control_the_terminal() -> None:
    described = describe(ORDERBOOK, record(ORDERBOOK, b"\x1b[2J\n\x07", key="\x1b]0;x"), AT_US)
    for line in (*text_lines(described), json_line(described)):
        assert line.isprintable()


async def test_one_market_is_found_by_key_or_message(capsys: pytest.CaptureFixture[str]) -> None:
    letter = encode(samples()["dead_letters.dead_letter"])
    ticker = json.loads(letter)["ticker"]
    records = tailed(
        record(DEAD_LETTERS, letter, key="orderbook", offset=1), record(DEAD_LETTERS, b"oops", key=ticker, offset=2),
        record(DEAD_LETTERS, b"oops", key="OTHER", offset=3),
    )  # fmt: skip
    await print_records(DEAD_LETTERS, records, ticker=ticker, as_json=True, raw=False)
    assert [json.loads(line)["offset"] for line in capsys.readouterr().out.splitlines()] == [1, 2]


async def test_a_raw_value_is_printed_byte_for_byte(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    records = tailed(record(ORDERBOOK, b"\xff\x00"), record(ORDERBOOK, b"{oops"))
    await print_records(ORDERBOOK, records, ticker=None, as_json=False, raw=True)
    assert capsysbinary.readouterr().out == b"\xff\x00\n{oops\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("tail", "nothing"), "unknown topic"),
        (("tail", "orders", "--json", "--raw"), "--json and --raw"),
        (("tail", "orders", "--last", "3", "--from", "beginning"), "--last and --from"),
        (("--json", "tail", "orders"), "leave them out"),
    ],
)
def test_arguments_without_a_meaning_are_refused(arguments: tuple[str, ...], problem: str) -> None:
    done = CliRunner().invoke(app, ["topics", *arguments])
    assert isinstance(done.exception, UsageError)
    assert problem in str(done.exception)
