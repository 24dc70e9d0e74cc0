"""Layout ``m1``: 24 compact features, all within −1..1.

YES and NO share one book, so each quantity appears once. Prices are in dollars; sizes and times are logarithms that
reach 1 at a stated value. A change of any formula here is a new version of that feature.
"""

from __future__ import annotations

import math
from operator import sub
from typing import Final

from truebook.features.feature import Feature, feature
from truebook.features.inputs import FeatureInputs
from truebook.messages.envelope import BookSide
from truebook.money import ONE_CONTRACT_CENTI, ONE_DOLLAR_CC

_SECOND_US: Final = 1_000_000
_BID, _ASK = BookSide.BID, BookSide.ASK
_LOG_HOUR: Final = math.log1p(3_600)
_LOG_30_DAYS: Final = math.log1p(30 * 86_400)
_LOG_1K: Final = math.log1p(1_000)
_LOG_10K: Final = math.log1p(10_000)
_LOG_100K: Final = math.log1p(100_000)
_LOG_1M: Final = math.log1p(1_000_000)


def log_share(value: float, log_full: float) -> float:
    """Return ln(1 + value) / ``log_full``, with ``log_full`` = ln(1 + full): 0..1 for 0..full, more above."""
    if value < 0.0:
        value = 0.0
    return math.log1p(value) / log_full


def balance(bid: float, ask: float) -> float:
    """(bid − ask) / (bid + ask), 0 where both are 0."""
    total = bid + ask
    return (bid - ask) / total if total else 0.0


@feature()
def mid(inputs: FeatureInputs) -> float:
    """Mid price of YES in dollars."""
    return inputs.mid_cc / ONE_DOLLAR_CC


@feature()
def spread(inputs: FeatureInputs) -> float:
    """Best ask − best bid in dollars × 5: 1 at 20 cents and wider."""
    return inputs.spread_cc / ONE_DOLLAR_CC * 5


@feature(low=-1.0)
def micro_minus_mid(inputs: FeatureInputs) -> float:
    """Microprice − mid in dollars × 20: ±1 at 5 cents. Microprice: best prices weighted by the opposite best size."""
    return inputs.spread_cc / 2 * balance(inputs.bid[1], inputs.ask[1]) / ONE_DOLLAR_CC * 20


@feature(low=-1.0)
def imbalance_1(inputs: FeatureInputs) -> float:
    """Balance of the best sizes: (bid − ask) / (bid + ask)."""
    return balance(inputs.bid[1], inputs.ask[1])


@feature(low=-1.0)
def imbalance_3(inputs: FeatureInputs) -> float:
    """Balance of the sizes of the best three levels."""
    return balance(inputs.book.top_centi(_BID, 3), inputs.book.top_centi(_ASK, 3))


@feature(low=-1.0)
def imbalance_all(inputs: FeatureInputs) -> float:
    """Balance of the whole sides' sizes."""
    return balance(*inputs.totals_centi)


@feature()
def bid_size(inputs: FeatureInputs) -> float:
    """Contracts at the best bid, logarithmic: 1 at 100,000."""
    return log_share(inputs.bid[1] / ONE_CONTRACT_CENTI, _LOG_100K)


@feature()
def ask_size(inputs: FeatureInputs) -> float:
    """Contracts at the best ask, logarithmic: 1 at 100,000."""
    return log_share(inputs.ask[1] / ONE_CONTRACT_CENTI, _LOG_100K)


@feature()
def depth(inputs: FeatureInputs) -> float:
    """Contracts of both whole sides, logarithmic: 1 at 1,000,000."""
    return log_share(sum(inputs.totals_centi) / ONE_CONTRACT_CENTI, _LOG_1M)


@feature(low=-1.0)
def momentum(inputs: FeatureInputs) -> float:
    """Mid now − oldest mid of the last ten changes, in dollars × 10: ±1 at 10 cents; 0 without history."""
    mids = inputs.mids_cc
    return (inputs.mid_cc - mids[0]) / ONE_DOLLAR_CC * 10 if mids else 0.0


@feature(low=-1.0)
def last_move(inputs: FeatureInputs) -> float:
    """Move of the mid at the last change, in dollars × 20: ±1 at 5 cents; 0 with less than two changes."""
    mids = inputs.mids_cc
    return (mids[-1] - mids[-2]) / ONE_DOLLAR_CC * 20 if len(mids) > 1 else 0.0


@feature()
def volatility(inputs: FeatureInputs) -> float:
    """Mean absolute move of the mid over the last ten changes, in dollars × 50: 1 at 2 cents."""
    mids = inputs.mids_cc
    if len(mids) < 2:
        return 0.0
    moved: float = sum(map(abs, map(sub, mids[1:], mids)))
    return moved / (len(mids) - 1) / ONE_DOLLAR_CC * 50


@feature()
def activity(inputs: FeatureInputs) -> float:
    """Book changes per second, over the time from the oldest of the last ten to now; logarithmic: 1 at 1,000."""
    changes = inputs.history.changes
    if not changes:
        return 0.0
    seconds = max((inputs.now_us - changes[0].at_us) / _SECOND_US, 0.001)
    return log_share(len(changes) / seconds, _LOG_1K)


@feature()
def since_change(inputs: FeatureInputs) -> float:
    """Seconds since the book last changed, logarithmic: 1 at an hour, and without history."""
    changes = inputs.history.changes
    return log_share((inputs.now_us - changes[-1].at_us) / _SECOND_US, _LOG_HOUR) if changes else 1.0


@feature()
def to_close(inputs: FeatureInputs) -> float:
    """Seconds until the market closes, logarithmic: 1 at 30 days, 0 at and after the close."""
    return log_share((inputs.market.close_us - inputs.now_us) / _SECOND_US, _LOG_30_DAYS)


@feature()
def book_age(inputs: FeatureInputs) -> float:
    """Seconds since the book's confirmed time / 10."""
    return (inputs.now_us - inputs.confirmed_us) / _SECOND_US / 10


@feature(low=-1.0)
def event_sum(inputs: FeatureInputs) -> float:
    """Sum of the mid YES prices over the event's markets − $1, in dollars; 0 where it is not known."""
    return 0.0 if inputs.event_yes_sum_cc is None else inputs.event_yes_sum_cc / ONE_DOLLAR_CC - 1


@feature()
def event_sum_known(inputs: FeatureInputs) -> float:
    """1 where the event's sum is known, else 0."""
    return 0.0 if inputs.event_yes_sum_cc is None else 1.0


@feature(low=-1.0)
def position(inputs: FeatureInputs) -> float:
    """Contracts held, + YES, − NO; logarithmic: ±1 at 10,000."""
    contracts = abs(inputs.position_centi) / ONE_CONTRACT_CENTI
    return math.copysign(log_share(contracts, _LOG_10K), inputs.position_centi)


@feature(low=-1.0)
def exposure(inputs: FeatureInputs) -> float:
    """Position at the mid price of its leg / equity, + YES, − NO; 0 without equity."""
    if inputs.equity_micros <= 0:
        return 0.0
    own_mid_cc = inputs.mid_cc if inputs.position_centi > 0 else ONE_DOLLAR_CC - inputs.mid_cc
    return inputs.position_centi * own_mid_cc / inputs.equity_micros


@feature(low=-1.0)
def unrealised(inputs: FeatureInputs) -> float:
    """(Position at the best price at which it could be sold now − its cost) / its cost; 0 without a cost."""
    if inputs.position_centi == 0 or inputs.position_cost_micros <= 0:
        return 0.0
    sale_cc = inputs.bid[0] if inputs.position_centi > 0 else ONE_DOLLAR_CC - inputs.ask[0]
    return (abs(inputs.position_centi) * sale_cc - inputs.position_cost_micros) / inputs.position_cost_micros


@feature()
def cash_share(inputs: FeatureInputs) -> float:
    """Available cash / equity; 0 without equity."""
    return inputs.cash_micros / inputs.equity_micros if inputs.equity_micros > 0 else 0.0


@feature()
def working_bid(inputs: FeatureInputs) -> float:
    """Contracts of our own resting bids, logarithmic: 1 at 10,000."""
    return _working(inputs, _BID)


@feature()
def working_ask(inputs: FeatureInputs) -> float:
    """Contracts of our own resting asks, logarithmic: 1 at 10,000."""
    return _working(inputs, _ASK)


def _working(inputs: FeatureInputs, side: BookSide) -> float:
    resting = sum([order.remaining_centi for order in inputs.working if order.book_side is side])
    return log_share(resting / ONE_CONTRACT_CENTI, _LOG_10K)


M1_FEATURES: Final[tuple[Feature, ...]] = (
    mid, spread, micro_minus_mid, imbalance_1, imbalance_3, imbalance_all, bid_size, ask_size, depth, momentum,
    last_move, volatility, activity, since_change, to_close, book_age, event_sum, event_sum_known, position, exposure,
    unrealised, cash_share, working_bid, working_ask,
)  # fmt: skip
