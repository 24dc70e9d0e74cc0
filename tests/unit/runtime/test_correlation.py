from __future__ import annotations

import structlog
from structlog.testing import capture_logs

from support.samples import action
from truebook.runtime.correlation import Correlations


def test_a_chain_of_causes_has_the_id_of_its_root() -> None:
    correlations = Correlations()
    chain = [action(id=name, cause_id=cause) for name, cause in (("delta", ""), ("obs", "delta"), ("act", "obs"))]
    assert [correlations.root(message) for message in chain] == ["delta"] * 3
    assert correlations.root(action(id="fill", cause_id="act")) == "delta"


def test_a_cause_from_another_process_is_the_root_here() -> None:
    correlations = Correlations()
    assert correlations.root(action(id="act", cause_id="obs")) == "obs"
    assert correlations.root(action(id="order", cause_id="act")) == "obs"


def test_the_number_of_roots_is_bounded() -> None:
    correlations = Correlations(max_messages=2)
    for name in ("a", "b", "c"):
        correlations.root(action(id=name, cause_id=f"root-{name}"))
    assert len(correlations._roots) == 2
    assert correlations.root(action(id="x", cause_id="c")) == "root-c"
    assert correlations.root(action(id="y", cause_id="a")) == "a"


def test_every_line_written_inside_carries_the_correlation() -> None:
    correlations = Correlations()
    log = structlog.get_logger()
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        with correlations.bound(action(id="delta", cause_id="")):
            log.info("inside")
        log.info("outside")
    assert [line.get("correlation") for line in lines] == ["delta", None]
