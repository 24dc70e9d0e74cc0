"""Topic ``dead_letters``: what could not be decoded or handled, whole, with the reason."""

from __future__ import annotations

from truebook.messages.envelope import Message
from truebook.messages.reasons import Reason


class DeadLetter(Message, frozen=True, kw_only=True, tag="dead_letter"):
    """One record or frame that a service put aside. ``payload`` is the raw text (replacement characters where it is
    not UTF-8), cut to 64 KiB."""

    origin: str
    """Topic, socket or path that it came from."""
    service: str
    reason: Reason
    detail: str
    payload: str
