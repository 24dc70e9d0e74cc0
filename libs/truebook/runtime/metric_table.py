"""Every metric of Truebook, declared once: name, kind, labels, unit, help. ``Metrics`` refuses all others.

The exposed name is ``truebook_<name>``, with ``_total`` for counters and ``_seconds`` for durations. Each series also
has the label ``service``. A ticker is never a label: the number of series stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from truebook.alerts.notifications import Sort
from truebook.alerts.queue import Result
from truebook.messages.reason_table import BOOKS, OBSERVATION
from truebook.models.guard import BreachKind


class MetricKind(StrEnum):
    """The Prometheus type; ``DURATION`` is a histogram in seconds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    DURATION = "histogram"


class Metric(NamedTuple):
    """One declaration. ``unit`` is the unit of a count or value.

    ``service`` is the service that sets it; empty for all services. ``known`` are the values of its only label that
    are known in advance.
    """

    name: str
    kind: MetricKind
    labels: tuple[str, ...]
    unit: str
    help: str
    known: tuple[str, ...] = ()
    service: str = ""

    @property
    def exposed(self) -> str:
        """The name that Prometheus shows (of a histogram: without ``_bucket``, ``_sum``, ``_count``)."""
        suffix = {MetricKind.COUNTER: "_total", MetricKind.DURATION: "_seconds"}.get(self.kind, "")
        return f"truebook_{self.name}{suffix}"


def _counter(name: str, unit: str, text: str, *labels: str, known: Iterable[str] = ()) -> Metric:
    return Metric(name, MetricKind.COUNTER, labels, unit, text, tuple(known))


def _gauge(name: str, unit: str, text: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.GAUGE, labels, unit, text)


def _duration(name: str, text: str) -> Metric:
    return Metric(name, MetricKind.DURATION, (), "seconds", text)


_BY_SERVICE: Final[Mapping[str, tuple[Metric, ...]]] = MappingProxyType(
    {
        "": (  # every service
            _counter("records_consumed", "records", "Records read from the bus and decoded", "group"),
            _counter("failures", "errors", "Errors that were retried", "component", "kind"),
            _counter("dead_letters", "records", "Records and frames that could not be used", "origin", "reason"),
            _gauge("assigned_partitions", "partitions", "Partitions that Kafka has assigned to this process", "group"),
            _gauge(
                "consumer_lag_records",
                "records",
                "Records of the assigned partitions not yet committed",
                "group",
                "topic",
            ),
            _gauge("clock_offset_seconds", "seconds", "Exchange clock minus this machine's clock"),
            _gauge("lease_held", "0 or 1", "Whether this process holds its service's lease and is the active one"),
        ),
        "ingest": (
            _gauge("selected_markets", "markets", "Markets in the traded universe"),
            _counter("books_invalidated", "books", "Books marked stale", "reason", known=BOOKS.reasons),
            _counter(
                "book_mismatches",
                "books",
                "Fresh books that differed from a new snapshot",
            ),
            _counter("sequence_gaps", "gaps", "Gaps and restarts of a subscription's sequence numbers", "channel"),
            _counter("frames_repeated", "frames", "WebSocket frames that repeat the one before"),
            _counter("frames_unreadable", "frames", "WebSocket frames that could not be parsed"),
            _counter("frames_unknown", "frames", "WebSocket frames of an unknown type"),
            _counter("stream_errors", "errors", "Error frames received on the WebSocket", "code"),
            _counter(
                "dead_letters_withheld",
                "frames",
                "Dead letters not published because their rate limit was used up",
                "reason",
            ),
            _counter(
                "collapsed_messages", "messages", "Unpublished book messages replaced by snapshots after a backlog"
            ),
        ),
        "observation": (
            _counter("observations", "observations", "Observations published"),
            _counter(
                "observations_refused", "observations", "Observations not made", "reason", known=OBSERVATION.reasons
            ),
            _counter(
                "observations_slow",
                "observations",
                "Observations whose features took longer than `observation.slow_ms`",
            ),
            _duration("throttle_wait", "Time from a market's first held-back frame to its observation"),
            _duration("tick_to_observation", "Time from the frame to the published observation"),
        ),
        "policy": (
            _counter(
                "decisions", "decisions", "Decisions made; the reason is `traded` where there are targets", "reason"
            ),
            _counter("observations_dropped", "observations", "Observations that were not decided", "reason"),
            _counter("policy_alarms", "alarms", "Failed inferences and refused models", "kind"),
            _counter("model_switches", "switches", "Changes of the active model"),
            _counter(
                "model_rollbacks",
                "roll-backs",
                "Models rolled back or stopped automatically, by the exceeded limit",
                "kind",
                known=tuple(BreachKind),
            ),
            _gauge("stopped_models", "models", "Whether no model may decide (1), as there is none to roll back to"),
            _counter(
                "shadow_decisions",
                "decisions",
                "Decisions of the shadow model, by agreement with the active one",
                "agrees",
            ),
            _counter(
                "shadow_failures", "failures", "Observations that the shadow could not decide, and its other errors"
            ),
            _counter(
                "shadow_skipped", "messages", "Messages and observations that the shadow run skipped: no time left"
            ),
            _duration("decision", "Time to decide one batch of observations"),
            _duration("tick_to_decision", "Time from the frame to the published action"),
        ),
        "execution": (
            _counter("order_events", "events", "Steps in the life of orders, and refused targets", "outcome", "reason"),
            _duration("tick_to_order", "Time from the frame to the POST of the order, without the throttle's wait"),
            _duration("tick_to_acknowledgement", "Time from the frame to the exchange's acknowledgement"),
            _gauge("unknown_orders", "orders", "Orders sent whose outcome is being probed"),
            _gauge("rate_budget_ratio", "ratio", "Share of the exchange's write tokens that is left"),
            _gauge("open_breakers", "markets", "Markets whose circuit breaker is not closed"),
            _gauge("throttled_sides", "market sides", "Market sides that may not send yet"),
            _gauge("books", "books", "Books that execution follows"),
            _gauge("books_not_fresh", "books", "Followed books older than max_book_age_s"),
            _gauge("oldest_book_seconds", "seconds", "Age of the oldest followed book"),
            _gauge("order_events_queued", "events", "Order events that wait to be published"),
            _counter("order_events_dropped", "events", "Events about unchanged orders not queued: queue full"),
        ),
        "fill_listener": (
            _counter("fills_recorded", "fills", "Fills handed to the ledger, by its outcome", "outcome"),
            _counter(
                "account_events_deferred", "events", "Fills, order updates and settlements not queued: outbox full"
            ),
            _counter("backfill_sweeps", "sweeps", "REST sweeps of the account", "complete", known=("true", "false")),
            _duration("fill_to_ledger", "Time from the exchange's time of a fill to its record in the ledger"),
        ),
        "reconciler": (
            _gauge("model_drawdown_micros", "micros", "Fall of the profit from its peak since the model's activation"),
            _counter("reconciler_repairs", "repairs", "Changes that reconciliation made to the ledger", "outcome"),
            _counter("ledger_transfers", "reports", "Reports of transfers between exchange shards", "outcome"),
            _counter(
                "ledger_records_pruned", "records", "Records of finished orders and markets removed from the ledger"
            ),
            _counter("journal_entries_relayed", "entries", "Ledger entries written to the journal"),
            _gauge(
                "ledger_differences", "differences", "Differences between ledger and exchange at the last comparison"
            ),
            _gauge("ledger_mode", "0 to 3", "Mode of the ledger: 0 running, 1 reduce_only, 2 flattening, 3 halted"),
            _gauge("ledger_trading_holds", "holds", "Trading holds in force"),
            _gauge("ledger_cash_micros", "micro-dollars", "Available cash"),
            _gauge("ledger_shard_cash_micros", "micro-dollars", "Available cash on one exchange shard", "shard"),
            _gauge("ledger_in_transit_micros", "micro-dollars", "Cash on its way between exchange shards"),
            _gauge("ledger_overdrawn_micros", "micro-dollars", "Cash owed beyond what was available"),
            _gauge("ledger_reserved_micros", "micro-dollars", "Cash reserved for open orders"),
            _gauge("ledger_exposure_micros", "micro-dollars", "Cost of the positions"),
            _gauge("ledger_fees_micros", "micro-dollars", "Fees paid since the opening"),
            _gauge("ledger_deposits_micros", "micro-dollars", "Deposits since the opening"),
            _gauge("ledger_adjustments_micros", "micro-dollars", "Residues that reconciliation has recorded"),
            _gauge(
                "ledger_conservation_error_micros", "micro-dollars", "Conservation check: 0 unless money is missing"
            ),
            _gauge("ledger_daily_loss_micros", "micro-dollars", "Loss since the start of the day, at the last mark"),
            _gauge("ledger_drawdown_micros", "micro-dollars", "Fall of the profit from its peak, at the last mark"),
            _gauge("ledger_unvalued_positions", "positions", "Positions without a known value: nothing is marked"),
            _gauge("ledger_sequence", "entries", "Number of the newest ledger entry"),
            _gauge("ledger_open_orders", "orders", "Orders that the ledger holds open"),
            _gauge("ledger_unknown_orders", "orders", "Open orders whose outcome is unknown"),
            _gauge(
                "ledger_unknown_orders_by_age", "orders", "Unknown orders by the time since their reservation", "age"
            ),
            _gauge("ledger_oldest_unknown_order_seconds", "seconds", "Age of the oldest unknown order"),
            _gauge("ledger_parked_fills", "fills", "Fills whose order the ledger does not know yet"),
        ),
        "alerts": (
            _gauge("alerts_in_force", "alerts", "Alerts that were raised and are not over"),
            _gauge("alerts_pending", "notifications", "Notifications that wait for a receiver, over all receivers"),
            _counter("alert_notifications", "notifications", "Notifications that were due", "sort", known=tuple(Sort)),
            _counter("alert_deliveries", "attempts", "Attempts to send to a receiver", "outcome", known=tuple(Result)),
        ),
    }
)
METRICS: Final[tuple[Metric, ...]] = tuple(
    metric._replace(service=service) for service, metrics in _BY_SERVICE.items() for metric in metrics
)

BY_NAME: Final[Mapping[str, Metric]] = MappingProxyType({metric.name: metric for metric in METRICS})
