"""Dead letters: unusable records are counted, logged and published, never dropped silently."""

from __future__ import annotations

from truebook.messages import codec
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.ids import digest
from truebook.messages.reasons import Reason
from truebook.messages.topics import DEAD_LETTERS
from truebook.runtime.context import Context

MAX_PAYLOAD = 65_536


async def publish_dead_letter(
    context: Context, *, origin: str, key: str, payload: bytes | str, reason: Reason, detail: str
) -> None:
    """Publish one dead letter, then count and log it.

    A dead letter that can't be decoded is only counted and logged: publishing it would cause the next one, for ever.
    """
    letter = dead_letter(context, origin=origin, key=key, payload=payload, reason=reason, detail=detail)
    if origin != DEAD_LETTERS.name:
        await context.bus.publish(DEAD_LETTERS, origin, codec.encode(letter))
    count_dead_letter(context, letter)


def dead_letter(
    context: Context, *, origin: str, key: str, payload: bytes | str, reason: Reason, detail: str
) -> DeadLetter:
    """Make a dead letter. Its id is the payload's digest, so that a repeat has the same id."""
    text = payload if isinstance(payload, str) else payload.decode("utf-8", "replace")
    return DeadLetter(
        id=digest(origin, key, text), cause_id="", account=context.account, strategy=context.strategy, ticker=key,
        source=context.source, exchange_us=None, produced_us=context.clock.now_us(), origin=origin,
        service=context.service, reason=reason, detail=detail, payload=text[:MAX_PAYLOAD],
    )  # fmt: skip


def count_dead_letter(context: Context, letter: DeadLetter) -> None:
    """Count and log a dead letter."""
    context.metrics.count("dead_letters", origin=letter.origin, reason=str(letter.reason))
    context.log.warning(
        "dead letter", origin=letter.origin, key=letter.ticker, reason=str(letter.reason), detail=letter.detail
    )
