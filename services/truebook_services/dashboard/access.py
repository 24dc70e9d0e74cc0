"""The page's token, and the file that states where the page is served: both readable by their owner only.

The token is kept over restarts, so that a page that was left open connects again without it.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

import msgspec

from truebook.decoding import UNREADABLE
from truebook.files import write_atomically
from truebook.runtime.settings import SettingsError, read_secret

TOKEN: Final = "dashboard-token"
ADDRESS: Final = "dashboard.json"
MIN_TOKEN_LENGTH: Final = 24
"""Characters: no one guesses as many, at the permitted rate of attempts."""


class Address(msgspec.Struct, frozen=True):
    """Where the page is served. Without the token, which has a file of its own."""

    url: str
    pid: int


def page_token(file: Path | None, folder: Path) -> tuple[str, Path]:
    """Return the token and the file that holds it, creating one in ``folder`` where none is named.

    Raises ``SettingsError`` where the named file can't be read, is empty or has a token that can be guessed.
    """
    path = file or folder / TOKEN
    if file is None and not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, secrets.token_urlsafe(32).encode(), concurrent=True)
    token = read_secret(path)
    if len(token) < MIN_TOKEN_LENGTH:
        raise SettingsError([f"{path}: the token has fewer than {MIN_TOKEN_LENGTH} characters: write a random one"])
    return token, path


def write_address(folder: Path, address: Address) -> Path:
    """Write the file atomically."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / ADDRESS
    write_atomically(path, msgspec.json.encode(address), concurrent=True)
    return path


def read_address(folder: Path) -> Address | None:
    """Read the file; None where it is missing or can't be decoded."""
    try:
        return msgspec.json.decode((folder / ADDRESS).read_bytes(), type=Address)
    except (OSError, *UNREADABLE):
        return None


def remove_address(folder: Path, address: Address) -> None:
    """Remove the file, unless a later process has already written its own."""
    if read_address(folder) == address:
        (folder / ADDRESS).unlink(missing_ok=True)


def link(url: str, token: str) -> str:
    """Return the link that opens the page: a browser never sends the part behind ``#``."""
    return f"{url}/#token={token}"


def where(url: str, token_file: Path, *, is_terminal: bool) -> str:
    """Return where the page is. The token is shown in a terminal only: elsewhere it would be kept in a log."""
    if is_terminal:
        return f"dashboard at {link(url, token_file.read_text().strip())}"
    return f"dashboard at {url}; its token is in {token_file}"
