"""A service's metrics, by prometheus-client. Only what ``metric_table`` declares can be set."""

from __future__ import annotations

from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from truebook.runtime.metric_table import BY_NAME, METRICS, Metric, MetricKind

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class UndeclaredMetric(ValueError):
    """A name, kind or label that ``metric_table`` does not declare: a bug of the caller."""


class Metrics:
    """The metrics of one service. Each process has its own registry, so that tests do not share series.

    Several services of one process share its registry: ``for_service`` gives each its own label on the same series.
    The service's own counters and durations whose labels are known in advance begin at 0, so that a rate includes the
    first event, and "none so far" differs from "not scraped". Gauges do not: a value not yet set is unknown.
    """

    def __init__(self, service: str, *, siblings: Metrics | None = None) -> None:
        self.registry: CollectorRegistry = CollectorRegistry() if siblings is None else siblings.registry
        self.service: Final = service
        self._collectors: dict[str, Any] = {} if siblings is None else siblings._collectors
        self.values: dict[str, float] = {}
        """The newest value of each gauge without labels."""
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}
        for metric in METRICS:
            if metric.service == service and metric.kind is not MetricKind.GAUGE:
                for labels in [{metric.labels[0]: value} for value in metric.known] if metric.labels else [{}]:
                    self._of(metric.name, labels, metric.kind)

    def for_service(self, service: str) -> Metrics:
        """Return the metrics of another service of this process, in the same registry."""
        return Metrics(service, siblings=self)

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add ``amount`` to the counter ``truebook_<name>_total``."""
        self._of(name, labels, MetricKind.COUNTER).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set the gauge ``truebook_<name>``."""
        self._of(name, labels, MetricKind.GAUGE).set(value)
        if not labels:
            self.values[name] = value

    def seconds(self, name: str, value: float, **labels: str) -> None:
        """Observe a duration in the histogram ``truebook_<name>_seconds``."""
        self._of(name, labels, MetricKind.DURATION).observe(value)

    def failed(self, component: str, kind: str) -> None:
        """Count an error that is retried."""
        self.count("failures", component=component, kind=kind)

    def _of(self, name: str, labels: dict[str, str], kind: MetricKind) -> Any:
        key = (name, tuple(labels.items()))
        series = self._series.get(key)
        if series is None:
            metric = _declared(name, kind)
            if set(labels) != set(metric.labels):
                raise UndeclaredMetric(f"metric {name}: labels {sorted(labels)}, declared are {sorted(metric.labels)}")
            if name not in self._collectors:
                self._collectors[name] = _collector(metric, self.registry)
            series = self._series[key] = self._collectors[name].labels(service=self.service, **labels)
        return series


def _declared(name: str, kind: MetricKind) -> Metric:
    metric = BY_NAME.get(name)
    if metric is None or metric.kind is not kind:
        raise UndeclaredMetric(f"no {kind} named {name} is declared in truebook.runtime.metric_table")
    return metric


def _collector(metric: Metric, registry: CollectorRegistry) -> Any:
    name, labels = f"truebook_{metric.name}", ("service", *metric.labels)
    match metric.kind:
        case MetricKind.COUNTER:
            return Counter(name, metric.help, labels, registry=registry)
        case MetricKind.GAUGE:
            return Gauge(name, metric.help, labels, registry=registry)
        case MetricKind.DURATION:
            return Histogram(f"{name}_seconds", metric.help, labels, registry=registry, buckets=_SECONDS)
