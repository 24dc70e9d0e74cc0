"""The receivers' file: what is accepted, and errors that name the receiver and never its address."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from truebook.runtime.settings import SettingsError
from truebook_services.alerts.apprise_sender import AppriseSender, outcome_of
from truebook_services.alerts.receivers import check_receivers, read_receivers

SECRET = "s3cretSECRETs3cretSECRET"


def write(folder: Path, *lines: str) -> Path:
    file = folder / "receivers.txt"
    file.write_text("\n".join(lines))
    return file


def test_names_numbers_comments_and_schemes(tmp_path: Path) -> None:
    file = write(tmp_path, "# mine", "", "phone  ntfy://topic", "  mailto://a:b@example.org  ", "SLACK slack://x")
    assert [str(receiver) for receiver in read_receivers(file)] == [
        "phone (ntfy)",
        "receiver-2 (mailto)",
        "SLACK (slack)",
    ]
    assert read_receivers(None) == ()
    assert read_receivers(write(tmp_path)) == ()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([f"phone {SECRET}"], ":1: expected an address"),
        (["", f"a b ntfy://{SECRET}"], ":2: expected an address"),
        (["x" * 33 + f" ntfy://{SECRET}"], ":1: expected an address"),
        ([f"a ntfy://{SECRET}", "a ntfy://b"], ":2: the name a is used twice"),
    ],
)
def test_a_bad_line_is_named_by_its_number_only(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)) as raised:
        read_receivers(write(tmp_path, *lines))
    assert SECRET not in str(raised.value)


def test_a_missing_or_binary_file_is_refused_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none.txt .*RECEIVERS_FILE.*can't be read: No such file"):
        read_receivers(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="is not text in UTF-8"):
        read_receivers(tmp_path / "binary")


def test_a_receiver_does_not_show_its_address(tmp_path: Path) -> None:
    [receiver] = read_receivers(write(tmp_path, f"phone ntfy://user:{SECRET}@host/topic"))
    assert SECRET not in f"{receiver!r} {receiver}"


@pytest.fixture
def root_lines() -> Iterator[list[str]]:
    lines: list[str] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Collecting(logging.WARNING)
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


USABLE = [
    "tgram://123456789:AAEabcdefghijklmnopqrstuvwxyz1234567/123456789",
    "discord://123456789012345678/abcdefghijklmnopqrstuvwxyz",
    "https://discord.com/api/webhooks/123456789012345678/abcdefghijklmnopqrstuvwxyz",
    "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    "mailtos://user:password@example.org?smtp=mail.example.org&to=me@example.org",
    "ntfy://topic",
    "ntfys://user:password@ntfy.example.org/topic",
    "json://127.0.0.1:8080/path",
    "jsons://user:password@example.org/path",
]
"""The forms in docs/alerts.md."""
UNUSABLE = [
    f"nosuch://{SECRET}", f"tgram://{SECRET}", f"discord://{SECRET}", f"slack://{SECRET}", f"mailto://{SECRET}",
    f"http://example.org/{SECRET}", f"json://:{SECRET}@",
]  # fmt: skip


@pytest.mark.parametrize("address", USABLE)
def test_an_address_of_the_documentation_is_accepted(tmp_path: Path, address: str) -> None:
    file = write(tmp_path, address)
    check_receivers(read_receivers(file), AppriseSender(), file)


def test_a_wrong_address_is_refused_without_showing_it(
    tmp_path: Path, root_lines: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, "good ntfy://topic", *UNUSABLE)
    with pytest.raises(SettingsError) as raised:
        check_receivers(read_receivers(file), AppriseSender(), file)
    message = str(raised.value)
    assert message.count("\n") == len(UNUSABLE), message
    assert "receiver receiver-2 (nosuch): there is no such kind of receiver" in message
    assert "receiver receiver-3 (tgram): its address is not complete or not valid for tgram" in message
    shown = f"{message}{root_lines}{''.join(capfd.readouterr())}"
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("Failed to send JSON POST notification: Page not found., error=404.", "refused: HTTP 404"),
        ("A Connection error occurred sending JSON notification to example.org.",
         "unreachable: no connection, or it ended early"),
        ("something with a token", "failed: the receiver did not accept the message"),
    ],
)  # fmt: skip
def test_a_failure_is_named_without_the_words_of_the_library(line: str, outcome: str) -> None:
    assert str(outcome_of([line])) == outcome


def test_apprise_is_loaded_by_its_first_use_only() -> None:
    code = "import sys, truebook_services.alerts.service; print('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
