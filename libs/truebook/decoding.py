"""Errors of decoding JSON, which msgspec raises as different classes."""

from __future__ import annotations

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What bytes that are not the expected JSON raise: a string that is not UTF-8 and a deep nesting are no DecodeError."""
