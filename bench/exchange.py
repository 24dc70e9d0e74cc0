"""The simulated exchange: its pure core (orders on one core, memory of many listed markets), and as a process."""

from __future__ import annotations

import itertools
import multiprocessing

from bench import exchange_served, exchange_stream
from bench.measure import Row, cpu_s, peak_mb
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
from truebook.simulation.synthetic.presets import Preset
from truebook.simulation.synthetic.traders import Traders, apply
from truebook.simulation.venue.exchange import synthetic_exchange
from truebook.venue.account import OrderRequest

START_US = 1_700_000_000_000_000
ORDERS = 10_000
COMMANDS = 10_000
LISTED, ACTIVE = 10_000, 300
SECONDS = 10
ACCOUNT = "bench"


def bench() -> list[Row]:
    account_s = cpu_s(_account_orders, ORDERS, repeats=3)
    traders_s = cpu_s(_traders, COMMANDS, repeats=3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        before_mb, after_mb, commands = pool.apply(memory)
    return [
        _row("simulated exchange, orders of two accounts: cash checks, fills, fees", account_s),
        _row("simulated exchange with the traders of `gold15m`, commands of all kinds", traders_s),
        Row(
            path=f"memory of {LISTED:,} listed markets, of which {ACTIVE} are traded, after {commands:,} commands",
            ours=f"{after_mb:.0f} MB ({before_mb:.0f} MB without markets)", baseline="–", ratio="–",
            target="< 400 MB", reached=after_mb < 400,
        ),
        *exchange_served.rows(),
        *exchange_stream.rows(),
    ]  # fmt: skip


def _row(path: str, seconds: float) -> Row:
    rate = 1 / seconds
    return Row(
        path=path, ours=f"{rate:,.0f}/s of one core", baseline="–", ratio=f"{seconds * 1e6:.1f} µs each",
        target="≥ 20,000/s", reached=rate >= 20_000,
    )  # fmt: skip


def market(number: int) -> MarketMetadata:
    return MarketMetadata(
        ticker=f"BENCH-{number}-A", event=f"BENCH-{number}", series="BENCH", status=MarketStatus.ACTIVE,
        open_us=START_US, close_us=START_US + 3_600_000_000, price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC,
        fee_multiplier_ppm=1_000_000, exclusive=False,
    )  # fmt: skip


def _account_orders() -> None:
    """Orders of two accounts: one rests, the next one takes it; ten others stay in the book."""
    exchange = synthetic_exchange(1)
    exchange.lifecycle.add_market(market(0), START_US)
    for name in (ACCOUNT, "other"):
        exchange.open_account(name, 10**15)
    for number in range(ORDERS):
        side = BookSide.BID if number % 2 else BookSide.ASK
        price_cc = 4_500 if side is BookSide.BID else 5_500
        price_cc = price_cc if number < 10 else 5_000
        request = OrderRequest(
            ticker="BENCH-0-A", client_order_id=f"c{number}", book_side=side, price_cc=price_cc, size_centi=100
        )
        exchange.place(ACCOUNT if number % 2 else "other", request, START_US + number)


def _traders() -> None:
    exchange = synthetic_exchange(1)
    traders = Traders(1, start_us=START_US, markets=50, preset=Preset.GOLD15M)
    for _ in range(COMMANDS):
        apply(exchange, traders.step())


def memory() -> tuple[float, float, int]:
    """Return MB of this process before and after, and the number of commands in ``SECONDS``."""
    before_mb = peak_mb()
    exchange = synthetic_exchange(1)
    for number in range(LISTED - ACTIVE):
        exchange.lifecycle.add_market(market(number), START_US)
    traders = Traders(1, start_us=START_US, markets=ACTIVE, preset=Preset.GOLD15M)
    for count in itertools.count():
        if traders.next_due_us() > START_US + SECONDS * 1_000_000:
            return before_mb, peak_mb(), count
        command = traders.step()
        apply(exchange, command)
    raise AssertionError("the loop returns")
