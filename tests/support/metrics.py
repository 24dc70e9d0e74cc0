"""Read counters back."""

from __future__ import annotations

from truebook.runtime.metric_table import BY_NAME, MetricKind
from truebook.runtime.metrics import Metrics


def counted(metrics: Metrics, name: str, **labels: str) -> int:
    """Return what the service has counted under ``name``, summed over the labels that are not given."""
    metric = BY_NAME[name]
    assert metric.kind is MetricKind.COUNTER and labels.keys() <= set(metric.labels), (name, labels)
    expected = {"service": metrics.service, **labels}
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    return int(sum(s.value for s in samples if s.name == metric.exposed and expected.items() <= s.labels.items()))
