"""Which decisions are published one by one on the topic ``actions``; all others are counted.

A decision that changes nothing gives execution nothing to do, but for one case: it supersedes an older action of its
market that waits. So the first one after any other action is published, and the next ones are not. The first one of
each market is published too, and the first after a change of the model, which shows who decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from truebook.decision.decide import Decision
from truebook.messages.actions import Action, OmittedSides
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason

MAX_MARKETS: Final = 10_000
"""Markets whose newest published decision is kept; of a dropped one the next decision is published again."""

Decided = tuple[Observation, Decision]


class Decider(NamedTuple):
    """Who decided: a model, or none in its place."""

    model: str
    sha256: str
    is_stopped: bool


class Publication(NamedTuple):
    """The decisions of one batch, with what ``PublishedDecisions.confirm`` needs."""

    published: Sequence[Decided]
    counted: Sequence[Decided]
    model: str
    sha256: str
    epoch: int


class PublishedDecisions:
    """The markets whose newest published decision changes nothing, each with its decider."""

    def __init__(self) -> None:
        self._idle: dict[str, Decider] = {}
        self._epoch = 0

    def restart(self) -> None:
        """Publish the next decision of each market: another process may have decided about it meanwhile."""
        self._idle = {}
        self._epoch += 1

    def choose(self, decided: Iterable[Decided], model: str, sha256: str) -> Publication:
        """Choose the decisions of a batch that are published, each of another market.

        Until ``confirm`` their markets count as those with an action, since a publication that fails may have arrived.
        """
        published: list[Decided] = []
        counted: list[Decided] = []
        for observation, decision in decided:
            decider = Decider(model, sha256, decision.reason is Reason.MODEL_STOPPED)
            if is_nothing(decision) and self._idle.get(observation.ticker) == decider:
                counted.append((observation, decision))
            else:
                self._idle.pop(observation.ticker, None)
                published.append((observation, decision))
        return Publication(published, counted, model, sha256, self._epoch)

    def confirm(self, publication: Publication) -> None:
        """Note that the chosen decisions were published; without effect after a restart in between."""
        if publication.epoch != self._epoch:
            return
        for observation, decision in publication.published:
            if is_nothing(decision):
                is_stopped = decision.reason is Reason.MODEL_STOPPED
                self._idle[observation.ticker] = Decider(publication.model, publication.sha256, is_stopped)
                if len(self._idle) > MAX_MARKETS:
                    del self._idle[next(iter(self._idle))]


def is_nothing(decided: Action | Decision) -> bool:
    """Return whether no side is to be changed."""
    return not decided.targets and decided.omitted_sides is OmittedSides.KEEP
