"""``Market-v0`` many times in one process, which reads its data once and steps accounts without orders together.

An account that has not traded yet is a place in the track of its market: all such accounts move on by one operation on
columns. The others are single environments, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from truebook.backtest.engine.settings import EngineSettings
from truebook.decision.decide import Decision, decide_action
from truebook.decision.strategy import Output, Strategy
from truebook.gym.environment import Row, TradingEnv, tapes_of
from truebook.gym.episode import TrackedEpisode
from truebook.gym.tapes import TapeSource
from truebook.gym.track import Track

Rows = NDArray[np.float32]
Flags = NDArray[np.bool_]
NO_REASON: Final = -1


class MarketVectorEnv(VectorEnv[Rows, Any, NDArray[Any]]):
    """As ``MarketEnv``, ``num_envs`` times: each environment gives what a ``MarketEnv`` of its seed and actions does.

    Autoreset is that of gymnasium's next step: the step after an episode's last one ignores that environment's action,
    begins its next episode, has the reward 0, and is neither terminated nor truncated. ``reset`` takes one seed (s,
    s + 1, …) or one per environment, and the options of ``MarketEnv`` for all of them.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self, num_envs: int, data: str | Path | TapeSource, settings: EngineSettings, strategy: Strategy, *,
        tickers: Iterable[str] = (), window_us: int | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """Arguments as in ``MarketEnv``; raises ``ValueError`` without an environment."""
        if num_envs < 1:
            raise ValueError(f"num_envs is {num_envs}: at least one")
        tapes = tapes_of(data, tickers, window_us, each=True)
        options = {"track_from": 1, **options}
        self.envs = [TradingEnv(tapes, settings, strategy, **options) for _ in range(num_envs)]
        self.num_envs = num_envs
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._balance_micros = settings.balance_micros
        self._places = _Places(strategy, self.envs[0].observation_space) if _has_ids(strategy) else None
        self._place = np.zeros(num_envs, np.int64)
        """Of each account without an order in the columns."""
        self._is_placed = np.zeros(num_envs, np.bool_)
        self._begun = np.zeros(num_envs, np.int64)
        """Number of the step with which an episode begins."""
        self._steps: list[NDArray[np.int64]] = []
        self._first_step = 0
        self._is_over = np.zeros(num_envs, np.bool_)
        self._rows: Rows = np.zeros(self.observation_space.shape or (), np.float32)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Rows, dict[str, Any]]:  # fmt: skip
        """Begin all episodes; raises ``ValueError`` for another number of seeds, ``NoData`` as ``MarketEnv`` does."""
        if options is not None and "reset_mask" in options:
            raise ValueError("reset_mask is not supported: each environment begins its next episode automatically")
        if seed is None or isinstance(seed, int):
            seeds: list[int | None] = [None if seed is None else seed + k for k in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"got {len(seeds)} seeds for {self.num_envs} environments")
        self._is_over[:] = False
        self._steps, self._first_step = [], 0
        infos = {number: self._begin(number, each, options) for number, each in enumerate(seeds)}
        return self._rows.copy(), self._with_infos({}, infos)

    def step(self, actions: Any) -> tuple[Rows, NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        """Step all environments; raises ``ValueError`` for an action that the space lacks."""
        if len(actions) != self.num_envs:
            raise ValueError(f"got {len(actions)} actions for {self.num_envs} environments")
        over = self._is_over.copy()
        rewards, terminated = np.zeros(self.num_envs), np.zeros(self.num_envs, np.bool_)
        truncated = np.zeros(self.num_envs, np.bool_)
        infos: dict[str, Any] = {}
        moved = np.zeros(self.num_envs, np.bool_)
        if self._places is not None:
            ids = self._ids(actions, over)
            moved = self._is_placed & ~over & ~self._places.has_targets[self._place, ids]
            self._steps.append(ids)
            if moved.any():
                infos = self._move(moved, ids, terminated, truncated)
        of_single: dict[int, dict[str, Any]] = {}
        for number in np.flatnonzero(~moved).tolist():
            if over[number]:
                info = self._begin(number, None, None)
            else:
                self._take_out(number)
                row, rewards[number], terminated[number], truncated[number], info = self.envs[number].step(
                    actions[number]
                )
                self._rows[number] = row
            of_single[number] = info
        self._is_over = terminated | truncated
        return self._rows.copy(), rewards, terminated, truncated, self._with_infos(infos, of_single)

    def _with_infos(self, infos: dict[str, Any], found: dict[int, dict[str, Any]]) -> dict[str, Any]:
        """Add the infos of single environments, whole numbers and texts, as gymnasium's ``_add_info`` one by one."""
        columns: dict[str, tuple[list[int], list[Any]]] = {}
        for number, info in found.items():
            for key, value in info.items():
                numbers, values = columns.setdefault(key, ([], []))
                numbers.append(number)
                values.append(value)
        for key, (numbers, values) in columns.items():
            if key not in infos:
                is_whole = type(values[0]) is int
                infos[key] = np.zeros(self.num_envs, np.int64) if is_whole else np.full(self.num_envs, None, object)
                infos[f"_{key}"] = np.zeros(self.num_envs, np.bool_)
            infos[key][numbers] = values
            infos[f"_{key}"][numbers] = True
        return infos

    def _begin(self, number: int, seed: int | None, options: dict[str, Any] | None) -> dict[str, Any]:
        env = self.envs[number]
        row, info = env.reset(seed=seed, options=options)
        self._rows[number] = row
        episode = env.episode
        self._is_placed[number] = self._places is not None and isinstance(episode, TrackedEpisode)
        if self._places is not None and isinstance(episode, TrackedEpisode):
            self._place[number] = self._places.first_of(episode.track)
            self._begun[number] = self._first_step + len(self._steps)
            self._drop_old_steps()
        return info

    def _drop_old_steps(self) -> None:
        """Drop the actions before the oldest episode that is still without an order."""
        oldest = int(self._begun[self._is_placed].min(initial=self._first_step + len(self._steps)))
        if oldest - self._first_step > 2 * self.num_envs:
            del self._steps[: oldest - self._first_step]
            self._first_step = oldest

    def _ids(self, actions: Any, over: Flags) -> NDArray[np.int64]:
        ids = np.where(over, 0, np.asarray(actions, np.int64))
        assert isinstance(self.single_action_space, spaces.Discrete)
        if ids.min() < 0 or ids.max() >= self.single_action_space.n:
            raise ValueError(f"an action is outside {self.single_action_space}: {actions!r}")
        return ids

    def _move(self, moved: Flags, ids: NDArray[np.int64], terminated: Flags, truncated: Flags) -> dict[str, Any]:
        """Move accounts without an order on by one place; return their infos."""
        assert self._places is not None
        columns = self._places
        reasons = columns.reason[self._place, ids]
        self._place += moved
        place = self._place
        is_end = columns.is_end[place] & moved
        if is_end.any():
            terminated |= is_end & columns.is_settled[place]
            truncated |= is_end & ~columns.is_settled[place]
        self._rows[moved] = columns.rows[place[moved]]
        is_open, has_reason = moved & ~is_end, moved & (reasons != NO_REASON)
        zeros = np.zeros(self.num_envs, np.int64)
        balance = np.where(moved, self._balance_micros, 0)
        infos: dict[str, Any] = {
            "at_us": np.where(moved, columns.at_us[place], 0), "cash_micros": balance, "reserved_micros": zeros,
            "fees_micros": zeros.copy(), "targets": zeros.copy(), "equity_micros": balance.copy(),
        }  # fmt: skip
        infos |= {f"_{name}": moved.copy() for name in infos}
        if is_open.any():
            infos["ticker"] = _where(is_open, columns.ticker[place])
            infos["position_centi"] = zeros.copy()
            infos |= {"_ticker": is_open, "_position_centi": is_open.copy()}
        if has_reason.any():
            infos |= {"reason": _where(has_reason, columns.reasons[reasons]), "_reason": has_reason}
        return infos

    def _take_out(self, number: int) -> None:
        """Let an account that requests its first order go on as a single environment."""
        if not self._is_placed[number] or self._places is None:
            return
        self._is_placed[number] = False
        env = self.envs[number]
        episode = env.episode
        assert isinstance(episode, TrackedEpisode)
        first = int(self._begun[number]) - self._first_step
        taken = [int(ids[number]) for ids in self._steps[first:-1]]  # the last one is to be decided
        points, strategy = episode.track.flat.points, env.strategy
        decisions = (decide_action(points[k].observation, each, strategy) for k, each in enumerate(taken))
        episode.jump(len(taken), decisions)
        env.resume(self._rows[number])


class _Places:
    """The points of all tracks in columns, each track with a last place after its end."""

    def __init__(self, strategy: Strategy, space: spaces.Space[Row]) -> None:
        width = (space.shape or (0,))[0]
        self.rows = np.zeros((0, width), np.float32)
        self.at_us = np.zeros(0, np.int64)
        self.is_end = self.is_settled = np.zeros(0, np.bool_)
        self.ticker = np.zeros(0, object)
        self.has_targets = np.zeros((1, strategy.outputs), np.bool_)
        """By place and action, whether it requests an order."""
        self.reason = np.full((1, strategy.outputs), NO_REASON, np.int64)
        """The number in ``reasons`` of why it does not."""
        self.reasons = np.zeros(0, object)
        self._strategy = strategy
        self._first: dict[int, tuple[int, Track]] = {}

    def first_of(self, track: Track) -> int:
        """Return the first place of a track."""
        known = self._first.get(id(track))
        if known is None:
            known = self._first[id(track)] = len(self.at_us), track
            self._add(track)
        return known[0]

    def _add(self, track: Track) -> None:
        part, outputs = track.flat, range(self._strategy.outputs)
        count = len(part.points)
        decisions = [[decide_action(one.observation, each, self._strategy) for each in outputs] for one in part.points]
        decisions.append([_NOTHING for _ in outputs])
        reasons = list(self.reasons)
        numbers = {reason: number for number, reason in enumerate(reasons)}
        for each in (one for row in decisions for one in row if one.reason is not None):
            if numbers.setdefault(str(each.reason), len(reasons)) == len(reasons):
                reasons.append(str(each.reason))
        is_first = not len(self.at_us)
        targets = np.array([[bool(one.targets) for one in row] for row in decisions])
        found = np.array([[numbers.get(str(one.reason), NO_REASON) for one in row] for row in decisions], np.int64)
        self.has_targets = targets if is_first else np.concatenate((self.has_targets, targets))
        self.reason = found if is_first else np.concatenate((self.reason, found))
        self.reasons = np.array(reasons, object)
        self.rows = np.concatenate((self.rows, part.rows, part.rows[-1:]))
        self.at_us = np.concatenate((self.at_us, part.at_us, [part.end_us]))
        self.is_end = np.concatenate((self.is_end, np.arange(count + 1) == count))
        self.is_settled = np.concatenate((self.is_settled, np.full(count + 1, part.is_settled)))
        self.ticker = np.concatenate((self.ticker, np.full(count + 1, track.block.ticker, object)))


_NOTHING: Final = Decision()


def _where(mask: Flags, values: NDArray[np.object_]) -> NDArray[np.object_]:
    found = np.full(len(mask), None, object)
    found[mask] = values[mask]
    return found


def _has_ids(strategy: Strategy) -> bool:
    return strategy.output is Output.ACTION_LOGITS
