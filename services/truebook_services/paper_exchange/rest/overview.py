"""The operator's page of the simulated exchange: accounts, markets and faults, without a script.

``GET /simulated`` from this machine. A browser asks for a password: it is the operator's token, with any user name. The
page reads only, and loads itself again every five seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.money import format_dollars, format_price, format_size
from truebook.simulation.venue.queries import VenueQueries
from truebook.venue.account import OrderStatus
from truebook_services.paper_exchange.rest.operator_access import guarded
from truebook_services.paper_exchange.rest.requests import ExchangeState
from truebook_services.paper_exchange.sockets import Connections

PATH: Final = "/simulated"
REFRESH_S: Final = 5
MAX_MARKETS: Final = 200
"""Markets that are listed: those with orders or positions of accounts first, then the open ones."""
_MICROS: Final = 1_000_000
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_STYLE: Final = """
:root{color-scheme:light dark;--text:#1b1f24;--soft:#57606a;--line:#d0d7de;--back:#fff;--card:#f6f8fa;
--good:#116329;--warn:#9a3412}
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--soft:#9da7b3;--line:#30363d;--back:#0d1117;--card:#161b22;
--good:#56d364;--warn:#f0883e}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem;font:15px/1.45 system-ui,sans-serif;color:var(--text);
background:var(--back)}
h1{font-size:1.3rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.6rem 0 .5rem}
p{margin:.3rem 0;color:var(--soft)}code{font-size:.9em;overflow-wrap:anywhere;color:var(--text)}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:6px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th{background:var(--card);color:var(--soft);font-weight:600}th:first-child,td:first-child,.text{text-align:left}
tr:last-child td{border-bottom:0}.good{color:var(--good)}.warn{color:var(--warn)}
"""


def overview_routes(state: ExchangeState, connections: Connections, token: str | None) -> list[Route]:
    """Return the page's route; none without a token."""
    if token is None:
        return []

    async def show(_: Request) -> Response:
        return HTMLResponse(page(state, connections.open_sockets), headers=_HEADERS)

    return [Route(PATH, guarded(show, token, asks_for_password=True), methods=["GET"])]


def page(state: ExchangeState, sockets: int) -> str:
    """Return the page as HTML: the state of this moment."""
    queries = state.engine.queries
    tier = state.limits.wire_limits()["usage_tier"]
    about = (
        f"{escape(state.market_data)} · tier {escape(tier)} · API {escape(state.spec)} · "
        f"{sockets} WebSocket{'' if sockets == 1 else 's'} · exchange {escape(state.exchange_id[:8])}"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Simulated exchange</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{REFRESH_S}">'
        f"<style>{_STYLE}</style></head><body><main><h1>Simulated exchange</h1>"
        f"<p>{about}</p><h2>Accounts</h2>{_accounts(state, queries)}<h2>Faults</h2>{_faults(state)}"
        f"<h2>Markets</h2>{_markets(state, queries)}</main></body></html>"
    )


def _accounts(state: ExchangeState, queries: VenueQueries) -> str:
    rows = []
    for name in queries.all_accounts():
        positions = queries.positions(name)
        held = [queries.position(name, one) for one in (*queries.traded_tickers(name), *queries.settled_tickers(name))]
        realized_micros = sum(one.realized_micros - one.fees_micros for one in held if one is not None)
        available_micros = sum(shard.balance_micros for shard in queries.balance(name).by_shard)
        rows.append(
            (
                escape(name),
                format_dollars(available_micros),
                format_dollars(queries.held_micros(name)),
                _signed(realized_micros),
                f"{len(positions):,}",
                f"{len(queries.orders(name, status=OrderStatus.RESTING)):,}",
                f"{queries.fill_count(name):,}",
                f"<code>{escape(', '.join(state.authenticator.key_ids_of(name))) or '–'}</code>",
            )
        )
    heads = ("account", "available", "held by orders", "realized, net", "positions", "resting", "fills", "key ids")
    return _table(heads, rows)


def _faults(state: ExchangeState) -> str:
    now_us, happened = state.now_us(), state.faults.happened
    scheduled = state.faults.schedule.listed()
    text = ", ".join(f"<code>{escape(one)}</code>" for one in scheduled) if scheduled else "none"
    rows = [
        (escape(kind.value), f"{count:,}", f"{(now_us - at_us) // _MICROS:,} s ago")
        for kind, (count, at_us) in happened.items()
    ]
    table = _table(("happened", "times", "last"), rows) if rows else ""
    return f"<p>Scheduled: {text}</p>{table}"


def _markets(state: ExchangeState, queries: VenueQueries) -> str:
    resting: dict[str, int] = {}
    positions: dict[str, int] = {}
    for name in queries.all_accounts():
        for order in queries.orders(name, status=OrderStatus.RESTING):
            resting[order.ticker] = resting.get(order.ticker, 0) + 1
        for held in queries.positions(name):
            positions[held.ticker] = positions.get(held.ticker, 0) + 1
    used = {*resting, *positions}
    listed = sorted(queries.markets(), key=lambda one: (one.ticker not in used, _is_ended(one), one.close_us))
    rows = []
    for market in listed[:MAX_MARKETS]:
        book, stats = queries.book(market.ticker), state.stats.of(market.ticker)
        left_s = (market.close_us - state.now_us()) // _MICROS
        rows.append(
            (
                escape(market.ticker),
                _status(market.status),
                _level(book.best(BookSide.BID)),
                _level(book.best(BookSide.ASK)),
                _cents(stats.last_price_cc) if stats.last_price_cc else "–",
                f"{market.volume_centi // 100:,}",
                str(resting.get(market.ticker, "–")),
                str(positions.get(market.ticker, "–")),
                _duration(left_s) if left_s > 0 else _outcome(market),
            )
        )
    heads = ("market", "status", "bid", "ask", "last", "volume", "orders", "positions", "closes in")
    more = len(listed) - MAX_MARKETS
    return _table(heads, rows) + (f"<p>{more:,} more are not shown.</p>" if more > 0 else "")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _status(status: MarketStatus) -> str:
    return f'<span class="{"good" if status is MarketStatus.ACTIVE else "warn"}">{status.value}</span>'


def _is_ended(market: MarketMetadata) -> bool:
    return market.status in (MarketStatus.CLOSED, MarketStatus.DETERMINED, MarketStatus.FINALIZED)


def _level(level: tuple[int, int] | None) -> str:
    return "–" if level is None else f"{_cents(level[0])} × {format_size(level[1])}"


def _cents(price_cc: int) -> str:
    return f"${format_price(price_cc)}"


def _outcome(market: MarketMetadata) -> str:
    return "–" if market.settlement_cc is None else f"pays {_cents(market.settlement_cc)}"


def _signed(micros: int) -> str:
    text = format_dollars(micros)
    return f"+{text}" if micros > 0 and text != format_dollars(0) else text


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7_200 else f"{seconds // 3_600} h"
