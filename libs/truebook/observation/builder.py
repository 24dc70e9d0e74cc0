"""Build a market's ``Observation``, or return the reason why there is none. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from truebook.book.order_book import net_of
from truebook.features.inputs import AccountInputs
from truebook.features.layout import FeatureError, FeatureInputs, Layout, WorkingOrder
from truebook.ledger.port import MarketView
from truebook.ledger.valuation import position_cost
from truebook.messages.envelope import BookSide
from truebook.messages.identity import Identity
from truebook.messages.ids import observation_id
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason
from truebook.observation.markets import ObservedMarket
from truebook.observation.portfolio import Portfolio
from truebook.observation.signals import SignalTable, signals_digest
from truebook.venue.fees import UnsupportedFee, maker_rate_ppm, taker_rate_ppm
from truebook.venue.lifecycle import takes_orders


class ObservationLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When a market is not observed."""

    max_book_age_us: int
    """A book whose confirmed time is older gives no observation."""
    near_close_us: int
    """A market that closes sooner is not observed."""


def refusal(market: ObservedMarket, limits: ObservationLimits, now_us: int) -> Reason | None:
    """Return why the market cannot be observed, as far as that is known without the ledger."""
    metadata, replica = market.metadata, market.replica
    if metadata is None:
        return Reason.NO_MARKET_METADATA
    if not takes_orders(metadata.status):
        return Reason.MARKET_NOT_TRADING
    if metadata.close_us - now_us < limits.near_close_us:
        return Reason.NEAR_CLOSE
    if replica.stale is not None:
        return replica.stale
    if now_us - replica.confirmed_us > limits.max_book_age_us:
        return Reason.STALE_BOOK
    if replica.book.best(BookSide.BID) is None or replica.book.best(BookSide.ASK) is None:
        return Reason.ONE_SIDED_BOOK
    return None


class Due(NamedTuple):
    """A market to be observed, with its view of the ledger, the time, and when its frame was received."""

    market: ObservedMarket
    view: MarketView | None
    now_us: int
    frame_us: int


class _Prepared(NamedTuple):
    """What an observation is computed from."""

    due: Due
    inputs: FeatureInputs
    rates_ppm: tuple[int, int]
    """Of the fees, (taker, maker)."""


class ObservationBuilder:
    """Builds observations by one layout."""

    def __init__(self, identity: Identity, layout: Layout, signals: SignalTable) -> None:
        self._identity = identity
        self._layout = layout
        self._signals = signals

    def build(
        self, market: ObservedMarket, view: MarketView | None, portfolio: Portfolio, *, now_us: int, frame_us: int
    ) -> Observation:
        """Compute one market's vector; raises ``FeatureError`` with the reason if it cannot."""
        prepared = self._prepare(Due(market, view, now_us, frame_us), portfolio)
        # Raises one_sided_book, so both sides are present in the observation.
        return self._observation(prepared, self._layout.compute(prepared.inputs), portfolio)

    def build_all(self, due: Sequence[Due], portfolio: Portfolio) -> list[Observation | FeatureError]:
        """Compute the vectors of several markets, or why there is none: each as ``build`` does."""
        prepared: list[_Prepared | FeatureError] = []
        for each in due:
            try:
                prepared.append(self._prepare(each, portfolio))
            except FeatureError as error:
                prepared.append(error)
        ready = [each.inputs for each in prepared if not isinstance(each, FeatureError)]
        vectors = iter(self._layout.compute_all(ready))
        found: list[Observation | FeatureError] = []
        for one in prepared:
            if isinstance(one, FeatureError):
                found.append(one)
                continue
            features = next(vectors)
            if not isinstance(features, FeatureError):
                found.append(self._observation(one, features, portfolio))
            else:
                found.append(features)
        return found

    def _prepare(self, due: Due, portfolio: Portfolio) -> _Prepared:
        market = due.market
        metadata, replica = market.metadata, market.replica
        if metadata is None:
            raise FeatureError(Reason.NO_MARKET_METADATA, market.ticker)
        values = self._signals.read(market.ticker, self._layout.signals, due.now_us)
        rates_ppm = _rates_ppm(metadata)
        inputs = FeatureInputs(
            # The book itself, where it has no order of ours: it does not change before the vector is computed.
            book=net_of(replica.book, market.own_orders) if market.own_orders else replica.book,
            history=market.history,
            market=metadata,
            now_us=due.now_us,
            confirmed_us=replica.confirmed_us,
            signals=values,
            event_yes_sum_cc=replica.event_yes_sum_cc,
            **account_inputs(due.view, portfolio),
        )
        return _Prepared(due, inputs, rates_ppm)

    def _observation(self, prepared: _Prepared, features: tuple[float, ...], portfolio: Portfolio) -> Observation:
        due, inputs, (taker_ppm, maker_ppm) = prepared
        market, metadata, identity = due.market, inputs.market, self._identity
        replica, account = market.replica, portfolio.account
        (bid_cc, bid_centi), (ask_cc, ask_centi) = inputs.bid, inputs.ask
        signals_id = signals_digest(dict(inputs.signals))
        return Observation(
            id=observation_id(
                market.ticker, replica.epoch, replica.version, self._layout.name, account.ledger_seq, signals_id
            ),
            cause_id=market.cause_id, account=identity.account, strategy=identity.strategy, ticker=market.ticker,
            source=identity.source, exchange_us=market.exchange_us, produced_us=due.now_us,
            layout=self._layout.name, layout_hash=self._layout.hash, features=features,
            book_epoch=replica.epoch, book_version=replica.version, confirmed_us=replica.confirmed_us,
            frame_us=due.frame_us, ledger_seq=account.ledger_seq, signals_digest=signals_id,
            best_bid_cc=bid_cc, best_bid_centi=bid_centi, best_ask_cc=ask_cc, best_ask_centi=ask_centi,
            position_centi=inputs.position_centi,
            # What orders of this market can use; the features see the whole account.
            cash_micros=account.shard(metadata.exchange_index).cash_micros,
            event=metadata.event, exclusive=metadata.exclusive, price_ranges=metadata.price_ranges,
            fee_type=metadata.fee_type, taker_rate_ppm=taker_ppm, maker_rate_ppm=maker_ppm, close_us=metadata.close_us,
        )  # fmt: skip


def _rates_ppm(metadata: MarketMetadata) -> tuple[int, int]:
    fee_type, multiplier_ppm = metadata.fee_type, metadata.fee_multiplier_ppm
    try:
        return taker_rate_ppm(fee_type, multiplier_ppm), maker_rate_ppm(fee_type, multiplier_ppm)
    except UnsupportedFee as error:
        raise FeatureError(Reason.FEE_TYPE, str(error)) from error


def account_inputs(view: MarketView | None, portfolio: Portfolio) -> AccountInputs:
    """Return what the features of a market read of the account; ``view`` is its position and orders there, if any."""
    return AccountInputs(
        cash_micros=portfolio.account.cash_micros,
        reserved_micros=portfolio.account.reserved_micros,
        equity_micros=portfolio.equity_micros,
        position_centi=view.position_centi if view is not None else 0,
        position_cost_micros=position_cost(view) if view is not None else 0,
        working=_working_orders(view),
        holdings=portfolio.holdings,
    )


def _working_orders(view: MarketView | None) -> tuple[WorkingOrder, ...]:
    """Return the orders of a market that rest, or may."""
    return tuple(
        WorkingOrder(
            book_side=order.book_side,
            price_cc=order.price_cc,
            remaining_centi=order.remaining_centi,
            placed_us=order.reserved_us,
        )
        for order in (view.orders if view is not None else ())
        if order.state.holds_slot and order.remaining_centi > 0
    )
