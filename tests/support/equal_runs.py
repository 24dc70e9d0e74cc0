"""Runs a recording in lock-step and as a backtest, and compares everything that both have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import msgspec

from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.settings import Outside
from truebook.backtest.result import BacktestResult
from truebook.backtest.run import Request, run_backtest
from truebook.decision.decide import Decision
from truebook.decision.publication import Decided, Publication, PublishedDecisions, is_nothing
from truebook.features.layout import FeatureError
from truebook.messages.actions import Action
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.models.batch import action_of
from truebook.money import format_micros, format_price, format_size
from truebook.observation.builder import ObservationBuilder
from truebook.runtime.refusals import RefusalCounter
from truebook.runtime.settings import load
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.model_history import read_uses
from truebook_services.embedded.run import HISTORY, run_to_end
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.system import choose_model
from truebook_services.operator.port import Status

VALUES = (
    "deposits_micros", "cash_micros", "reserved_micros", "position_cost_micros", "realized_micros",
    "unrealized_micros", "fees_micros", "equity_micros", "unvalued_markets",
)  # fmt: skip
MACHINE = {"cause_id": "", "exchange_us": None, "frame_us": 0}
"""What observations carry about messages and this machine; a backtest has neither."""
OF_MACHINE = {"exchange_us": None, "frame_us": 0}
"""The same of actions."""


class Silent:
    """A view that shows nothing."""

    every_s = 1e6

    def show(self, status: Status, events: list[str]) -> None: ...
    def report(self, text: str) -> None: ...


class DecidedBy(NamedTuple):
    """One decision, whether it is published or counted."""

    observation_id: str
    model: str
    sha256: str
    decision: Decision


class Both(msgspec.Struct):
    """What the two runs left."""

    history: list[dict[str, Any]]
    summary: Status
    result: BacktestResult
    observed: list[Observation]
    """In lock-step."""
    observed_by_engine: list[Observation]
    decided: list[DecidedBy]
    """In lock-step."""
    decided_by_engine: list[DecidedBy]
    actions: list[Action]
    """Those that change something; in lock-step."""
    actions_of_engine: list[Action]
    refused: Counter[str]
    """In lock-step: refused observations, decisions and targets, by reason."""

    @property
    def fills(self) -> int:
        return len(self.result.passes[0].fills)


@contextmanager
def _observations() -> Iterator[list[Observation]]:
    """Collect every observation that is built meanwhile."""
    found: list[Observation] = []
    build, build_all = ObservationBuilder.build, ObservationBuilder.build_all

    def keep(observation: Observation) -> None:
        found.append(msgspec.structs.replace(observation, **MACHINE))

    def built(self: ObservationBuilder, *args: Any, **kwargs: Any) -> Observation:
        observation = build(self, *args, **kwargs)
        keep(observation)
        return observation

    def built_all(self: ObservationBuilder, *args: Any) -> list[Observation | FeatureError]:
        made = build_all(self, *args)
        for each in made:
            if isinstance(each, Observation):
                keep(each)
        return made

    with (
        mock.patch.object(ObservationBuilder, "build", built),
        mock.patch.object(ObservationBuilder, "build_all", built_all),
    ):
        yield found


@contextmanager
def _decisions() -> Iterator[list[DecidedBy]]:
    """Collect every decision that policy makes meanwhile."""
    found: list[DecidedBy] = []
    choose = PublishedDecisions.choose

    def chosen(self: PublishedDecisions, decided: Sequence[Decided], model: str, sha256: str) -> Publication:
        every = list(decided)
        found.extend(DecidedBy(observation.id, model, sha256, decision) for observation, decision in every)
        return choose(self, every, model, sha256)

    with mock.patch.object(PublishedDecisions, "choose", chosen):
        yield found


@contextmanager
def _decisions_of_engine() -> Iterator[list[DecidedBy]]:
    """Collect every decision that a backtest acts on meanwhile."""
    found: list[DecidedBy] = []
    act = Engine.act

    def acted(self: Engine, current: Sequence[Observation], decisions: Sequence[Decision]) -> None:
        assert not isinstance(self.model, Outside)
        pairs = zip(current, decisions, strict=True)
        found.extend(DecidedBy(observation.id, *self.model.identity, decision) for observation, decision in pairs)
        act(self, current, decisions)

    with mock.patch.object(Engine, "act", acted):
        yield found


@contextmanager
def _actions(where: str) -> Iterator[list[Action]]:
    """Collect every action with a change that this module makes meanwhile."""
    found: list[Action] = []

    def made(*args: Any, **kwargs: Any) -> Action:
        action = action_of(*args, **kwargs)
        if not is_nothing(action):
            found.append(msgspec.structs.replace(action, **OF_MACHINE))
        return action

    with mock.patch(f"{where}.action_of", made):
        yield found


@contextmanager
def _refusals() -> Iterator[Counter[str]]:
    """Count what the services refuse before execution."""
    found: Counter[str] = Counter()
    count = RefusalCounter.count

    def counted(self: RefusalCounter, ticker: str, reason: Reason, amount: int = 1) -> None:
        found[reason] += amount
        count(self, ticker, reason, amount)

    with mock.patch.object(RefusalCounter, "count", counted):
        yield found


def both(path: Path, model: str, **changed: Any) -> Both:
    """Run in lock-step in the current folder, then the backtest."""
    settings = load(EmbeddedSettings, capture=path, speed="max", model=model, fresh=True, **changed)
    of_policy = _actions("truebook_services.policy.handler")
    with _observations() as observed, _decisions() as decided, of_policy as actions, _refusals() as refused:
        code, summary = run_to_end(settings, Silent())
    refused.update(summary.orders.refused)
    refused.update(each.decision.reason for each in decided if each.decision.reason is not None)
    assert code in (0, 5)
    history = next(settings.state_path.glob(HISTORY)).read_text().splitlines()
    request = Request(
        path=path, settings=engine_settings(settings, path), queues=(settings.paper_exchange.queue,)
    )  # fmt: skip
    uses = None if settings.model_history is None else read_uses(settings, path, settings.model_history)
    of_engine = _actions("truebook.backtest.engine.engine")
    with _observations() as by_engine, _decisions_of_engine() as decided_by_engine, of_engine as actions_of_engine:
        result = run_backtest(request, uses.first if uses else choose_model(settings).load(model), uses=uses)
    return Both(
        [json.loads(line) for line in history], summary, result, observed, by_engine, decided, decided_by_engine,
        actions, actions_of_engine, refused,
    )  # fmt: skip


def lines_of(result: BacktestResult) -> list[dict[str, Any]]:
    """Write the result's orders and fills as the history of a run has them."""
    one = result.passes[0]
    orders = [
        {
            "order": order.ticker, "side": order.side, "price": format_price(order.price_cc),
            "size": format_size(order.size_centi), "filled": format_size(order.filled_centi),
            "outcome": order.status, "order_id": order.order_id, "client_order_id": order.client_order_id,
            "at_us": order.created_us,
        }
        for order in one.orders
    ]  # fmt: skip
    fills = [
        {
            "fill": fill.ticker, "side": fill.side, "price": format_price(fill.price_cc),
            "size": format_size(fill.size_centi), "fee": format_micros(fill.fee_micros), "taker": fill.is_taker,
            "basis": fill.basis, "order_id": fill.order_id, "trade_id": fill.trade_id, "at_us": fill.at_us,
        }
        for fill in one.fills
    ]  # fmt: skip
    return [*orders, *fills]


def check_equal(path: Path, model: str, **changed: Any) -> Both:
    """Check that both runs are equal, and return them."""
    ran = both(path, model, **changed)
    account = ran.result.passes[0].account
    for ours, theirs in zip(ran.observed_by_engine, ran.observed, strict=False):
        assert ours == theirs
    assert len(ran.observed_by_engine) == len(ran.observed)
    for one, of_lockstep in zip(ran.decided_by_engine, ran.decided, strict=False):
        assert one == of_lockstep
    assert len(ran.decided_by_engine) == len(ran.decided)
    assert ran.actions_of_engine == ran.actions
    assert lines_of(ran.result) == ran.history
    for name in VALUES:
        assert getattr(account, name) == getattr(ran.summary, name), name
    assert account.ledger_equals_exchange
    assert ran.result.passes[0].observations == ran.summary.observations
    assert ran.result.passes[0].decisions == len(ran.decided)
    rejected = ran.summary.orders.rejected  # by the exchange, which a run counts as an outcome only
    refused = ran.refused + Counter({"rejected": rejected})
    assert ran.result.passes[0].refusals == {str(reason): count for reason, count in refused.items()}
    outcomes = ran.result.passes[0].outcomes
    for name in ("sent", "acknowledged", "rejected", "kept"):  # of cancels the summary counts others: see its docs
        assert outcomes.get(name, 0) == getattr(ran.summary.orders, name), name
    assert outcomes.get("refused", 0) == sum(ran.summary.orders.refused.values())
    return ran
