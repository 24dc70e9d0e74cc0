"""Counters and timings of a service, by prometheus-client. Never a ticker as a label: series stay bounded.

Names become ``truebook_<name>_total`` (counters), ``truebook_<name>_seconds`` (durations) and ``truebook_<name>``
(gauges, whose last word is the unit: ``_micros``, ``_ratio``). The label ``service`` is always there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """The metrics every part may use; one registry per process, so that tests do not share them.

    Several services of one process share its registry: ``for_service`` gives each its own label on the same series.
    """

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._service = service
        self._collectors: dict[str, Any] = {}
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}

    def for_service(self, service: str) -> Metrics:
        """Answer the metrics of another service of this process, in the same registry."""
        other = Metrics(service, self.registry)
        other._collectors = self._collectors
        return other

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Count ``truebook_<name>_total``."""
        self._of(name, labels, self._counter).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set ``truebook_<name>``; the unit is the name's last word."""
        self._of(name, labels, self._gauge).set(value)

    def seconds(self, name: str, value: float, **labels: str) -> None:
        """Observe a duration in the histogram ``truebook_<name>_seconds``."""
        self._of(name, labels, self._histogram).observe(value)

    def consumed(self, group: str, amount: int) -> None:
        self.count("consumed", amount, group=group)

    def failed(self, part: str, kind: str) -> None:
        self.count("failures", part=part, kind=kind)

    def total(self, name: str, **labels: str) -> int:
        """Read back what this service has counted under ``name``, summed over the labels that are not given."""
        wanted = {"service": self._service, **labels}
        found = 0
        counter = self._collectors.get(name)
        for family in counter.collect() if counter is not None else ():
            for sample in family.samples:
                if sample.name.endswith("_total") and wanted.items() <= sample.labels.items():
                    found += int(sample.value)
        return found

    def totals(self, name: str, label: str) -> dict[str, int]:
        """Read back what this service has counted under ``name``, by one of its labels."""
        found: dict[str, int] = {}
        counter = self._collectors.get(name)
        for family in counter.collect() if counter is not None else ():
            for sample in family.samples:
                if sample.name.endswith("_total") and sample.labels.get("service") == self._service:
                    value = sample.labels.get(label, "")
                    found[value] = found.get(value, 0) + int(sample.value)
        return found

    def _of(self, name: str, labels: dict[str, str], make: Callable[[str, tuple[str, ...]], Any]) -> Any:
        key = (name, tuple(labels.items()))
        series = self._series.get(key)
        if series is None:
            if name not in self._collectors:
                self._collectors[name] = make(name, ("service", *sorted(labels)))
            series = self._series[key] = self._collectors[name].labels(service=self._service, **labels)
        return series

    def _counter(self, name: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"truebook_{name}", name.replace("_", " "), labels, registry=self.registry)

    def _gauge(self, name: str, labels: tuple[str, ...]) -> Gauge:
        return Gauge(f"truebook_{name}", name.replace("_", " "), labels, registry=self.registry)

    def _histogram(self, name: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(
            f"truebook_{name}_seconds", name.replace("_", " "), labels, registry=self.registry, buckets=_SECONDS
        )
