"""A ``LiveSource`` with made data: 300 markets whose prices move at each call of ``advance``; deterministic."""

from __future__ import annotations

import random

import msgspec

from support.samples import NOW_US
from truebook.evidence.records import DecisionRecord, Funnel, Stage, Step
from truebook.live.system_views import (
    AccountPoint,
    AccountState,
    ActionsMinute,
    CalibrationBin,
    DeadLetterRow,
    LabelledObservation,
    ModelView,
    ProbabilityPoint,
    ServiceRow,
    ServiceState,
    SystemView,
)
from truebook.live.views import (
    Changes,
    DecisionRow,
    DecisionState,
    Event,
    EventKind,
    Level,
    Lifecycle,
    MarketDetail,
    MarketRow,
    OpenOrder,
    OrderLife,
    OwnFill,
    PricePoint,
)
from truebook.messages.actions import Target
from truebook.messages.envelope import BookSide
from truebook_services.operator.live import LiveSource

SERVICES = ("ingest", "observation", "policy", "execution", "fill_listener", "reconciler")
STEP_US = 500_000


class MadeLive(LiveSource):
    """Made data. Market 7 has a stale book, market 8 is not selected, market 9 has no bids."""

    def __init__(self, markets: int = 300, *, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self.now_us = NOW_US
        self._version = 0
        self._numbers = markets
        self._rows = {row.ticker: row for row in (self._made_row(number) for number in range(markets))}
        self._changed = dict.fromkeys(self._rows, 0)
        self._removed: dict[str, int] = {}
        self._points = [self._point(NOW_US - (240 - n) * 60_000_000, n) for n in range(240)]
        self._decisions: list[DecisionRow] = []
        self._events: list[Event] = []
        self._log: list[tuple[int, AccountPoint | Event | DecisionRow]] = []
        self.is_live = True
        for number in range(20):
            self._decide(number)

    def advance(self, changes: int = 60) -> None:
        """Move the time by half a second, and so many markets' prices."""
        self.now_us += STEP_US
        self._version += 1
        for ticker in self._random.sample(sorted(self._rows), min(changes, len(self._rows))):
            row = self._rows[ticker]
            if row.stale is None and row.bid_cc is not None and row.ask_cc is not None:
                move = self._random.choice((-100, 0, 100))
                bid_cc = min(9_700, max(100, row.bid_cc + move))
                row = msgspec.structs.replace(
                    row, bid_cc=bid_cc, ask_cc=bid_cc + 200, bid_centi=self._random.randint(1, 90) * 100,
                    mids=(*row.mids[1:], bid_cc + 100),
                )  # fmt: skip
            self._rows[ticker] = msgspec.structs.replace(row, updates=row.updates + 1, updated_us=self.now_us)
            self._changed[ticker] = self._version
        if self._version % 4 == 0:
            self._decide(self._version)
            self._log.append((self._version, self._point(self.now_us, 240 + self._version)))
            self._points.append(self._point(self.now_us, 240 + self._version))

    def touch(self, ticker: str) -> None:
        """Change one market."""
        self._version += 1
        row = self._rows[ticker]
        self._rows[ticker] = msgspec.structs.replace(row, updates=row.updates + 1)
        self._changed[ticker] = self._version

    def remove(self, ticker: str) -> None:
        """Drop a market, as one that has closed."""
        del self._rows[ticker], self._changed[ticker]
        self._version += 1
        self._removed[ticker] = self._version

    async def changes(self, since: str | None = None) -> Changes:
        known = None if since is None or not since.isdigit() or int(since) > self._version else int(since)
        after = -1 if known is None else known
        log = [each for version, each in self._log if version > after]
        return Changes(
            version=str(self._version), is_complete=known is None, is_live=self.is_live, at_us=self.now_us,
            rows=tuple(self._rows[ticker] for ticker, version in self._changed.items() if version > after),
            removed=tuple(t for t, version in self._removed.items() if known is not None and version > after),
            decisions=tuple(self._decisions if known is None else (d for d in log if isinstance(d, DecisionRow))),
            points=tuple(self._points if known is None else (p for p in log if isinstance(p, AccountPoint))),
            events=tuple(self._events if known is None else (e for e in log if isinstance(e, Event))),
            services=self._services(), account=self._account(), funnel=self._funnel(),
        )  # fmt: skip

    async def market(self, ticker: str) -> MarketDetail | None:
        row = self._rows.get(ticker)
        if row is None:
            return None
        own_centi, prices = 500, []
        for number in range(300):
            bid_cc = max(100, (row.bid_cc or 4_000) + 100 * ((number * 7) % 5 - 2))
            prices.append(PricePoint(self.now_us - (300 - number) * 5_000_000, bid_cc, bid_cc + 200))
        order = OpenOrder(
            client_order_id="tb1-open", exchange_order_id="x-open", ticker=ticker, book_side=BookSide.BID,
            price_cc=row.bid_cc or 4_000, size_centi=1_000, remaining_centi=own_centi, state="acknowledged",
            reduce_only=False, reserved_us=self.now_us - 4_000_000, expires_us=self.now_us + 60_000_000,
            action_id="made-0",
        )  # fmt: skip
        return MarketDetail(
            at_us=self.now_us, row=row,
            bids=() if row.bid_cc is None else tuple(
                Level(price_cc=row.bid_cc - 100 * n, size_centi=2_000 + 100 * n, own_centi=own_centi if n == 0 else 0,
                      ahead_centi=1_200 if n == 0 else None)
                for n in range(10) if row.bid_cc - 100 * n > 0
            ),
            asks=() if row.ask_cc is None else tuple(
                Level(price_cc=row.ask_cc + 100 * n, size_centi=1_500 + 300 * n, own_centi=0, ahead_centi=None)
                for n in range(10) if row.ask_cc + 100 * n < 10_000
            ),
            more_levels=3, prices=tuple(prices), fills=tuple(self._fill(ticker, n) for n in range(5)),
            decisions=(self._record(ticker),), refused={"stale_book": 4, "near_close": 2}, orders=(order,),
            position_cost_micros=4_200_000, realized_micros=310_000, unrealized_micros=-120_000, fees_micros=18_000,
            settlement_cc=None,
        )  # fmt: skip

    async def lifecycle(self, action_id: str) -> Lifecycle | None:
        found = next((each for each in self._decisions if each.action_id == action_id), None)
        if found is None:
            return None
        target, fill = found.targets[0], self._fill(found.ticker, 0)
        order = OrderLife(
            client_order_id="tb1-made", exchange_order_id="x-made", book_side=target.book_side,
            price_cc=target.price_cc, size_centi=target.size_centi, steps=tuple(self._record(found.ticker).steps),
            fills=(fill,), tick_to_send_us=1_900,
        )  # fmt: skip
        return Lifecycle(
            action_id=action_id, ticker=found.ticker, state=found.state, observation_id="o-made",
            confirmed_us=found.at_us - 3_000, observed_us=found.at_us - 1_200, bid_cc=4_600, ask_cc=4_800,
            position_centi=300, decided_us=found.at_us, model="maker", model_sha256="ab" * 32, fair_ppm=481_000,
            edge_cc=60, targets=found.targets, orders=(order,), settled_us=None, settlement_cc=None, observe_us=1_800,
            decide_us=1_200, tick_to_send_us=1_900, acknowledge_us=2_300, fill_us=850_000,
        )  # fmt: skip

    async def model(self) -> ModelView:
        kinds = {"quote": 40, "bid": 12, "ask": 9, "none": 120}
        return ModelView(
            at_us=self.now_us, active="maker", active_sha256="ab" * 32, shadow="small", stopped=None, rolled_back=None,
            minutes=tuple(
                ActionsMinute(at_us=self.now_us // 60_000_000 * 60_000_000 - (60 - n) * 60_000_000,
                              counts={kind: count + (n * 7) % 5 for kind, count in kinds.items()})
                for n in range(60)
            ),
            probabilities=tuple(
                ProbabilityPoint(self.now_us - (200 - n) * 3_000_000, self._ticker(n % 20), 5_000 * n, 48 * n + 150)
                for n in range(200)
            ),
            observations=tuple(
                LabelledObservation(ticker=self._ticker(n), at_us=self.now_us - n * 100_000, layout="m1",
                                    names=tuple(f"feature_{k}" for k in range(16)),
                                    values=tuple(round((n * k % 11 - 5) / 5, 3) for k in range(16)))
                for n in range(20)
            ),
            calibration=tuple(
                CalibrationBin(from_ppm=n * 100_000, to_ppm=(n + 1) * 100_000, markets=3 + n,
                               mean_fair_ppm=n * 100_000 + 50_000, mean_settlement_ppm=n * 90_000 + 60_000)
                for n in range(10)
            ),
        )  # fmt: skip

    async def system(self) -> SystemView:
        letter = DeadLetterRow(
            at_us=self.now_us - 9_000_000, id="d1", origin="orderbook", service="observation", reason="undecodable",
            detail="at 0",
        )  # fmt: skip
        return SystemView(
            at_us=self.now_us, since_us=NOW_US - 3_600_000_000, services=self._services(), dead_letters=(letter,),
            dead_letter_count=1, refused={"throttle": 40, "zero_size": 3}, outcomes={"sent": 90, "acknowledged": 88},
            stale={"sequence_gap": 2}, counts={"orderbook": 100_000, "observations": 9_000}, skipped_messages=0,
            tick_to_send_p50_us=1_900, tick_to_send_p99_us=8_400,
        )  # fmt: skip

    async def aclose(self) -> None:
        """Nothing is open."""

    @staticmethod
    def _ticker(number: int) -> str:
        return f"KXMADE-26DEC{number // 10:02d}-B{number:03d}"

    def _made_row(self, number: int) -> MarketRow:
        bid_cc = self._random.randint(2, 95) * 100
        is_stale = number == 7
        has_bid, has_ask = not is_stale and number != 9, not is_stale
        return MarketRow(
            ticker=self._ticker(number), event=f"KXMADE-26DEC{number // 10:02d}", status="active",
            selected=number != 8, exclusion="spread" if number == 8 else None,
            bid_cc=bid_cc if has_bid else None, bid_centi=1_200 if has_bid else None,
            ask_cc=bid_cc + 200 if has_ask else None, ask_centi=900 if has_ask else None,
            last_cc=None if number % 13 == 0 else bid_cc + 100, stale="sequence_gap" if is_stale else None,
            stale_since_us=NOW_US - 12_000_000 if is_stale else None, updated_us=NOW_US - number * 10_000,
            close_us=NOW_US + 3_600_000_000 * (1 + number % 5), position_centi=(number % 7 - 3) * 100,
            open_orders=number % 3, updates=number * 10, decisions=number,
            last_reason="no_edge" if number % 4 == 0 else None,
            mids=tuple(None if is_stale or number == 9 else bid_cc + 100 * (n % 3) for n in range(30)),
        )  # fmt: skip

    def _point(self, at_us: int, number: int) -> AccountPoint:
        wave = (number * 37) % 100 - 40 + number * 3
        return AccountPoint(at_us, None if number % 50 == 49 else 1_000_000_000 + wave * 20_000, 1_000_000_000,
                            940_000_000, 55_000_000, 20_000 * number)  # fmt: skip

    def _account(self) -> AccountState:
        equity = next(p.equity_micros for p in reversed(self._points) if p.equity_micros is not None)
        return AccountState(
            at_us=self.now_us, account="sim-main", ledger_seq=4_200 + self._version, opened=True, mode="running",
            holds=(), deposits_micros=1_000_000_000, cash_micros=940_000_000, overdrawn_micros=0,
            reserved_micros=8_000_000, position_cost_micros=55_000_000, positions=120, open_orders=300,
            equity_micros=equity, valued_us=self.now_us, realized_micros=9_000_000, unrealized_micros=-1_200_000,
            fees_micros=4_800_000, conservation_error_micros=0, differences=(), compared_us=self.now_us - 4_000_000,
            true_since_us=NOW_US - 7_200_000_000, unknown_orders=1, unknown_since_us=self.now_us - 2_000_000,
            daily_loss_micros=-900_000, drawdown_micros=300_000, peak_micros=15_000_000, below_peak_micros=700_000,
        )  # fmt: skip

    def _services(self) -> tuple[ServiceRow, ...]:
        return tuple(
            ServiceRow(
                service=name, instance="host-1", version="1.0.0",
                state=ServiceState.NOT_READY if name == "policy" else ServiceState.WORKS,
                since_us=NOW_US - 60_000_000, started_us=NOW_US - 3_600_000_000, reported_us=self.now_us - 900_000,
                not_ready=("truebook.policy: no response",) if name == "policy" else (), lag={"orderbook": 3},
                gauges={"rate_budget_ppm": 750_000, "open_breakers": 1} if name == "execution" else {},
                model="maker" if name == "policy" else None,
            )
            for name in SERVICES
        )  # fmt: skip

    def _decide(self, number: int) -> None:
        ticker = self._ticker(number % self._numbers)
        target = Target(book_side=BookSide.BID, price_cc=4_600, size_centi=500, post_only=True)
        states = list(DecisionState)
        row = DecisionRow(
            action_id=f"made-{len(self._decisions)}", ticker=ticker, at_us=self.now_us - 50_000, model="maker",
            targets=(target,), state=states[number % len(states)], reason="throttle" if number % 9 == 1 else None,
            orders=1, filled_centi=250 * (number % 2), fee_micros=4_300 * (number % 2), tick_to_send_us=1_900,
        )  # fmt: skip
        kinds = list(EventKind)
        event = Event(
            number=len(self._events), at_us=self.now_us, kind=kinds[number % len(kinds)], ticker=ticker,
            text=f"made event {len(self._events)}", action_id=row.action_id, is_problem=number % 8 == 4,
        )  # fmt: skip
        self._decisions.append(row)
        self._events.append(event)
        self._log += [(self._version, row), (self._version, event)]

    def _record(self, ticker: str) -> DecisionRecord:
        at_us = self.now_us - 50_000
        target = Target(book_side=BookSide.BID, price_cc=4_600, size_centi=500, post_only=True)
        steps = [
            Step(at_us=at_us + 2_000, outcome="sent", book_side=BookSide.BID, price_cc=4_600, size_centi=500),
            Step(at_us=at_us + 4_300, outcome="acknowledged", book_side=BookSide.BID, price_cc=4_600, size_centi=500),
        ]
        return DecisionRecord(
            at_us=at_us, action_id="made-0", model="maker", targets=(target,), reason=None, bid_cc=4_600, ask_cc=4_800,
            position_centi=300, steps=steps,
        )  # fmt: skip

    def _fill(self, ticker: str, number: int) -> OwnFill:
        return OwnFill(
            at_us=self.now_us - 30_000_000 * (number + 1), ticker=ticker, trade_id=f"t{number}",
            client_order_id="tb1-made", exchange_order_id="x-made", action_id="made-0",
            book_side=BookSide.BID if number % 2 else BookSide.ASK, price_cc=4_600 + 100 * number, size_centi=250,
            fee_micros=4_300, is_taker=False, basis="queue",
        )  # fmt: skip

    @staticmethod
    def _funnel() -> Funnel:
        stages = (
            Stage(name="book updates", count=1_000), Stage(name="fresh", count=990, lost={"sequence_gap": 10}),
            Stage(name="observed", count=900, lost={"one_sided_book": 60}), Stage(name="decided", count=880),
            Stage(name="sent", count=90), Stage(name="fills", count=12),
        )  # fmt: skip
        return Funnel(from_us=NOW_US - 3_600_000_000, to_us=NOW_US, stages=stages, verdict="trading: 12 fills")
