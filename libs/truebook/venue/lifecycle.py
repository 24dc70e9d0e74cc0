"""The life cycle of a market: which states may follow which, and where orders are taken.

initialized -> active <-> inactive -> closed -> determined -> (disputed -> amended ->) finalized. After the close every
operation on an order is refused, cancels too. A reader may miss states in between (the exchange does not announce the
close), so ``may_become`` follows the arrows any number of times; only the way back is refused.
"""

from __future__ import annotations

from typing import Final

from truebook.messages.facts import MarketStatus

_NEXT: Final[dict[MarketStatus, tuple[MarketStatus, ...]]] = {
    MarketStatus.INITIALIZED: (MarketStatus.ACTIVE,),
    MarketStatus.ACTIVE: (MarketStatus.INACTIVE, MarketStatus.CLOSED),
    MarketStatus.INACTIVE: (MarketStatus.ACTIVE, MarketStatus.CLOSED),
    MarketStatus.CLOSED: (MarketStatus.DETERMINED,),
    MarketStatus.DETERMINED: (MarketStatus.DISPUTED, MarketStatus.FINALIZED),
    MarketStatus.DISPUTED: (MarketStatus.AMENDED,),
    MarketStatus.AMENDED: (MarketStatus.FINALIZED,),
    MarketStatus.FINALIZED: (),
}


def _reachable(start: MarketStatus) -> frozenset[MarketStatus]:
    reached: list[MarketStatus] = []
    waiting = list(_NEXT[start])
    while waiting:
        status = waiting.pop()
        if status not in reached:
            reached.append(status)
            waiting.extend(_NEXT[status])
    return frozenset(reached) - {start}


_LATER: Final = {status: _reachable(status) for status in MarketStatus}


def may_become(old: MarketStatus, new: MarketStatus) -> bool:
    """Tell whether a market in state ``old`` can be seen in state ``new`` next; a state does not follow itself."""
    return new in _LATER[old]


def takes_orders(status: MarketStatus) -> bool:
    """Tell whether the exchange accepts orders (and cancels) in this state."""
    return status is MarketStatus.ACTIVE
