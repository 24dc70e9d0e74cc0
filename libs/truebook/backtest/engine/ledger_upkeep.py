"""What the services do to the ledger beside trading: it is opened at their start, and ended work is pruned."""

from __future__ import annotations

from collections.abc import Callable

from truebook.backtest.engine.traded import OpeningRules
from truebook.ledger.exchange_reports import OPENED, RECONCILED, SWEPT
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.trading_holds import RECONCILIATION
from truebook.ledger.verbs import AdvanceWatermark, Limits, NextNumber, OpenAccount, Prune, RaiseEpoch


def open_ledger(ledger: Ledger, settings: OpeningRules, now_us: int) -> None:
    """Open the account by the verbs of the services' start."""
    ledger.apply(RECONCILIATION.place())
    if settings.limits != Limits():
        ledger.apply(settings.limits)
    ledger.apply(NextNumber(name="ingest-epoch"))
    ledger.apply(NextNumber(name="actions-epoch"))
    ledger.apply(RaiseEpoch(partition=0, epoch=1))
    ledger.apply(AdvanceWatermark(name=OPENED, to_us=now_us))
    ledger.apply(AdvanceWatermark(name=SWEPT, to_us=now_us))
    ledger.apply(OpenAccount(balance_micros=settings.balance_micros, exchange="backtest"))
    ledger.apply(RECONCILIATION.release())
    ledger.apply(AdvanceWatermark(name=RECONCILED, to_us=now_us))


class Pruning:
    """Prunes up to the mark of the run before, as the reconciler does; ``before`` is called first."""

    def __init__(self, ledger: Ledger, retention_us: int, before: Callable[[], None]) -> None:
        self._ledger = ledger
        self._retention_us = retention_us
        self._before = before
        self._mark: tuple[int, int] | None = None

    def run(self, now_us: int) -> None:
        mark, self._mark = self._mark, (now_us, self._ledger.state.clock_us)
        if mark is None:
            return
        before_us = min(mark[1], now_us - self._retention_us)
        if before_us > 0:
            self._before()
        verb = Prune(terminal_before_us=before_us, settled_before_us=before_us)
        while before_us > 0 and self._ledger.apply(verb):
            pass
