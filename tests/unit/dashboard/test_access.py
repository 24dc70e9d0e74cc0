from __future__ import annotations

from pathlib import Path

import pytest

from truebook.runtime.settings import SettingsError
from truebook_services.dashboard.access import (
    Address,
    link,
    page_token,
    read_address,
    remove_address,
    where,
    write_address,
)


def test_token_is_created_once_for_its_owner_only(tmp_path: Path) -> None:
    token, file = page_token(None, tmp_path / "state")
    assert page_token(None, tmp_path / "state") == (token, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(token) > 40


def test_named_token_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a-token-that-is-long-enough\n")
    assert page_token(file, tmp_path) == ("a-token-that-is-long-enough", file)


@pytest.mark.parametrize("content", ["", "short", None])
def test_unusable_token_file_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match="secret"):
        page_token(file, tmp_path)


def test_address_of_a_later_process_is_kept(tmp_path: Path) -> None:
    first, second = Address("http://127.0.0.1:1", 1), Address("http://127.0.0.1:2", 2)
    write_address(tmp_path, first)
    write_address(tmp_path, second)
    remove_address(tmp_path, first)
    assert read_address(tmp_path) == second
    remove_address(tmp_path, second)
    assert read_address(tmp_path) is None


def test_token_is_behind_the_hash_of_the_link() -> None:
    assert link("http://127.0.0.1:8650", "abc") == "http://127.0.0.1:8650/#token=abc"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_token_is_shown_in_a_terminal_only(tmp_path: Path, *, is_terminal: bool) -> None:
    file = tmp_path / "token"
    file.write_text("abc-secret\n")
    text = where("http://127.0.0.1:8650", file, is_terminal=is_terminal)
    assert ("abc-secret" in text, str(file) in text) == (is_terminal, not is_terminal)
