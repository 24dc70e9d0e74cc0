"""Whose messages these are: what every message of one running system has in common."""

from __future__ import annotations

import msgspec

from truebook.messages.envelope import Source


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The account, the strategy and the source of the market data, as in the envelope of each message."""

    account: str
    strategy: str
    source: Source
