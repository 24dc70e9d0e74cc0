"""Topic ``dead_letters``: records that could not be decoded or handled, with the reason."""

from __future__ import annotations

from truebook.messages.envelope import Message
from truebook.messages.reasons import Reason


class DeadLetter(Message, frozen=True, kw_only=True, tag="dead_letter"):
    """One record or frame that a service could not use. ``payload`` is the raw text (with replacement characters
    where it is not UTF-8), cut to 64 KiB."""

    origin: str
    """The topic, socket or path of the record."""
    service: str
    reason: Reason
    detail: str
    payload: str
