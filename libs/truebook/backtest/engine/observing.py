"""Observations of one account from a ledger in memory: the same for a backtest and for a paper account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from truebook.features.layout import FeatureError, Layout
from truebook.ledger.rules.ledger import Ledger
from truebook.messages.identity import Identity
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.observation.builder import ObservationBuilder
from truebook.observation.markets import ObservedMarket
from truebook.observation.portfolio import Positions
from truebook.observation.signals import SignalTable


class Observed(NamedTuple):
    """The observations of due markets, in their order, and why the others have none."""

    made: list[Observation]
    refused: list[Reason]


class AccountObserver:
    """Observes markets with the positions and orders of one ledger."""

    def __init__(self, identity: Identity, layout: Layout, ledger: Ledger) -> None:
        self.ledger = ledger
        self._builder = ObservationBuilder(identity, layout, SignalTable(1))
        self.positions = Positions()
        self._read_seq = -1
        """Of the ledger, when all positions were read last."""

    def read_positions(self) -> None:
        """Read all positions again."""
        if self._read_seq != self.ledger.seq:
            self._read_seq = self.ledger.seq
            held = [ticker for ticker, market in self.ledger.state.markets.items() if market.position_centi]
            self.positions.replace(self.ledger.view(held))

    def observe(self, due: Sequence[ObservedMarket], markets: Mapping[str, ObservedMarket], now_us: int) -> Observed:
        """Observe the due markets; ``markets`` are all followed ones, whose books value the positions."""
        view = self.ledger.view([market.ticker for market in due])
        if not view.account.opened:
            return Observed([], [Reason.NO_LEDGER] * len(due))
        self.positions.update(view)
        portfolio = self.positions.value(view.account, markets)
        views = {market.ticker: market for market in view.markets}
        observed = Observed([], [])
        for market in due:
            try:
                made = self._builder.build(market, views.get(market.ticker), portfolio, now_us=now_us, frame_us=0)
            except FeatureError as error:
                observed.refused.append(error.reason)
            else:
                observed.made.append(made)
        return observed
