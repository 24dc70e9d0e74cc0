"""The lines of a journal file: an entry as JSON, with a digest that covers it and, through the line before, all others.

    {"seq":2,"incarnation":"…","verb":"reserve","arguments":{…},"result":"reserved","digest":"…"}

The digest is blake2b (128 bit, hexadecimal) over the digest of the line before (nothing before the first) and this
line without its own digest.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from truebook.ledger.port import JournalEntry

_HEX: Final = 32
_MARK: Final = b',"digest":"'
_TAIL: Final = len(_MARK) + _HEX + len(b'"}\n')
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(JournalEntry)


class LineError(ValueError):
    """A line does not read as it was written."""


def write_line(entry: JournalEntry, before: str) -> tuple[bytes, str]:
    """Write one entry as a line, and answer its digest; ``before`` is the digest of the line before."""
    body = _encoder.encode(entry)
    digest = _digest(body, before)
    return body[:-1] + _MARK + digest.encode() + b'"}\n', digest


def read_line(line: bytes, before: str | None) -> tuple[JournalEntry, str]:
    """Read a line and check its digest; ``before`` null: the line before is not known, so that can't be checked."""
    digest = _digest_of(line)
    body = line[:-_TAIL] + b"}"
    if before is not None and digest != _digest(body, before):
        raise LineError("the digest does not fit the line and the one before")
    try:
        return _decoder.decode(body), digest
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LineError(str(error)) from error


def _digest_of(line: bytes) -> str:
    mark = line[-_TAIL : -_TAIL + len(_MARK)]
    digest = line[-_TAIL + len(_MARK) : -3]
    if mark != _MARK or line[-3:] != b'"}\n' or not digest.isalnum():
        raise LineError("no digest at its end")
    return digest.decode("ascii")


def _digest(body: bytes, before: str) -> str:
    return hashlib.blake2b(before.encode() + body, digest_size=_HEX // 2).hexdigest()
