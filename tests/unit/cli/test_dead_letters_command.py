"""Which dead letters can go back to where they came from."""

from __future__ import annotations

import msgspec
import pytest

from support.samples import samples
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.topics import ORDERBOOK
from truebook.runtime.dead_letters import MAX_PAYLOAD
from truebook_services.cli.dead_letters import _print, _row, topic_of
from truebook_services.cli.errors import UsageError


def letter(**changes: str) -> DeadLetter:
    found = samples()["dead_letters.dead_letter"]
    assert isinstance(found, DeadLetter)
    return msgspec.structs.replace(found, **changes)


def test_a_letter_of_a_topic_goes_back_to_it() -> None:
    assert topic_of(letter(origin="orderbook")) is ORDERBOOK


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"origin": "market data"}, "not from a topic"),
        ({"payload": "x" * MAX_PAYLOAD}, "only a part of the payload"),
        ({"payload": "\ufffd"}, "no readable text"),
    ],
)
def test_a_letter_that_cannot_be_sent_as_it_was_is_refused(changes: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        topic_of(letter(**changes))


@pytest.mark.parametrize("payload", ["oops [/quote]", "[true,false]", "[bold]"])
def test_a_payload_is_printed_as_it_is(
    payload: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Square brackets are markup for rich, and a payload that could not be decoded may contain any text."""
    monkeypatch.setenv("COLUMNS", "200")
    _print([_row(letter(payload=payload), 1)])
    assert payload in capsys.readouterr().out
