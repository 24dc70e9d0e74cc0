"""Prints for people what ``truebook why`` returns: the funnel, and the last decisions in one market."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from truebook.evidence.records import DecisionRecord, MarketRecord, Step
from truebook.messages.reason_table import EXCLUSIONS
from truebook.money import format_price, format_size
from truebook_services.cli.hold_texts import explained
from truebook_services.operator.port import Why

SHOWN_DECISIONS: Final = 10


def print_why(why: Why) -> None:
    """Write to standard output."""
    console, funnel = Console(markup=False), why.funnel
    running = "" if why.alive else ", not running"
    title = f"{_time(funnel.from_us)} to {_time(funnel.to_us)}{running}"
    table = Table("stage", title=title, title_justify="left")
    table.add_column("count", justify="right")
    table.add_column("lost here, by reason")
    for stage in funnel.stages:
        table.add_row(stage.name, f"{stage.count:,}", _counts(stage.lost))
    console.print(table)
    if why.holds:
        for hold in why.holds:
            console.print(Text(f"trading hold: {explained(hold)}"))
    console.print(Text(funnel.verdict))
    if why.market is not None:
        _print_market(console, why.market)


def _print_market(console: Console, market: MarketRecord) -> None:
    excluded = f"{market.exclusion}: {EXCLUSIONS[market.exclusion].sentence()}" if market.exclusion else "no reason yet"
    selected = "selected" if market.selected else f"not selected, {excluded}"
    book = "fresh" if market.stale is None else f"stale: {market.stale}"
    observed = _time(market.observed_us) if market.observed_us else "never"
    console.print(Text(f"\n{market.ticker}: {selected}; {market.status or 'status unknown'}; book {book}; ", end=""))
    console.print(Text(f"{market.book_updates:,} book updates; last observed {observed}"))
    if market.refused:
        console.print(Text(f"  not observed or not decided: {_counts(market.refused)}"))
    if market.counted:
        newest = f"{_time(market.counted_us)} {market.counted_reason}"
        console.print(Text(f"  decisions that change nothing: {_counts(market.counted)}; the newest {newest}"))
    for decision in market.decisions[-SHOWN_DECISIONS:][::-1]:
        console.print(Text(f"  {_decision(decision)}"))
        for step in decision.steps:
            console.print(Text(f"    {_step(step)}"))


def _counts(by_reason: dict[str, int]) -> str:
    return "  ".join(f"{reason} {count:,}" for reason, count in by_reason.items())


def _decision(decision: DecisionRecord) -> str:
    bid_cc, ask_cc = decision.bid_cc, decision.ask_cc
    best = f"{format_price(bid_cc)} / {format_price(ask_cc)}" if bid_cc is not None and ask_cc is not None else "?"
    targets = ", ".join(
        f"{target.book_side} {format_size(target.size_centi)} @ {format_price(target.price_cc)}"
        for target in decision.targets
    )
    return f"{_time(decision.at_us)}  {best}  {decision.model}: {targets or decision.reason or 'no action'}"


def _step(step: Step) -> str:
    terms = f"{step.book_side or ''} {format_size(step.size_centi)} @ {format_price(step.price_cc)}"
    reason = f": {step.reason}" if step.reason else ""
    detail = f" ({step.detail})" if step.detail else ""
    return f"{step.outcome}{reason}{detail}  {terms}"


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
