"""The contract of every lease: subclass ``LeaseContract`` and provide the fixture ``leases``."""

from __future__ import annotations

from typing import Protocol

import pytest

from truebook.ledger.lease import Lease

LASTS_S = 0.4


class Leases(Protocol):
    """One implementation under test."""

    def lease(self, owner: str) -> Lease:
        """Return that owner's access to the one lease of this test, which lasts ``LASTS_S``."""
        ...

    async def pass_time(self, seconds: float) -> None: ...


class LeaseContract:
    @pytest.fixture
    def leases(self) -> Leases:
        raise NotImplementedError

    async def test_only_the_first_owner_gets_the_lease(self, leases: Leases) -> None:
        assert await leases.lease("a").take()
        assert not await leases.lease("b").take()

    async def test_its_owner_renews_it(self, leases: Leases) -> None:
        for _ in range(4):
            assert await leases.lease("a").take()
            await leases.pass_time(LASTS_S * 0.6)
        assert not await leases.lease("b").take()

    async def test_it_expires_when_it_is_not_renewed(self, leases: Leases) -> None:
        await leases.lease("a").take()
        await leases.pass_time(LASTS_S * 1.3)
        assert await leases.lease("b").take()
        assert not await leases.lease("a").take()

    async def test_its_owner_may_release_it(self, leases: Leases) -> None:
        await leases.lease("a").take()
        await leases.lease("a").release()
        assert await leases.lease("b").take()

    async def test_only_the_owner_can_release_it(self, leases: Leases) -> None:
        await leases.lease("a").take()
        await leases.lease("b").release()
        assert not await leases.lease("b").take()
