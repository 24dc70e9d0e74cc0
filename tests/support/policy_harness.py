"""The policy on the in-process bus: observations in, actions out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.observations import observation
from support.services import RunningServices, TopicReader, make_context, until
from truebook.clock import SystemClock
from truebook.features.layout import layout
from truebook.messages.actions import Action
from truebook.messages.codec import encode
from truebook.messages.observations import Observation
from truebook.messages.topics import ACTIONS, OBSERVATIONS
from truebook.models.registry import ModelRegistry
from truebook_services.policy.active_model import ActiveModel
from truebook_services.policy.service import build
from truebook_services.policy.settings import PolicySettings

M1 = layout("m1")
FAST = PolicySettings(registry_poll_s=0.01)


def row(ticker: str, confirmed_us: int, number: int = 0) -> Observation:
    return observation(
        id=f"{ticker}-{number}", ticker=ticker, layout="m1", layout_hash=M1.hash,
        features=tuple(0.5 for _ in M1.names), confirmed_us=confirmed_us, close_us=2**53,
    )  # fmt: skip


class PolicyHarness:
    """The policy, its registry in a folder, and a reader of its actions."""

    def __init__(
        self, folder: Path, settings: PolicySettings = FAST, clock: Any = None, *, is_replay: bool = False
    ) -> None:  # fmt: skip
        self.context = make_context("policy", clock=clock or SystemClock())
        self.registry = ModelRegistry(folder)
        self.settings = settings
        self.is_replay = is_replay
        self.reader = TopicReader(self.context.bus, ACTIONS)

    async def __aenter__(self) -> PolicyHarness:
        await self.reader.join()
        self.active = ActiveModel(self.context, self.settings, self.registry, is_replay=self.is_replay)
        self.service = build(self.context, self.settings, registry=self.registry, active=self.active)
        self._running = RunningServices(self.service)
        await self._running.__aenter__()
        await until(lambda: not self.service.not_ready(), "policy is ready")
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._running.__aexit__(*raised)

    async def publish(self, *rows: Observation) -> None:
        await self.context.bus.publish_many(OBSERVATIONS, [(each.ticker, encode(each)) for each in rows])

    async def actions(self, count: int) -> list[Action]:
        await self.reader.until(lambda: len(self.reader.of(Action)) >= count, f"{count} actions")
        return self.reader.of(Action)
