"""The formulas of layout ``m1`` on the columns of several markets: each equals the single form of its feature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from truebook.features import m1
from truebook.features.columns import Column, Columns, Formula
from truebook.features.feature import Feature
from truebook.money import ONE_CONTRACT_CENTI, ONE_DOLLAR_CC

_SECOND_US: Final = 1_000_000


def _log_share(value: Column, full: float) -> Column:
    return np.log1p(np.maximum(value, 0.0)) / math.log1p(full)


def _balance(bid: Column, ask: Column) -> Column:
    return (bid - ask) / (bid + ask)  # neither is 0: markets without bids or asks are computed alone


def _momentum(of: Columns) -> Column:
    return np.where(of.changes > 0, (of.mid_cc - of.mids_cc[0]) / ONE_DOLLAR_CC * 10, 0.0)


def _last_move(of: Columns) -> Column:
    before, last = of.mids_cc[-2:]
    moved: Column = last - before
    return moved / ONE_DOLLAR_CC * 20


def _volatility(of: Columns) -> Column:
    return of.moves_cc.sum(axis=0) / np.maximum(of.changes - 1, 1) / ONE_DOLLAR_CC * 50


def _activity(of: Columns) -> Column:
    seconds = np.maximum((of.now_us - of.changed_us[0]) / _SECOND_US, 0.001)
    return _log_share(of.changes / seconds, 1_000)


def _since_change(of: Columns) -> Column:
    return np.where(of.changes > 0, _log_share((of.now_us - of.changed_us[-1]) / _SECOND_US, 3_600), 1.0)


def _event_sum(of: Columns) -> Column:
    known = of.event_yes_sum_cc
    return np.where(np.isnan(known), 0.0, known / ONE_DOLLAR_CC - 1)


def _position(of: Columns) -> Column:
    return np.copysign(_log_share(np.abs(of.position_centi) / ONE_CONTRACT_CENTI, 10_000), of.position_centi)


def _exposure(of: Columns) -> Column:
    own_mid_cc = np.where(of.position_centi > 0, of.mid_cc, ONE_DOLLAR_CC - of.mid_cc)
    return np.where(of.equity_micros > 0, of.position_centi * own_mid_cc / of.equity_micros, 0.0)


def _unrealised(of: Columns) -> Column:
    position_centi, cost_micros = of.position_centi, of.position_cost_micros
    sale_cc = np.where(position_centi > 0, of.bid_cc, ONE_DOLLAR_CC - of.ask_cc)
    gained = (np.abs(position_centi) * sale_cc - cost_micros) / cost_micros
    return np.where((position_centi != 0) & (cost_micros > 0), gained, 0.0)


def _cash_share(of: Columns) -> Column:
    return np.where(of.equity_micros > 0, of.cash_micros / of.equity_micros, 0.0)


M1_COLUMNS: Final[Mapping[Feature, Formula]] = {
    m1.mid: lambda of: of.mid_cc / ONE_DOLLAR_CC,
    m1.spread: lambda of: of.spread_cc / ONE_DOLLAR_CC * 5,
    m1.micro_minus_mid: lambda of: of.spread_cc / 2 * _balance(of.bid_centi, of.ask_centi) / ONE_DOLLAR_CC * 20,
    m1.imbalance_1: lambda of: _balance(of.bid_centi, of.ask_centi),
    m1.imbalance_3: lambda of: _balance(*of.best_centi),
    m1.imbalance_all: lambda of: _balance(*of.totals_centi),
    m1.bid_size: lambda of: _log_share(of.bid_centi / ONE_CONTRACT_CENTI, 100_000),
    m1.ask_size: lambda of: _log_share(of.ask_centi / ONE_CONTRACT_CENTI, 100_000),
    m1.depth: lambda of: _log_share((of.totals_centi[0] + of.totals_centi[1]) / ONE_CONTRACT_CENTI, 1_000_000),
    m1.momentum: _momentum,
    m1.last_move: _last_move,
    m1.volatility: _volatility,
    m1.activity: _activity,
    m1.since_change: _since_change,
    m1.to_close: lambda of: _log_share((of.close_us - of.now_us) / _SECOND_US, 30 * 86_400),
    m1.book_age: lambda of: (of.now_us - of.confirmed_us) / _SECOND_US / 10,
    m1.event_sum: _event_sum,
    m1.event_sum_known: lambda of: np.where(np.isnan(of.event_yes_sum_cc), 0.0, 1.0),
    m1.position: _position,
    m1.exposure: _exposure,
    m1.unrealised: _unrealised,
    m1.cash_share: _cash_share,
    m1.working_bid: lambda of: _log_share(of.working_centi[0] / ONE_CONTRACT_CENTI, 10_000),
    m1.working_ask: lambda of: _log_share(of.working_centi[1] / ONE_CONTRACT_CENTI, 10_000),
}
