"""Many decisions at once equal the single form on every observation of a recorded session."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from support.recordings import recording
from truebook.backtest.dataset.observing import observe
from truebook.backtest.dataset.request import DatasetRequest
from truebook.decision.decide import decide, decide_action
from truebook.decision.many import decide_actions
from truebook.decision.many_quotes import decide_probabilities
from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.features.layout import layout
from truebook.runtime.settings import load
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

TERMS: tuple[dict[str, Any], ...] = ({}, {"kelly_fraction_ppm": 100_000, "min_edge_cc": 20}, {"take_edge_cc": 50})


def test_decisions_of_a_recorded_session_equal_each_alone(tmp_path: Path) -> None:
    path, draw = recording("ws", "jfreun123_demo_20260701_session.jsonl"), random.Random(1)
    settings = engine_settings(load(EmbeddedSettings), path)
    request = DatasetRequest(recording=path, out=tmp_path, settings=settings, layout=layout("m1"))
    made = [one for block in observe(request) for one in block.observations]
    seen = [msgspec.structs.replace(one, position_centi=draw.choice([0, 0, 500, -300, 37])) for one in made]
    assert len(seen) > 500
    for rule, terms in product(PriceRule, TERMS):
        quoting = Strategy(output=Output.YES_PROBABILITY, price_rule=rule, sizes_centi=(1_000,), **terms)
        fair = [(one.best_bid_cc + one.best_ask_cc) / 20_000 + draw.gauss(0, 0.03) for one in seen]
        fair = [min(1.0, max(0.0, each)) for each in fair]
        alone = [decide(one, [each], quoting) for one, each in zip(seen, fair, strict=True)]
        assert decide_probabilities(seen, fair, quoting) == alone
        acting = Strategy(output=Output.ACTION_LOGITS, price_rule=rule, sizes_centi=(500, 2_000))
        actions = [draw.randrange(acting.outputs) for _ in seen]
        alone = [decide_action(one, action, acting) for one, action in zip(seen, actions, strict=True)]
        assert decide_actions(seen, actions, acting) == alone
