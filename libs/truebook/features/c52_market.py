"""Layout ``c52``, features 0 to 25: the book as seen for YES and for NO.

Both legs share one book, so half of these repeat others (the NO side is the YES side at $1 − p) and three are always 0;
they are kept so that each of the original's 52 inputs stays at its place. YES bids are the book's bids, NO bids
its asks at $1 − p. Volumes are contracts over a whole side.
"""

from __future__ import annotations

import math
from typing import Final

from truebook.features.feature import Feature, feature
from truebook.features.inputs import FeatureInputs, once
from truebook.messages.envelope import BookSide
from truebook.money import ONE_CONTRACT_CENTI, ONE_DOLLAR_CC

_LOG_FULL_VOLUME: Final = math.log1p(10_000)
_FULL_LEVELS: Final = 20
_REGIMES: Final = ((200, 0.0), (500, 0.25), (1_000, 0.5), (2_000, 0.75))


@once
def _volumes(inputs: FeatureInputs) -> tuple[float, float]:
    """Contracts of (YES bids, YES asks) = (NO asks, NO bids)."""
    bids_centi, asks_centi = inputs.totals_centi
    return bids_centi / ONE_CONTRACT_CENTI, asks_centi / ONE_CONTRACT_CENTI


@feature()
def best_yes_bid(inputs: FeatureInputs) -> float:
    """Best YES bid in dollars."""
    return inputs.bid[0] / ONE_DOLLAR_CC


@feature()
def best_yes_ask(inputs: FeatureInputs) -> float:
    """Best YES ask in dollars."""
    return inputs.ask[0] / ONE_DOLLAR_CC


@feature()
def best_no_bid(inputs: FeatureInputs) -> float:
    """Best NO bid in dollars: $1 − best YES ask."""
    return (ONE_DOLLAR_CC - inputs.ask[0]) / ONE_DOLLAR_CC


@feature()
def best_no_ask(inputs: FeatureInputs) -> float:
    """Best NO ask in dollars: $1 − best YES bid."""
    return (ONE_DOLLAR_CC - inputs.bid[0]) / ONE_DOLLAR_CC


@feature(low=0.01, high=0.99)
def yes_mid_price_norm(inputs: FeatureInputs) -> float:
    """Mid price of YES in dollars, within 0.01..0.99."""
    return inputs.mid_cc / ONE_DOLLAR_CC


@feature(low=0.01, high=0.99)
def no_mid_price_norm(inputs: FeatureInputs) -> float:
    """Mid price of NO in dollars, within 0.01..0.99."""
    return (ONE_DOLLAR_CC - inputs.mid_cc) / ONE_DOLLAR_CC


@feature()
def yes_spread_cents(inputs: FeatureInputs) -> float:
    """YES ask − YES bid in cents / 100."""
    return inputs.spread_cc / ONE_DOLLAR_CC


no_spread_cents = yes_spread_cents.twin("no_spread_cents", "NO ask − NO bid in cents / 100: the same spread.")


@feature(high=2.0)
def yes_spread_pct(inputs: FeatureInputs) -> float:
    """Spread / YES mid price, at most 2."""
    return inputs.spread_cc / inputs.mid_cc


@feature(high=2.0)
def no_spread_pct(inputs: FeatureInputs) -> float:
    """Spread / NO mid price, at most 2."""
    return inputs.spread_cc / (ONE_DOLLAR_CC - inputs.mid_cc)


@feature()
def yes_spread_regime(inputs: FeatureInputs) -> float:
    """Spread below 2, 5, 10, 20 cents: 0, 0.25, 0.5, 0.75; else 1."""
    for below_cc, level in _REGIMES:
        if inputs.spread_cc < below_cc:
            return level
    return 1.0


no_spread_regime = yes_spread_regime.twin("no_spread_regime", "The same for NO: the same spread.")
yes_breakeven_move = yes_spread_cents.twin(
    "yes_breakeven_move", "What YES must move to earn the spread back, in dollars: the spread."
)
no_breakeven_move = yes_spread_cents.twin("no_breakeven_move", "The same for NO: the spread.")


@feature()
def total_volume_norm(inputs: FeatureInputs) -> float:
    """ln(1 + V) / ln(10,001), at most 1; V counts contracts over all four sides, so each order twice."""
    return math.log1p(2 * sum(_volumes(inputs))) / _LOG_FULL_VOLUME


@feature(low=-1.0)
def volume_imbalance(inputs: FeatureInputs) -> float:
    """(YES volume − NO volume) / volume: always 0, both are the one book's."""
    return 0.0


@once
def _side_imbalance(inputs: FeatureInputs) -> float:
    bids, asks = _volumes(inputs)
    return (bids - asks) / (bids + asks)


@feature(low=-1.0)
def yes_side_imbalance(inputs: FeatureInputs) -> float:
    """(YES bids − YES asks) / their sum, in contracts."""
    return _side_imbalance(inputs)


@feature(low=-1.0)
def no_side_imbalance(inputs: FeatureInputs) -> float:
    """(NO bids − NO asks) / their sum: the YES imbalance with the other sign."""
    return -_side_imbalance(inputs)


bid_ask_depth_ratio = volume_imbalance.twin(
    "bid_ask_depth_ratio", "tanh of half the log ratio of all bids to all asks, both legs together: always 0."
)


@feature()
def yes_no_consistency(inputs: FeatureInputs) -> float:
    """Distance of YES bid + NO ask from one dollar: always 0."""
    return 0.0


@once
def _micro_cc(inputs: FeatureInputs) -> float:
    """Best prices weighted by the other side's whole volume."""
    bids, asks = _volumes(inputs)
    return (inputs.bid[0] * asks + inputs.ask[0] * bids) / (bids + asks)


@feature()
def yes_microprice_norm(inputs: FeatureInputs) -> float:
    """YES microprice in dollars, by the whole sides' volumes."""
    return _micro_cc(inputs) / ONE_DOLLAR_CC


@feature()
def no_microprice_norm(inputs: FeatureInputs) -> float:
    """NO microprice in dollars: $1 − the YES microprice."""
    return (ONE_DOLLAR_CC - _micro_cc(inputs)) / ONE_DOLLAR_CC


@feature()
def yes_book_depth_norm(inputs: FeatureInputs) -> float:
    """Number of YES levels, bids and asks, / 20, at most 1."""
    return (inputs.book.level_count(BookSide.BID) + inputs.book.level_count(BookSide.ASK)) / _FULL_LEVELS


no_book_depth_norm = yes_book_depth_norm.twin("no_book_depth_norm", "Number of NO levels / 20: the same levels.")


@feature()
def yes_liquidity_concentration(inputs: FeatureInputs) -> float:
    """Share of the three largest levels, bids and asks pooled, in the whole YES volume."""
    book = inputs.book
    sizes = book.sizes(BookSide.BID) + book.sizes(BookSide.ASK)
    return sum(sorted(sizes)[-3:]) / sum(inputs.totals_centi)


no_liquidity_concentration = yes_liquidity_concentration.twin(
    "no_liquidity_concentration", "The same for NO: the same levels."
)


MARKET_FEATURES: Final[tuple[Feature, ...]] = (
    best_yes_bid, best_yes_ask, best_no_bid, best_no_ask, yes_mid_price_norm, no_mid_price_norm, yes_spread_cents,
    no_spread_cents, yes_spread_pct, no_spread_pct, yes_spread_regime, no_spread_regime, yes_breakeven_move,
    no_breakeven_move, total_volume_norm, volume_imbalance, yes_side_imbalance, no_side_imbalance,
    bid_ask_depth_ratio, yes_no_consistency, yes_microprice_norm, no_microprice_norm, yes_book_depth_norm,
    no_book_depth_norm, yes_liquidity_concentration, no_liquidity_concentration,
)  # fmt: skip
