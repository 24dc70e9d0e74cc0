"""Gymnasium environments on the engine of a backtest: one step is one observation and the decision on it.

The observation is the vector that a model of the layout is given while trading; the action is what such a model puts
out. So a trained policy is a model: what it earns here, a backtest of its exported file earns too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import gymnasium
import msgspec
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from truebook.backtest.engine.settings import EngineSettings
from truebook.decision.decide import Decision, Strategy, decide, decide_action
from truebook.decision.strategy import Output
from truebook.features.layout import Layout
from truebook.features.plugins import find_layout
from truebook.gym.episode import AccountState, Episode, TrackedEpisode
from truebook.gym.tapes import EmptyTape, NoData, RecordedTapes, Tape, TapeSource
from truebook.gym.tracking import Tracks
from truebook.simulation.recorded.queue import QueueModel

MICROS: Final = 1_000_000
MAX_DRAWS: Final = 20
"""Tapes without any event or observation that ``reset`` skips before it is an error."""
Row = NDArray[np.float32]


class TradingEnv(gymnasium.Env[Row, Any]):
    """Episodes of a source of tapes; ``MarketEnv`` and ``PortfolioEnv`` take a recording.

    Observation: float32 [features]. Action: an action id for ``action_logits`` (the one with the highest score), one
    probability, float32 [1], for ``yes_probability``. Reward: the change of the marked equity in dollars since the last
    step. While a position has no known value the reward is 0; the change is part of the next one that is known.

    Terminated: every market of the tape has its final value. Truncated: the tape has ended before. The observation of
    that step is the last one again.

    ``reset`` draws tape and latencies by the seed; its options are those of the source, and ``latency_seed``.
    """

    metadata = {"render_modes": []}

    def __init__(
        self, tapes: TapeSource, settings: EngineSettings, strategy: Strategy, *, layout: str | Layout = "m1",
        queue: QueueModel = QueueModel.REALISTIC, render_mode: str | None = None, track_from: int = 2,
    ) -> None:  # fmt: skip
        """``track_from``: the draw of a tape from which on it has a track, which takes about two episodes' time to
        record. Raises ``UnknownLayout`` for a name that no layout has.
        """
        self.layout = find_layout(layout) if isinstance(layout, str) else layout
        self.strategy = strategy
        self.render_mode = render_mode
        self.observation_space, self.action_space = spaces_of(self.layout, strategy)
        self.episode: Episode | None = None
        self._tapes = tapes
        self._tracks = Tracks(tapes, settings, self.layout, recorded_at=track_from)
        self._settings = settings
        self._queue = queue
        self._row = np.zeros(len(self.layout), np.float32)
        self._equity_micros = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Row, dict[str, Any]]:
        """Begin an episode at its first observation; raises ``NoData`` if there is none."""
        super().reset(seed=seed)
        chosen = dict(options or {})
        latency_seed = chosen.pop("latency_seed", None)
        last = ""
        for _ in range(MAX_DRAWS):
            try:
                tape = self._tapes.draw(self.np_random, chosen)
            except EmptyTape as error:
                last = str(error)
                continue
            drawn = int(self.np_random.integers(2**31)) if latency_seed is None else latency_seed
            episode = self._begin(tape, drawn)
            if episode.observation is not None:
                break
            refused = {str(reason): count for reason, count in episode.engine.refusals.items()}
            last = f"{_names(tape)} refused by {refused}"
        else:
            raise NoData(f"no observation in {MAX_DRAWS} tapes, the last: {last}")
        self.episode = episode
        self._equity_micros = self._settings.balance_micros
        return self._observe(), self._info(episode.account(), None)

    def step(self, action: Any) -> tuple[Row, float, bool, bool, dict[str, Any]]:
        """Decide the observation and go to the next; raises ``ValueError`` for an action that the space lacks."""
        episode = self.episode
        if episode is None or episode.observation is None:
            raise RuntimeError("the episode is over, or none has begun: call reset()")
        decision = decision_of(episode, action, self.strategy)
        episode.act(decision)
        state = episode.account()
        equity_micros, reward = state.equity_micros, 0.0
        if equity_micros is not None:
            reward, self._equity_micros = (equity_micros - self._equity_micros) / MICROS, equity_micros
        info = self._info(state, decision)
        if episode.observation is not None:
            return self._observe(), reward, False, False, info
        is_settled = episode.is_settled()
        return self._row.copy(), reward, is_settled, not is_settled, info

    def resume(self, row: Row) -> None:
        """Go on from an observation up to which the account has not traded; the episode is there already."""
        self._row = row.copy()

    def _begin(self, tape: Tape, latency_seed: int) -> Episode:
        latency = msgspec.structs.replace(self._settings.latency, seed=latency_seed)
        settings = msgspec.structs.replace(self._settings, latency=latency)
        track = self._tracks.of(tape)
        if track is None:
            episode = Episode(tape, settings, self.layout, self._queue)
        else:
            episode = TrackedEpisode(track, tape, settings, self._queue)
        episode.advance()
        return episode

    def _observe(self) -> Row:
        assert self.episode is not None
        self._row = self.episode.row()
        return self._row

    def _info(self, state: AccountState, decision: Decision | None) -> dict[str, Any]:
        """Leave out what is unknown: a vector environment keeps whole numbers in an array, with a mask."""
        assert self.episode is not None
        observation = self.episode.observation
        info: dict[str, Any] = {
            "at_us": state.at_us,
            "cash_micros": state.cash_micros,
            "reserved_micros": state.reserved_micros,
            "fees_micros": state.fees_micros,
            "targets": 0 if decision is None else len(decision.targets),
        }
        if state.equity_micros is not None:
            info["equity_micros"] = state.equity_micros
        if observation is not None:
            info["ticker"] = observation.ticker
            info["position_centi"] = observation.position_centi
        if decision is not None and decision.reason is not None:
            info["reason"] = str(decision.reason)
        return info


class MarketEnv(TradingEnv):
    """``truebook/Market-v0``: each episode is one market of a recording, with an account of its own."""

    def __init__(
        self, data: str | Path | TapeSource, settings: EngineSettings, strategy: Strategy, *,
        tickers: Iterable[str] = (), window_us: int | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """``tickers`` and ``window_us`` as in ``RecordedTapes``; ``options`` as in ``TradingEnv``."""
        super().__init__(tapes_of(data, tickers, window_us, each=True), settings, strategy, **options)


class PortfolioEnv(TradingEnv):
    """``truebook/Portfolio-v0``: each episode has all markets of a recording, with one account.

    Steps are the observations of all markets in the order of their times; ``info["ticker"]`` names the market.
    """

    def __init__(
        self, data: str | Path | TapeSource, settings: EngineSettings, strategy: Strategy, *,
        tickers: Iterable[str] = (), window_us: int | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """As ``MarketEnv``."""
        super().__init__(tapes_of(data, tickers, window_us, each=False), settings, strategy, **options)


def tapes_of(
    data: str | Path | TapeSource, tickers: Iterable[str], window_us: int | None, *, each: bool
) -> TapeSource:  # fmt: skip
    """Return the source itself, or one of a recording's path."""
    if isinstance(data, str | Path):
        return RecordedTapes(Path(data), each=each, tickers=tickers, window_us=window_us)
    if tuple(tickers) or window_us is not None:
        raise NoData("tickers and window_us belong to a recording's path: give them to the source of tapes")
    return data


def spaces_of(layout: Layout, strategy: Strategy) -> tuple[spaces.Space[Row], spaces.Space[Any]]:
    """Return the spaces of a layout's observations and of a strategy's outputs."""
    low, high = (np.array([getattr(each, end) for each in layout.features], np.float32) for end in ("low", "high"))
    observations = spaces.Box(low, high, dtype=np.float32)
    if strategy.output is Output.YES_PROBABILITY:
        return observations, spaces.Box(0.0, 1.0, (1,), np.float32)
    return observations, spaces.Discrete(strategy.outputs)


def decision_of(episode: Episode, action: Any, strategy: Strategy) -> Decision:
    """Turn an action into a decision, as a model's output; raises ``ValueError`` for one that is no such output."""
    assert episode.observation is not None
    if strategy.output is Output.ACTION_LOGITS:
        return decide_action(episode.observation, int(action), strategy)
    row = np.asarray(action, np.float32).reshape(-1)
    if len(row) != 1 or not np.isfinite(row[0]):
        raise ValueError(f"the action is one probability, got {action!r}")
    return decide(episode.observation, row.tolist(), strategy)


def _names(tape: Tape) -> str:
    return ", ".join(one.ticker for one in tape.markets[:3])
