"""Operations of the exchange's API that are not simulated: each returns 501 with the code ``not_simulated``.

So no client takes the response for "no such order", nor for an outage that passes. A path that the API does not have at
all returns 501 with the code ``unknown_endpoint``.
"""

from __future__ import annotations

from typing import Final

from truebook_services.paper_exchange.errors import WireError, nested
from truebook_services.paper_exchange.rest.requests import Endpoint, Handler, RequestContext

ABSENT: Final = (
    ("POST", "/account/api_usage_level/upgrade", "UpgradeAccountApiUsageLevel"),
    ("POST", "/communications/block-trade-proposals", "ProposeBlockTrade"),
    ("POST", "/communications/block-trade-proposals/{id}/accept", "AcceptBlockTradeProposal"),
    ("POST", "/communications/quotes", "CreateQuote"),
    ("DELETE", "/communications/quotes/{id}", "DeleteQuote"),
    ("PUT", "/communications/quotes/{id}/accept", "AcceptQuote"),
    ("PUT", "/communications/quotes/{id}/confirm", "ConfirmQuote"),
    ("POST", "/communications/rfqs", "CreateRFQ"),
    ("DELETE", "/communications/rfqs/{id}", "DeleteRFQ"),
    ("DELETE", "/communications/rfqs/{id}/quotes/{quote_id}", "DeleteRFQQuote"),
    ("PUT", "/communications/rfqs/{id}/quotes/{quote_id}/accept", "AcceptRFQQuote"),
    ("PUT", "/communications/rfqs/{id}/quotes/{quote_id}/confirm", "ConfirmRFQQuote"),
    ("GET", "/fcm/fills", "GetFCMFills"),
    ("GET", "/fcm/orders", "GetFCMOrders"),
    ("GET", "/fcm/positions", "GetFCMPositions"),
    ("POST", "/fcm/positions/transfers", "CreateFCMPositionTransfer"),
    ("GET", "/fcm/subtraders", "ListFCMSubtraders"),
    ("POST", "/fcm/subtraders", "CreateFCMSubtrader"),
    ("GET", "/fcm/subtraders/blocked_categories", "GetFCMSubtraderBlockedCategories"),
    ("PUT", "/fcm/subtraders/blocked_categories", "UpdateFCMSubtraderBlockedCategories"),
    ("GET", "/fcm/subtraders/event_contract_daily_cap", "GetFCMEventContractDailyCap"),
    ("PUT", "/fcm/subtraders/event_contract_daily_cap", "UpdateFCMEventContractDailyCap"),
    ("DELETE", "/fcm/subtraders/event_contract_daily_cap", "DeleteFCMEventContractDailyCap"),
    ("GET", "/live_data/weather/{city}", "GetWeatherIndex"),
    ("GET", "/live_data/weather/{city}/calibrations", "GetWeatherIndexCalibrations"),
    ("POST", "/multivariate_event_collections/{ticker}", "CreateMarketInMultivariateEventCollection"),
)  # fmt: skip
"""Method, path and name of each."""


def not_simulated(operation: str) -> WireError:
    return nested(501, "not_simulated", f"{operation} is not simulated by this exchange")


def unknown_endpoint(method: str, path: str) -> WireError:
    return nested(501, "unknown_endpoint", f"{method} {path[:200]} is no operation of the exchange's API")


def _refuse(operation: str) -> Handler:
    async def handler(_: RequestContext) -> None:
        raise not_simulated(operation)

    return handler


ENDPOINTS: Final = tuple(
    Endpoint(method=method, path=path, name=name, handler=_refuse(name), access="public", cost=0)
    for method, path, name in ABSENT
)
