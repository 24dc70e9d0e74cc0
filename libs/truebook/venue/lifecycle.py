"""The life cycle of a market: valid transitions, and the state in which orders are accepted.

initialized -> active <-> inactive -> closed -> determined -> (disputed -> amended ->) finalized. After the close every
order operation is rejected, cancels included. A reader may miss states (the exchange does not announce the close), so
``may_become`` follows any number of arrows; only the way back is invalid. A close can be taken back (``may_reopen``),
but not by an ``activated`` frame alone, which may be older than the close.
"""

from __future__ import annotations

from typing import Final

from truebook.messages.market_metadata import MarketStatus

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
    """Return whether state ``new`` can follow ``old``; a state does not follow itself."""
    return new in _LATER[old]


def may_reopen(old: MarketStatus, new: MarketStatus) -> bool:
    """Return whether ``new`` takes a close back, once the market's current state confirms it."""
    return old is MarketStatus.CLOSED and new in (MarketStatus.ACTIVE, MarketStatus.INACTIVE)


def takes_orders(status: MarketStatus) -> bool:
    """Return whether the exchange accepts orders (and cancels) in this state."""
    return status is MarketStatus.ACTIVE
