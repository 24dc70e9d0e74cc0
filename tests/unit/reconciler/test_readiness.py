"""The reconciler's lease: an execution that starts relies on it, and on nothing older."""

from __future__ import annotations

from truebook.clock import ManualClock
from truebook.ledger.lease import MemoryLeases
from truebook_services.reconciler.startup import Readiness

NAME = "reconciled"
LASTS_S = 5.0


class Reconciliation:
    """Whether ledger and exchange are reconciled."""

    done = False

    def __call__(self) -> bool:
        return self.done


async def is_held(leases: MemoryLeases) -> bool:
    other = leases.lease(NAME, "other", LASTS_S)
    taken = await other.take()
    await other.release()
    return not taken


async def test_the_lease_is_held_only_while_reconciled() -> None:
    leases, reconciliation = MemoryLeases(ManualClock()), Reconciliation()
    readiness = Readiness(leases.lease(NAME, "reconciler", LASTS_S), reconciliation)
    held = []
    for reconciliation.done in (False, True, False, True):
        await readiness.run()
        held.append(await is_held(leases))
    assert held == [False, True, False, True]


async def test_the_lease_of_an_ended_reconciler_expires() -> None:
    clock, reconciliation = ManualClock(), Reconciliation()
    reconciliation.done = True
    leases = MemoryLeases(clock)
    await Readiness(leases.lease(NAME, "reconciler", LASTS_S), reconciliation).run()
    await clock.advance(LASTS_S)
    assert not await is_held(leases)
