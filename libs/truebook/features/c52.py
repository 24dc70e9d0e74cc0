"""Layout ``c52``: the 52 features of the predecessor's final layout, at their places, with its defects mended.

26 of the market, 10 of time and history, 11 of the portfolio, 5 of our orders. Each mend is listed in
``docs/observation.md``: a model that was trained on the original's vectors has seen other numbers.
"""

from __future__ import annotations

from typing import Final

from truebook.features.c52_account import ACCOUNT_FEATURES
from truebook.features.c52_market import MARKET_FEATURES
from truebook.features.c52_temporal import TEMPORAL_FEATURES
from truebook.features.feature import Feature

C52_FEATURES: Final[tuple[Feature, ...]] = (*MARKET_FEATURES, *TEMPORAL_FEATURES, *ACCOUNT_FEATURES)
