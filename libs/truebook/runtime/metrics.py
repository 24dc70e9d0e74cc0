"""Counters and timings of a service, by prometheus-client. Never a ticker as a label: series stay bounded."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """The metrics every part may use; one registry per process, so that tests do not share them."""

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._service = service
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Count ``truebook_<name>_total``."""
        if name not in self._counters:
            self._counters[name] = Counter(
                f"truebook_{name}", name.replace("_", " "), ("service", *labels), registry=self.registry
            )
        self._counters[name].labels(self._service, *labels.values()).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set ``truebook_<name>``; the unit is the name's last word."""
        if name not in self._gauges:
            self._gauges[name] = Gauge(
                f"truebook_{name}", name.replace("_", " "), ("service", *labels), registry=self.registry
            )
        self._gauges[name].labels(self._service, *labels.values()).set(value)

    def seconds(self, name: str, value: float, **labels: str) -> None:
        """Observe a duration in the histogram ``truebook_<name>_seconds``."""
        if name not in self._histograms:
            self._histograms[name] = Histogram(
                f"truebook_{name}_seconds", name.replace("_", " "), ("service", *labels),
                registry=self.registry, buckets=_SECONDS,
            )  # fmt: skip
        self._histograms[name].labels(self._service, *labels.values()).observe(value)

    def consumed(self, group: str, amount: int) -> None:
        self.count("consumed", amount, group=group)

    def failed(self, part: str, kind: str) -> None:
        self.count("failures", part=part, kind=kind)
