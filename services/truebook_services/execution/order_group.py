"""The account's order group at the exchange: one request cancels all of our orders, whatever this process has recorded.

A group has no name: ours is recognised by its limit, so that restarts reuse it. Orders carry its id only while it is
open. A halt triggers it; after the halt it is reset. An exchange without order groups gets orders without one.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Final

from truebook.clock import MICROS
from truebook.execution.send_errors import GROUP_NOT_FOUND, GROUP_TRIGGERED
from truebook.kalshi.port import ExchangeError, NotFound, Refused, RestClient
from truebook.ledger.exchange_reports import persist
from truebook.ledger.port import LedgerStore
from truebook.ledger.trading_holds import ORDER_GROUP
from truebook.ledger.verbs import Mode
from truebook.pacing.tokens import TokenBucket
from truebook.runtime.context import Context
from truebook.venue.rate_tiers import DEFAULT_COST

REQUEST_WITHIN_S: Final = 2.0
"""Cancels of single orders wait for no longer than this, whatever is requested of the group."""
RETRY_US: Final = 5 * MICROS
ABSENT_STATUSES: Final = frozenset({404, 405, 501})


class GroupState(Enum):
    CLOSED = auto()
    """Not found or created yet, or not reset after a halt."""
    OPEN = auto()
    TRIGGERED = auto()
    ABSENT = auto()
    """The exchange has no order groups, or the settings want none."""


class OrderGroup:
    """Opens, triggers and resets the group. ``limit_centi`` 0: no group."""

    def __init__(
        self, context: Context, rest: RestClient, ledger: LedgerStore, *, tokens: TokenBucket, limit_centi: int
    ) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger
        self._tokens = tokens
        self._limit_centi = limit_centi
        self._state = GroupState.CLOSED if limit_centi else GroupState.ABSENT
        self._group_id = ""
        self._retry_at_us = 0

    @property
    def id_for_orders(self) -> str | None:
        """The group of a new order; None while it is not open."""
        return self._group_id if self._state is GroupState.OPEN else None

    async def follow(self, mode: Mode) -> bool:
        """Trigger the group under a halt, open it otherwise; return whether a halt has just cancelled its orders."""
        if mode is Mode.HALTED and self._state in (GroupState.OPEN, GroupState.CLOSED):
            return await self._trigger()
        if mode is not Mode.HALTED and self._state in (GroupState.CLOSED, GroupState.TRIGGERED):
            await self._open()
        return False

    async def rejected(self, group_id: str | None, error: Refused) -> None:
        """Handle the refusal of an order of that group."""
        if self._state is not GroupState.OPEN or group_id != self._group_id:
            return  # sent before a halt triggered it
        if error.code.lower() == GROUP_NOT_FOUND:
            self._context.log.warning("order group not found", group_id=group_id)
            self._state, self._group_id = GroupState.CLOSED, ""
        elif error.code.lower() == GROUP_TRIGGERED:
            self._context.log.error("trading halted: the exchange has triggered our order group", group_id=group_id)
            await persist(self._context.clock, lambda: self._ledger.apply(ORDER_GROUP.place()))

    async def _trigger(self) -> bool:
        """Cancel all orders of the group; a failure is retried by the next call, a search that found none later."""
        now_us = self._context.clock.now_us()
        if not self._group_id and now_us < self._retry_at_us:
            return False
        try:
            async with asyncio.timeout(REQUEST_WITHIN_S):
                if not (self._group_id or await self._find()):
                    self._retry_at_us = now_us + RETRY_US
                    return False
                self._tokens.take(DEFAULT_COST, now_us)
                await self._rest.trigger_order_group(self._group_id)
        except (ExchangeError, TimeoutError) as error:
            self._failed("trigger", error)
            return False
        self._state = GroupState.TRIGGERED
        self._context.log.info("order group triggered", group_id=self._group_id)
        return True

    async def _open(self) -> None:
        """Reset the group, which an earlier instance may have triggered, or create it."""
        now_us = self._context.clock.now_us()
        if now_us < self._retry_at_us or not self._tokens.take(DEFAULT_COST, now_us):
            return
        self._retry_at_us = now_us + RETRY_US
        try:
            async with asyncio.timeout(REQUEST_WITHIN_S):
                if self._group_id or await self._find():
                    await self._rest.reset_order_group(self._group_id)
                else:
                    self._group_id = await self._rest.create_order_group(self._limit_centi)
        except (ExchangeError, TimeoutError) as error:
            self._failed("open", error)
            return
        self._state, self._retry_at_us = GroupState.OPEN, 0

    async def _find(self) -> bool:
        limits = await self._rest.order_groups()
        self._group_id = next((group_id for group_id, limit in limits.items() if limit == self._limit_centi), "")
        return bool(self._group_id)

    def _failed(self, request: str, error: ExchangeError | TimeoutError) -> None:
        if isinstance(error, NotFound) and self._group_id:
            self._state, self._group_id = GroupState.CLOSED, ""
        elif isinstance(error, Refused) and error.status in ABSENT_STATUSES:
            self._state = GroupState.ABSENT
            self._context.log.info("the exchange has no order groups", error=str(error))
            return
        self._context.log.warning("order group request failed", request=request, error=str(error) or "timed out")
