"""The operator's HTTP API, called without a socket."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from support.fake_operator import FakeOperator
from truebook.kalshi.port import OutcomeUnknown
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerStore, StoreUnavailable
from truebook.ledger.trading_holds import CONFLICTING_REPORT, DIFFERENCE, OPERATOR
from truebook.ledger.verbs import Hold
from truebook_services.operator.api import MAX_BODY_BYTES, operator_app

TOKEN = "t0ken"


class UnavailableLedger(MemoryStore):
    """Raises on every read and hold."""

    def __getattribute__(self, name: str) -> object:
        if name in ("view", "apply", "hold"):
            raise StoreUnavailable("connection refused")
        return super().__getattribute__(name)


class ApiHarness:
    """The API, its backend and an HTTP client."""

    def __init__(self, ledger: LedgerStore) -> None:
        self.ledger = ledger
        self.operator = FakeOperator(ledger)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(operator_app(self.operator, TOKEN)), base_url="http://api",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )  # fmt: skip

    async def holds(self) -> set[str]:
        return {hold.name for hold in (await self.ledger.view(())).account.holds}


@pytest.fixture
def api() -> ApiHarness:
    return ApiHarness(MemoryStore())


async def test_status_and_why_are_those_of_the_port(api: ApiHarness) -> None:
    status = (await api.client.get("/status")).json()
    assert (status["seconds"], status["at_us"], status["mode"]) == (1.0, 5, "running")
    assert (await api.client.get("/why?ticker=T")).json()["market"] is None


async def test_a_halt_holds_and_cancels_and_may_be_repeated(api: ApiHarness) -> None:
    for _ in range(2):
        response = await api.client.post("/halt")
        assert (response.status_code, response.json()) == (200, {"result": "held", "orders": "cancelled"})
    assert (await api.holds(), api.operator.cancels) == ({"operator"}, 2)


async def test_a_halt_can_keep_the_orders(api: ApiHarness) -> None:
    response = await api.client.post("/halt", json={"keep_orders": True})
    assert response.json() == {"result": "held", "orders": "kept"}
    assert (await api.holds(), api.operator.cancels) == ({"operator_keep_orders"}, 0)


@pytest.mark.parametrize("how", ["error", "hangs"])
async def test_a_failed_cancellation_is_a_502_and_the_hold_remains(api: ApiHarness, how: str) -> None:
    api.operator.error = OutcomeUnknown("connection reset") if how == "error" else None
    api.operator.hangs = how == "hangs"
    response = await api.client.post("/halt")
    assert response.status_code == 502
    assert "orders may still rest" in response.json()["hint"]
    assert await api.holds() == {"operator"}


async def test_a_hold_of_another_owner_is_a_conflict(api: ApiHarness) -> None:
    assert await api.ledger.apply(Hold(name="operator", mode=OPERATOR.mode, owner="risk")) == "held"
    assert (await api.client.post("/halt")).status_code == 409
    assert (await api.client.post("/resume")).status_code == 409
    assert api.operator.cancels == 0


async def test_resume_releases_the_hold_and_may_be_repeated(api: ApiHarness) -> None:
    await api.client.post("/halt")
    expected = {"result": "released", "mode": "running", "remaining": [], "may_trade": True}
    assert (await api.client.post("/resume")).json() == expected
    assert (await api.client.post("/resume")).json() == expected | {"result": "no_hold"}


@pytest.mark.parametrize(
    ("hold", "code"),
    [
        (CONFLICTING_REPORT.name, 200),
        (OPERATOR.name, 200),
        (DIFFERENCE.name, 409),
        ("netting", 200),
        ("never_placed", 422),
    ],
)
async def test_a_named_hold_is_released_if_ledger_or_operator_placed_it(api: ApiHarness, hold: str, code: int) -> None:
    placed = {each.name for each in (CONFLICTING_REPORT, OPERATOR, DIFFERENCE)}
    for each in (CONFLICTING_REPORT, OPERATOR, DIFFERENCE):
        assert await api.ledger.apply(Hold(name=each.name, mode=each.mode, owner=each.owner)) == "held"
    assert (await api.client.post("/resume", json={"hold": hold})).status_code == code
    assert await api.holds() == placed - ({hold} if code == 200 else set())


async def test_resume_states_what_it_expects(api: ApiHarness) -> None:
    response = await api.client.post("/resume", json={"holds": "all"})
    assert response.status_code == 400
    assert '"hold"' in response.json()["error"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/status"), ("POST", "/halt")])
async def test_an_unavailable_ledger_is_a_503_with_a_hint(method: str, path: str) -> None:
    response = await ApiHarness(UnavailableLedger()).client.request(method, path)
    assert response.status_code == 503
    assert "connection refused" in response.json()["error"]
    assert "Redis" in response.json()["hint"]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", TOKEN, f"bearer {TOKEN}", f"Bearer {TOKEN}x", "Bearer t\u00f6ken"],
)
@pytest.mark.parametrize("path", ["/status", "/halt", "/resume", "/process", "/nothing"])
async def test_every_path_requires_the_token(api: ApiHarness, authorization: str | None, path: str) -> None:
    del api.client.headers["Authorization"]
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    response = await api.client.request("GET" if path == "/status" else "POST", path, headers=headers)
    assert response.status_code == 401
    assert set(response.json()) == {"error", "hint"}
    assert await api.holds() == set()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b"[]", 400),
        (b'{"keep_orders": "yes"}', 400),
        (b'{"keep_order": true}', 400),
        (b'{"a":' * 100_000, 413),
        (b'{"keep_orders": "\xff"}', 400),
        (b'{"other\xff": 1}', 400),
        (b" " * (MAX_BODY_BYTES + 1), 413),
    ],
)
async def test_a_body_that_is_not_understood_halts_nothing(api: ApiHarness, body: bytes, status: int) -> None:
    response = await api.client.post("/halt", content=body)
    assert response.status_code == status
    assert set(response.json()) == {"error", "hint"}
    assert await api.holds() == set()


async def test_half_a_request_halts_nothing(api: ApiHarness) -> None:
    parts = iter([{"type": "http.request", "body": b'{"keep', "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {
        "type": "http", "method": "POST", "path": "/halt", "raw_path": b"/halt", "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    await operator_app(api.operator, TOKEN)(scope, receive, send)
    assert sent[0]["status"] == 400
    assert await api.holds() == set()


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/halt", 405)])
async def test_unknown_requests_return_json(api: ApiHarness, method: str, path: str, status: int) -> None:
    response = await api.client.request(method, path)
    assert response.status_code == status
    assert "GET /status" in response.json()["hint"]
