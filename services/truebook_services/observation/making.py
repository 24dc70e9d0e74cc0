"""One market at one moment → an ``Observation``, or the reason why there is none. Pure but for what it is handed."""

from __future__ import annotations

from truebook.book.order_book import net_of
from truebook.clock import MICROS
from truebook.features.layout import FeatureError, FeatureInputs, Layout, WorkingOrder
from truebook.ledger.port import MarketView
from truebook.ledger.valuation import position_cost
from truebook.messages.envelope import BookSide
from truebook.messages.ids import observation_id
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.runtime.context import Context
from truebook.venue.fees import UnsupportedFee, maker_rate_ppm, taker_rate_ppm
from truebook.venue.lifecycle import takes_orders
from truebook_services.observation.markets import RESTING_STATES, ObservedMarket
from truebook_services.observation.portfolio import Portfolio
from truebook_services.observation.settings import ObservationSettings
from truebook_services.observation.signals import SignalTable, signals_digest


def refusal(market: ObservedMarket, settings: ObservationSettings, now_us: int) -> Reason | None:
    """Judge what can be judged before the ledger is asked."""
    facts, replica = market.facts, market.replica
    if facts is None:
        return Reason.NO_MARKET_FACTS
    if not takes_orders(facts.status):
        return Reason.MARKET_NOT_TRADING
    if facts.close_us - now_us < settings.near_close_s * MICROS:
        return Reason.NEAR_CLOSE
    if replica.stale is not None:
        return replica.stale
    if now_us - replica.confirmed_us > settings.max_book_age_s * MICROS:
        return Reason.STALE_BOOK
    if replica.book.best(BookSide.BID) is None or replica.book.best(BookSide.ASK) is None:
        return Reason.ONE_SIDED_BOOK
    return None


class ObservationMaker:
    """Computes observations by one layout."""

    def __init__(self, context: Context, layout: Layout, signals: SignalTable) -> None:
        self._context = context
        self._layout = layout
        self._signals = signals

    def make(
        self, market: ObservedMarket, view: MarketView | None, portfolio: Portfolio, *, now_us: int, frame_us: int
    ) -> Observation:
        """Compute one market's vector; raises ``FeatureError`` with the reason where there is none."""
        facts, replica, context = market.facts, market.replica, self._context
        if facts is None:
            raise FeatureError(Reason.NO_MARKET_FACTS, market.ticker)
        values = self._signals.read(market.ticker, self._layout.signals, now_us)
        signals_id = signals_digest(values)
        taker_ppm, maker_ppm = _rates_ppm(market)
        inputs = FeatureInputs(
            book=net_of(replica.book, market.own),
            history=market.history,
            facts=facts,
            now_us=now_us,
            confirmed_us=replica.confirmed_us,
            cash_micros=portfolio.account.cash_micros,
            promised_micros=portfolio.account.promised_micros,
            equity_micros=portfolio.equity_micros,
            position_centi=view.position_centi if view is not None else 0,
            position_cost_micros=position_cost(view) if view is not None else 0,
            working=_working(view),
            signals=values,
            event_yes_sum_cc=replica.event_yes_sum_cc,
            holdings=portfolio.holdings,
        )
        features = self._layout.compute(inputs)  # raises one_sided_book: the net book has both sides below
        (bid_cc, bid_centi), (ask_cc, ask_centi) = inputs.bid, inputs.ask
        ledger_seq = portfolio.account.ledger_seq
        return Observation(
            id=observation_id(
                market.ticker, replica.epoch, replica.version, self._layout.name, ledger_seq, signals_id
            ),
            cause_id=market.cause_id, account=context.account, strategy=context.strategy, ticker=market.ticker,
            source=context.source, exchange_us=market.exchange_us, produced_us=now_us,
            layout=self._layout.name, layout_hash=self._layout.hash, features=features,
            book_epoch=replica.epoch, book_version=replica.version, confirmed_us=replica.confirmed_us,
            frame_us=frame_us, ledger_seq=ledger_seq, signals_digest=signals_id,
            best_bid_cc=bid_cc, best_bid_centi=bid_centi, best_ask_cc=ask_cc, best_ask_centi=ask_centi,
            position_centi=inputs.position_centi, cash_micros=inputs.cash_micros,
            event=facts.event, exclusive=facts.exclusive, price_ranges=facts.price_ranges, fee_type=facts.fee_type,
            taker_rate_ppm=taker_ppm, maker_rate_ppm=maker_ppm, close_us=facts.close_us,
        )  # fmt: skip


def _rates_ppm(market: ObservedMarket) -> tuple[int, int]:
    assert market.facts is not None
    fee_type, multiplier_ppm = market.facts.fee_type, market.facts.fee_multiplier_ppm
    try:
        return taker_rate_ppm(fee_type, multiplier_ppm), maker_rate_ppm(fee_type, multiplier_ppm)
    except UnsupportedFee as error:
        raise FeatureError(Reason.FEE_TYPE, str(error)) from error


def _working(view: MarketView | None) -> tuple[WorkingOrder, ...]:
    return tuple(
        WorkingOrder(
            book_side=order.book_side,
            price_cc=order.price_cc,
            remaining_centi=order.remaining_centi,
            placed_us=order.reserved_us,
        )
        for order in (view.orders if view is not None else ())
        if order.state in RESTING_STATES and order.remaining_centi > 0
    )
