"""The tables of each section of the report. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from truebook.backtest.analysis.attribution import Group
from truebook.backtest.analysis.bootstrap import Interval
from truebook.backtest.analysis.execution_quality import ALL
from truebook.backtest.analysis.scores import CalibrationBin, Score
from truebook.backtest.analysis.statistics import PassStatistics
from truebook.backtest.report.document import Report, Variant, VariantPass
from truebook.backtest.report.headline import central, interval_text
from truebook.backtest.report.numbers import (
    UNKNOWN,
    cents,
    clock_time,
    contracts,
    count,
    day,
    dollars,
    duration,
    moment,
    multiple,
    optional,
    percent,
    plural,
    score,
    signed_dollars,
    whole_contracts,
    whole_dollars,
)
from truebook.backtest.report.tables import Cell, Table, band, groups_by_key
from truebook.messages.reason_table import EXPLANATIONS
from truebook.money import format_price
from truebook.simulation.recorded.queue import QueueModel

MAX_MARKETS: Final = 40
"""Markets in the table; ``report.json`` has them all."""
FILL_RATES_NOTE: Final = (
    "Rested: joined the queue of a level. Immediate: filled on arrival or never. Both: filled in part on arrival, then"
    " rested."
)
_GROUP_HEADER: Final = ("profit", "before fees", "fees", "fills", "contracts", "turnover")


def summary(passes: Sequence[PassStatistics]) -> Table:
    """The most important values, with a column for each queue model."""
    rows: list[tuple[str, Callable[[PassStatistics], Cell | str]]] = [
        ("profit after fees", lambda one: signed_dollars(one.net_micros)),
        (f"{percent(passes[0].significance.confidence, 0)} interval", lambda one: interval_text(one.significance)),
        ("return on the cash at the start", lambda one: percent(one.return_ratio, 2)),
        ("profit before fees", lambda one: signed_dollars(one.gross_micros)),
        ("fees", lambda one: dollars(one.fees_micros)),
        ("largest drawdown", lambda one: UNKNOWN if one.drawdown is None else dollars(one.drawdown.fall_micros)),
        ("… of its peak", _drawdown_share),
        ("… lowest at", _lowest_at),
        (
            "longest time below a peak",
            lambda one: UNKNOWN if one.drawdown is None else duration(one.drawdown.longest_us),
        ),
        ("highest exposure", lambda one: dollars(one.exposure.max_micros)),
        ("mean exposure", lambda one: dollars(one.exposure.mean_micros)),
        ("highest reserved cash", lambda one: dollars(one.exposure.max_reserved_micros)),
        ("turnover", lambda one: dollars(one.turnover_micros)),
        ("… of the cash at the start", lambda one: multiple(one.turnover_ratio)),
        ("traded markets", lambda one: count(len(one.markets))),
        ("orders", lambda one: count(one.fill_rates[0].orders)),
        ("orders with a fill", lambda one: optional(one.fill_rates[0].order_rate, percent)),
        ("fills", lambda one: count(one.fills)),
        ("ledger equals exchange", lambda one: "yes" if one.ledger_equals_exchange else "NO"),
    ]
    header = ("", *(one.queue for one in passes))
    return Table("Values by queue model", header, [(name, *map(text, passes)) for name, text in rows], is_narrow=True)


def markets(passes: Sequence[PassStatistics]) -> Table:
    """Profit by market, largest amount first."""
    by_pass = [(one.queue, {each.ticker: each for each in one.markets}) for one in passes]
    rows = []
    ordered = largest_markets(passes)
    for ticker in ordered[:MAX_MARKETS]:
        found = [(queue, own[ticker]) for queue, own in by_pass if ticker in own]
        rows.append((
            ticker,
            band(((queue, each.net_micros) for queue, each in found), signed_dollars),
            band(((queue, each.fees_micros) for queue, each in found), dollars),
            band(((queue, each.fills) for queue, each in found), count),
            band(((queue, each.turnover_micros) for queue, each in found), dollars),
            band(((queue, each.position_centi) for queue, each in found), contracts),
            optional(found[0][1].outcome_cc, lambda price_cc: f"${format_price(price_cc)}"),
        ))  # fmt: skip
    left_out = len(ordered) - len(rows)
    note = f"{count(left_out)} other markets with smaller amounts are in `report.json`." if left_out else ""
    header = ("market", "profit", "fees", "fills", "turnover", "last position", "outcome")
    return Table("Profit by market", header, rows, note)


def largest_markets(passes: Sequence[PassStatistics]) -> list[str]:
    """Return the traded markets, largest realistic profit or loss first."""
    net: dict[str, int] = {}
    for one in (central(passes), *passes):
        for each in one.markets:
            net.setdefault(each.ticker, each.net_micros or 0)
    return sorted(net, key=lambda ticker: (-abs(net[ticker]), ticker))


def groups(
    caption: str, first: str, passes: Sequence[PassStatistics], groups_of: Callable[[PassStatistics], Sequence[Group]]
) -> Table:
    """Profit by one property of the fills."""
    rows = [
        (
            key,
            band(((queue, each.net_micros) for queue, each in found), signed_dollars),
            band(((queue, each.gross_micros) for queue, each in found), signed_dollars),
            band(((queue, each.fees_micros) for queue, each in found), dollars),
            band(((queue, each.fills) for queue, each in found), count),
            band(((queue, each.size_centi) for queue, each in found), whole_contracts),
            band(((queue, each.turnover_micros) for queue, each in found), whole_dollars),
        )
        for key, found in groups_by_key(passes, groups_of).items()
    ]
    return Table(caption, (first, *_GROUP_HEADER), rows)


def fill_rates(passes: Sequence[PassStatistics]) -> Table:
    """Fill rates by kind of order."""
    rows = []
    for index, first in enumerate(passes[0].fill_rates):
        found = [(one.queue, one.fill_rates[index]) for one in passes]
        if not any(each.orders for _, each in found):
            continue
        rows.append((
            first.kind,
            band(((queue, each.orders) for queue, each in found), count),
            band(((queue, each.with_fill) for queue, each in found), count),
            band(((queue, each.order_rate) for queue, each in found), percent),
            band(((queue, each.size_rate) for queue, each in found), percent),
            band(((queue, each.median_us) for queue, each in found), duration),
        ))  # fmt: skip
    header = ("orders", "number", "with a fill", "of the orders", "of the size", "median time to the first fill")
    return Table("Fill rates", header, rows, FILL_RATES_NOTE)


def mark_outs(passes: Sequence[PassStatistics]) -> Table:
    """Mark-outs by role and time."""
    rows = []
    middle = central(passes).queue
    for role, after_s in {(each.role, each.after_s): None for one in passes for each in one.mark_outs}:
        found = [
            (one.queue, each)
            for one in passes
            for each in one.mark_outs
            if (each.role, each.after_s) == (role, after_s)
        ]
        shown = next((each for queue, each in found if queue is middle), found[0][1])
        rows.append((
            f"{'all fills' if role == ALL else role}, {after_text(after_s)}",
            band(((queue, each.fills) for queue, each in found), count),
            band(((queue, each.mean_cc) for queue, each in found), cents),
            _interval(shown.interval, cents),
        ))  # fmt: skip
    note = (
        "Profit per contract against the mid price then, before fees, weighted by size. A maker whose value falls with"
        " time is filled when the price moves against the order (adverse selection)."
    )
    return Table("Mark-outs", ("fills", "number", "mean per contract", "95 % interval"), rows, note)


def after_text(after_s: int) -> str:
    """Return a horizon of a mark-out as text."""
    return f"after {after_s} s" if after_s else "at the fill"


def funnel(passes: Sequence[PassStatistics]) -> Table:
    """From observations to fills."""
    rows = [
        (stage.name, *(count(one.funnel[index].count) for one in passes))
        for index, stage in enumerate(passes[0].funnel)
    ]
    return Table("From observations to fills", ("stage", *(one.queue for one in passes)), rows, is_narrow=True)


def refusals(passes: Sequence[PassStatistics]) -> Table:
    """Refusals by reason, most frequent first."""
    names = {reason: None for one in (central(passes), *passes) for reason in one.refusals}
    rows = [
        (
            f"`{reason}`",
            band(((one.queue, one.refusals.get(reason, 0)) for one in passes), count),
            EXPLANATIONS[reason].meaning if reason in EXPLANATIONS else "",
        )
        for reason in names
    ]
    return Table("Refusals", ("reason", "number", "meaning"), rows, text_columns=frozenset({2}), is_narrow=True)


def scores(passes: Sequence[PassStatistics]) -> Table:
    """Scores of the probabilities; those of the realistic pass, since they hardly depend on the queue."""
    found = central(passes).scores
    if found is None:
        return Table("Scores", (), ())
    rows = [_score_row("Brier score", found.brier), _score_row("log loss", found.log_loss)]
    note = (
        f"{plural(found.predictions, 'prediction')} of {plural(found.events, 'event')}; each event counts once. Lower"
        " is better; a negative difference favours the model."
    )
    return Table("Scores of the probabilities", ("", "model", "market", "difference", "95 % interval"), rows, note)


def calibration(passes: Sequence[PassStatistics]) -> Table:
    """Calibration of the model and of the market's price."""
    found = central(passes).scores
    if found is None:
        return Table("Calibration", (), ())
    sources = (("model", found.model_calibration), ("market", found.market_calibration))
    rows = [_bin_row(source, each) for source, bins in sources for each in bins]
    header = ("probability", "predictions", "events", "mean predicted", "settled YES", "95 % interval")
    return Table("Calibration", header, rows, "Settled YES: the mean settlement value, by prediction.")


def variants(caption: str, first: str, found: Sequence[Variant], note: str = "") -> Table:
    """Results side by side."""
    rows = [
        (
            Cell(each.label, "this result" if each.is_this else ""),
            band(((one.queue, one.net_micros) for one in each.passes), signed_dollars),
            _shown_interval(each.passes),
            band(((one.queue, one.return_ratio) for one in each.passes), percent_2),
            band(((one.queue, one.order_rate) for one in each.passes), percent),
            band(((one.queue, one.size_rate) for one in each.passes), percent),
            band(((one.queue, one.fills) for one in each.passes), count),
            band(((one.queue, one.turnover_micros) for one in each.passes), whole_dollars),
            band(((one.queue, one.max_exposure_micros) for one in each.passes), whole_dollars),
            band(((one.queue, one.refused) for one in each.passes), count),
        )
        for each in found
    ]
    header = (
        first, "profit", "95 % interval", "return", "orders filled", "size filled", "fills", "turnover",
        "highest exposure", "refused",
    )  # fmt: skip
    return Table(caption, header, rows, note)


def _shown_interval(passes: Sequence[VariantPass]) -> str:
    """Return the interval of the realistic (or the only) pass."""
    shown = next((one for one in passes if one.queue is QueueModel.REALISTIC), passes[0]).interval
    if shown is None:
        return UNKNOWN
    return f"{signed_dollars(shown.low_micros)} to {signed_dollars(shown.high_micros)}"


def percent_2(ratio: float) -> str:
    """Format a ratio with two decimals."""
    return percent(ratio, 2)


def inputs(report: Report) -> Table:
    """Data, model and settings."""
    data, model, settings = report.data, report.model, report.settings
    rows = [
        ("data", data.name), ("… SHA-256", f"`{data.sha256}`"),
        ("from", moment(data.from_us)), ("to", moment(data.reached_us)),
        ("markets", count(len(data.markets))), ("recorded events", count(data.events)),
        ("model", f"{model.name} ({model.layout}, {model.output})"), ("… SHA-256", f"`{model.sha256}`"),
        ("… trained", model.trained or UNKNOWN), ("cash at the start", dollars(settings.balance_micros)),
        ("latency of orders", _latency(settings.order_latency_us, settings.jitter_us)),
        ("latency of cancels", _latency(settings.cancel_latency_us, settings.jitter_us)),
        ("latency profile", settings.latency or UNKNOWN), ("throttle", duration(settings.throttle_us)),
        ("lifetime of an order", duration(settings.order_lifetime_us)),
        ("factor of the sizes", multiple(settings.size_ppm / 1_000_000)), ("seed", str(settings.seed)),
        ("accounts", count(settings.accounts)),
    ]  # fmt: skip
    return Table("Data, model and settings", ("", ""), rows, text_columns=frozenset({1}), is_narrow=True)


def _score_row(name: str, found: Score) -> tuple[str, ...]:
    interval = _interval(found.difference_interval, score)
    return name, score(found.model), score(found.market), score(found.difference), interval


def _bin_row(source: str, found: CalibrationBin) -> tuple[str, ...]:
    return (
        f"{source}, {100 * found.low:.0f} to {100 * found.high:.0f} %", count(found.predictions), count(found.events),
        percent(found.mean_predicted), percent(found.observed), _interval(found.observed_interval, percent),
    )  # fmt: skip


def _interval(found: Interval | None, form: Callable[[float], str]) -> str:
    return UNKNOWN if found is None else f"{form(found.low)} to {form(found.high)}"


def _lowest_at(one: PassStatistics) -> Cell | str:
    return UNKNOWN if one.drawdown is None else Cell(day(one.drawdown.trough_us), clock_time(one.drawdown.trough_us))


def _drawdown_share(one: PassStatistics) -> str:
    if one.drawdown is None or one.drawdown.peak_micros <= 0:
        return UNKNOWN
    return percent(one.drawdown.fall_micros / one.drawdown.peak_micros, 2)


def _latency(us: int, jitter_us: int) -> str:
    return f"{duration(us)} and up to {duration(jitter_us)} more" if jitter_us else duration(us)
