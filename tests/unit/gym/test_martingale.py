"""Where prices have no edge, no scripted policy may have one: what it earned would be a fault of the simulation.

Each policy's mean profit is compared with its own standard error, over episodes of fixed seeds. With faults that were
put back the same check fails.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from support.training import actions, run_episode, training_settings
from truebook.backtest.engine.venue import Recorded, Venue
from truebook.decision.strategy import PriceRule
from truebook.gym.environment import TradingEnv
from truebook.gym.episode import Episode
from truebook.gym.made_market import MadeMarkets
from truebook.kalshi.port import DeltaFrame, TradeFrame
from truebook.messages.envelope import BookSide
from truebook.simulation.recorded.pairing import LevelPairing, Seen

MAX_ERRORS = 3.0
"""Standard errors above zero. With 24 independent policies, one in thirty runs of other seeds would exceed them."""
LONG_EPISODES = 10_000
HOLD, BUY_YES, SELL_YES, BUY_NO, SELL_NO = range(5)
Script = Callable[[int, np.random.Generator], int]
"""(number of the step, generator of the episode) → action."""

SCRIPTS: dict[str, Script] = {
    "hold": lambda number, draw: HOLD,
    "buy_yes": lambda number, draw: BUY_YES,
    "sell_yes": lambda number, draw: SELL_YES,
    "buy_no": lambda number, draw: BUY_NO,
    "sell_no": lambda number, draw: SELL_NO,
    "alternating": lambda number, draw: (BUY_YES, BUY_NO)[number % 2],
    "random": lambda number, draw: int(draw.integers(5)),
    "round_trip": lambda number, draw: {0: BUY_YES, 1: BUY_YES, 5: SELL_YES, 6: SELL_YES}.get(number, HOLD),
}
RULES = (PriceRule.CROSS, PriceRule.JOIN, PriceRule.IMPROVE)
CASES = [(rule, name) for rule in RULES for name in SCRIPTS]


def profits(rule: PriceRule, script: Script, episodes: int, first_seed: int = 0) -> np.ndarray:
    """Return the profit of each episode in dollars."""
    env = TradingEnv(MadeMarkets(steps=10), training_settings(), actions(rule))
    found = []
    for seed in range(first_seed, first_seed + episodes):
        draw = np.random.default_rng(seed)
        found.append(run_episode(env, lambda row, number: script(number, draw), seed=seed)[0])  # noqa: B023
    return np.array(found)


def errors_above_zero(found: np.ndarray) -> float:
    """Return mean / standard error: 0 where no episode traded."""
    spread = found.std(ddof=1)
    return 0.0 if spread == 0.0 and found[0] == 0.0 else float(found.mean() / (spread / len(found) ** 0.5))


@pytest.mark.parametrize(("rule", "name"), [(PriceRule.CROSS, "random"), (PriceRule.JOIN, "alternating")])
def test_scripted_policies_do_not_profit(rule: PriceRule, name: str) -> None:
    assert errors_above_zero(profits(rule, SCRIPTS[name], 60)) <= MAX_ERRORS


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_no_script_profits_in_ten_thousand_episodes() -> None:
    each = -(-LONG_EPISODES // len(CASES))
    found = {
        (rule, name): errors_above_zero(profits(rule, SCRIPTS[name], each, first_seed=number * each))
        for number, (rule, name) in enumerate(CASES)
    }
    assert {case: errors for case, errors in found.items() if errors > MAX_ERRORS} == {}


def test_fills_by_the_wrong_trades_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: a trade also fills orders on the side that it left, at the price before its move."""
    apply = Venue._apply

    def also_mirrored(self: Venue, batch: list[Recorded], now_us: int) -> Any:
        mirrored: list[Recorded] = []
        for event in batch:
            if isinstance(event, TradeFrame):
                is_up = event.taker_side is BookSide.BID
                mirrored.append(
                    msgspec.structs.replace(
                        event, trade_id=event.trade_id + "-", price_cc=event.price_cc + (-200 if is_up else 200),
                        taker_side=BookSide.ASK if is_up else BookSide.BID, size_centi=100_000,
                    )
                )  # fmt: skip
            mirrored.append(event)
        return apply(self, mirrored, now_us)

    monkeypatch.setattr(Venue, "_apply", also_mirrored)
    assert errors_above_zero(profits(PriceRule.JOIN, SCRIPTS["alternating"], 60)) > MAX_ERRORS


def test_a_look_ahead_is_found() -> None:
    """The fault: what a policy decides by contains the outcome."""
    env = TradingEnv(MadeMarkets(steps=10), training_settings(), actions())
    begin = env._begin
    known: dict[str, int] = {}

    def leaking(tape: Any, latency_seed: int) -> Episode:
        known["action"] = BUY_YES if tape.events[-1][1].settlement_cc else BUY_NO
        return begin(tape, latency_seed)

    env._begin = leaking  # type: ignore[method-assign]
    found = [run_episode(env, lambda row, number: known["action"], seed=seed)[0] for seed in range(30)]
    assert errors_above_zero(np.array(found)) > MAX_ERRORS


def test_each_decrease_of_a_made_market_is_a_trade() -> None:
    """Half of the traded size was shown: its decreases are paired with one trade each, none is a cancellation."""
    levels: dict[tuple[BookSide, int], LevelPairing] = defaultdict(LevelPairing)
    found = []
    for at_us, event in MadeMarkets(steps=40).tape(np.random.default_rng(1)).events:
        if isinstance(event, TradeFrame):
            seen = Seen(at_us, event.size_centi, event.exchange_us)
            found.append(levels[event.taker_side.other, event.price_cc].add(seen))
        elif isinstance(event, DeltaFrame) and event.delta_centi < 0:
            seen = Seen(at_us, event.delta_centi, event.exchange_us)
            found.append(levels[event.book_side, event.price_cc].add(seen))
    assert len(found) >= 30
    assert [each is None for each in found] == [True, True, False] * (len(found) // 3)


def test_made_prices_and_outcomes_are_a_martingale() -> None:
    draw = np.random.default_rng(1)
    moves, surprises = [], []
    for _ in range(2_000):
        events = MadeMarkets(steps=10).tape(draw).events
        first = events[0][1]
        trades = [event for _, event in events if isinstance(event, TradeFrame)][::2]  # two a move
        moves += [1.0 if trade.taker_side is BookSide.BID else -1.0 for trade in trades]
        last_cc = trades[-1].price_cc if trades else (first.bids[0][0] + first.asks[0][0]) // 2
        surprises.append((events[-1][1].settlement_cc - last_cc) / 10_000)
    assert abs(errors_above_zero(np.array(moves))) <= MAX_ERRORS
    assert abs(errors_above_zero(np.array(surprises))) <= MAX_ERRORS
