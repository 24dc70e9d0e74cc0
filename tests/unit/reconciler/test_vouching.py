"""An execution that starts may rely on a reconciler that vouches for the ledger, and on nothing older."""

from __future__ import annotations

from truebook.clock import ManualClock
from truebook.ledger.lease import MemoryLeases
from truebook_services.reconciler.vouching import Voucher

NAME = "reconciled"
LASTS_S = 5.0


class Reconciliation:
    """How far a reconciler is."""

    done = False

    def __call__(self) -> bool:
        return self.done


async def is_held(leases: MemoryLeases) -> bool:
    other = leases.lease(NAME, "other", LASTS_S)
    taken = await other.take()
    await other.release()
    return not taken


async def test_nobody_vouches_before_the_first_reconciliation_and_after_a_doubt() -> None:
    leases, reconciliation = MemoryLeases(ManualClock()), Reconciliation()
    voucher = Voucher(leases.lease(NAME, "reconciler", LASTS_S), reconciliation)
    held = []
    for reconciliation.done in (False, True, False, True):
        await voucher.run()
        held.append(await is_held(leases))
    assert held == [False, True, False, True]


async def test_a_reconciler_that_died_vouches_no_longer() -> None:
    clock, reconciliation = ManualClock(), Reconciliation()
    reconciliation.done = True
    leases = MemoryLeases(clock)
    await Voucher(leases.lease(NAME, "reconciler", LASTS_S), reconciliation).run()
    await clock.advance(LASTS_S)
    assert not await is_held(leases)
