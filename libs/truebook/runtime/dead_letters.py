"""Putting aside what can't be used: counted, logged, published whole, never dropped silently."""

from __future__ import annotations

from truebook.messages import codec
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.ids import digest
from truebook.messages.reasons import Reason
from truebook.messages.topics import DEAD_LETTERS
from truebook.runtime.context import Context

MOST_PAYLOAD = 65_536


async def publish_dead_letter(
    context: Context, *, origin: str, key: str, payload: bytes | str, reason: Reason, detail: str
) -> None:
    """Publish one dead letter to ``dead_letters``; its id is the payload's digest, so that a repeat is the same.

    A dead letter that can't be decoded is counted and logged only: it would otherwise cause the next one, for ever.
    """
    text = payload if isinstance(payload, str) else payload.decode("utf-8", "replace")
    letter = DeadLetter(
        id=digest(origin, key, text), cause_id="", account=context.account, strategy=context.strategy, ticker=key,
        source=context.source, exchange_us=None, produced_us=context.clock.now_us(), origin=origin,
        service=context.service, reason=reason, detail=detail, payload=text[:MOST_PAYLOAD],
    )  # fmt: skip
    context.metrics.count("dead_letters", origin=origin, reason=str(reason))
    context.log.warning("dead letter", origin=origin, key=key, reason=str(reason), detail=detail)
    if origin != DEAD_LETTERS.name:
        await context.bus.publish(DEAD_LETTERS, origin, codec.encode(letter))
