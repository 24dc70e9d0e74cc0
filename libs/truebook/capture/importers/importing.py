"""Import recorded data of any readable format as a recording of format 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from truebook.capture.columnar.writer import ColumnarWriter
from truebook.capture.event_types import BookGap, CapturedEvent, SkippedFrame, SkipReason
from truebook.capture.importers.merge import merge
from truebook.capture.importers.recognise import open_source
from truebook.capture.importers.source import BytesRead, DataFormat, ImportSource
from truebook.capture.manifest import CaptureError
from truebook.capture.market_metadata import SeenMarkets
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.messages.market_metadata import MarketMetadata, MarketStatus

REPORT_EVERY: Final = 8_192
"""Events between two reports of the progress."""
Progress = Callable[[int, int, int], None]
"""Takes bytes read, bytes in total and the number of events so far."""


class Imported(msgspec.Struct, frozen=True):
    """What was imported. ``rows`` are those of the Parquet files, ``assumed`` the markets with assumed metadata."""

    data_format: DataFormat
    events: int
    rows: int
    markets: int
    assumed: tuple[str, ...]
    gaps: int
    skipped: int


def import_data(
    path: Path, out: Path, data_format: DataFormat | None = None, *, progress: Progress = lambda *_: None,
    version: str = "",
) -> Imported:  # fmt: skip
    """Import data into the new folder ``out``; raises ``CaptureError`` and then leaves nothing there."""
    counter, seen, followed = BytesRead(), SeenMarkets(), _FollowedBooks()
    source = open_source(path, data_format, counter)
    count = 0
    with ColumnarWriter(
        out, source=source.source, imported_from=str(source.data_format), hosts=source.hosts,
        versions={"truebook": version} if version else None,
    ) as writer:  # fmt: skip
        counter.count = 0
        for captured in followed.check(merge(source.streams)):
            writer.add(captured)
            seen.add(captured.at_us, captured.event)
            count += 1
            if count % REPORT_EVERY == 0:
                progress(counter.count, source.bytes_total, count)
        if not count:
            raise CaptureError(f"{path}: no events in it; nothing was recorded")
        markets, assumed = _markets(path, source, seen)
        manifest = writer.finish(markets)
    progress(source.bytes_total, source.bytes_total, count)
    return Imported(
        source.data_format, count, sum(one.lines for name, one in manifest.files.items() if name.endswith(".parquet")),
        len(markets), assumed, followed.gaps, followed.skipped,
    )  # fmt: skip


def _markets(path: Path, source: ImportSource, seen: SeenMarkets) -> tuple[list[MarketMetadata], tuple[str, ...]]:
    """Return the metadata of all markets, and the tickers for which it was assumed."""
    missing = sorted(set(seen.tickers) - set(source.metadata))
    if missing and source.has_metadata:
        raise CaptureError(f"{path}: {missing[0]} has events, but the data describe no such market; add its metadata")
    assumed = {one.ticker: one for one in seen.assumed()}
    markets = [
        _completed(source.metadata.get(ticker, one), one, source) for ticker, one in assumed.items()
    ]  # fmt: skip
    if source.data_format is DataFormat.RECORDING:
        markets += [one for ticker, one in source.metadata.items() if ticker not in assumed]
    return markets, tuple(missing)


def _completed(market: MarketMetadata, seen: MarketMetadata, source: ImportSource) -> MarketMetadata:
    """Add what else is known: the outcome, an assumed grid that contains the prices, and assumed sides of trades."""
    if (settlement_cc := source.outcomes.get(market.ticker)) is not None:
        known = tuple(name for name in market.assumed if name != "status")
        market = replace(market, settlement_cc=settlement_cc, status=MarketStatus.FINALIZED, assumed=known)
    if "price_ranges" in market.assumed:
        market = replace(market, price_ranges=seen.price_ranges)
    if market.ticker in source.assumed_sides:
        market = replace(market, assumed=(*market.assumed, "taker_side"))
    return market


class _FollowedBooks:
    """Marks changes of unknown books as skipped: before a market's first snapshot, and after a gap."""

    def __init__(self) -> None:
        self.gaps = 0
        self.skipped = 0
        self._known: set[str] = set()

    def check(self, events: Iterable[CapturedEvent]) -> Iterator[CapturedEvent]:
        """Iterate over the events with the changes of unknown books replaced."""
        for captured in events:
            match captured.event:
                case DeltaFrame(ticker=ticker):
                    if ticker not in self._known:
                        self.skipped += 1
                        skipped = SkippedFrame(SkipReason.NOT_FOLLOWED)
                        yield CapturedEvent(captured.at_us, captured.connection, skipped)
                        continue
                case SnapshotFrame(ticker=ticker):
                    self._known.add(ticker)
                case BookGap(tickers=tickers):
                    self.gaps += 1
                    self._known.difference_update(tickers)
                case SkippedFrame():
                    self.skipped += 1
            yield captured
