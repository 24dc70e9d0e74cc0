"""``truebook splits``: walk-forward windows of a recording, to train in one and to test in a later one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from truebook.backtest.analysis.splits import MarketSpan, Split, Window, market_spans, markets_within, walk_forward
from truebook.backtest.report.numbers import plural
from truebook.capture.columns import read_columns, tickers
from truebook_services.cli.amounts import parse_duration
from truebook_services.cli.errors import UsageError
from truebook_services.cli.operator import Json, print_json
from truebook_services.cli.output import last_output

Data = Annotated[Path, typer.Argument(help="A recording.")]
Train = Annotated[str, typer.Option(help="Length of a window to train in, such as 2h.")]
Test = Annotated[str, typer.Option(help="Length of a window to test in; the next split begins after it.")]
Embargo = Annotated[str, typer.Option(help="Time between the two that neither uses.")]
Expanding = Annotated[bool, typer.Option("--expanding", help="Train from the beginning in every split.")]


class SplitWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A window without its end, and the markets whose data are completely in it."""

    from_us: int
    to_us: int
    markets: tuple[str, ...]


class WalkForwardSplit(msgspec.Struct, frozen=True, kw_only=True):
    train: SplitWindow
    test: SplitWindow


class SplitList(msgspec.Struct, frozen=True, kw_only=True):
    """All splits, oldest first."""

    splits: tuple[WalkForwardSplit, ...]


def splits(
    data: Data, train: Train, test: Test, embargo: Embargo = "0s", expanding: Expanding = False, json_: Json = False
) -> None:
    """Divide a recording into windows to train and to test in, by time."""
    spans = market_spans(tickers(data), read_columns(data))
    if not spans:
        raise UsageError(f"{data}: no market has an event")
    whole = Window(min(each.first_us for each in spans), max(each.last_us for each in spans) + 1)
    found = walk_forward(
        whole, train_us=_us(train), test_us=_us(test), embargo_us=_us(embargo), is_expanding=expanding
    )  # fmt: skip
    listed = SplitList(splits=tuple(_described(each, spans) for each in found))
    if json_:
        print_json(listed)
        return
    with last_output():
        used = [each for each in listed.splits if each.train.markets and each.test.markets]
        for each in used:
            print(f"train {_text(each.train)}; test {_text(each.test)}")
        left_out = len(listed.splits) - len(used)
        if left_out or not used:
            print(f"{plural(left_out, 'split')} without a market in train or test not shown (--json has all)")


def _us(duration: str) -> int:
    return round(parse_duration(duration) * 1_000_000)


def _described(split: Split, spans: tuple[MarketSpan, ...]) -> WalkForwardSplit:
    return WalkForwardSplit(train=_window(split.train, spans), test=_window(split.test, spans))


def _window(window: Window, spans: tuple[MarketSpan, ...]) -> SplitWindow:
    return SplitWindow(from_us=window.from_us, to_us=window.to_us, markets=tuple(markets_within(spans, window)))


def _text(window: SplitWindow) -> str:
    first, last = (
        f"{datetime.fromtimestamp(us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}" for us in (window.from_us, window.to_us)
    )
    return f"{first} to {last} ({plural(len(window.markets), 'market')})"
