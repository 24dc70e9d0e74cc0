from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from truebook.kalshi.port import OutcomeUnknown
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerStore, StoreUnavailable
from truebook_services.operator.api import MOST_BODY
from truebook_services.operator.service import build
from truebook_services.operator.settings import OperatorSettings

TOKEN = "t0ken"


class FakeLedger:
    """Holds and releases as the ledger's rules do; notes the calls."""

    def __init__(self, calls: list[str]) -> None:
        self.owner: str | None = None
        self.calls = calls
        self.error: Exception | None = None

    async def hold(self, name: str, mode: str, owner: str) -> str:
        if self.error is not None:
            raise self.error
        self.calls.append(f"hold {name} {mode} {owner}")
        if self.owner not in (None, owner):
            return "conflict"
        self.owner = owner
        return "held"

    async def release(self, name: str, owner: str) -> str:
        self.calls.append(f"release {name} {owner}")
        if self.owner is None:
            return "no_hold"
        if self.owner != owner:
            return "not_owner"
        self.owner = None
        return "released"


class Bench:
    """The API with a fake ledger and a fake exchange, called without a socket."""

    def __init__(self, ledger: LedgerStore | None = None) -> None:
        self.calls: list[str] = []
        self.ledger = FakeLedger(self.calls)
        self.cancel_error: Exception | None = None
        self.cancel_hangs = False
        app = build(
            OperatorSettings(cancel_within_s=0.05), status=self.status, ledger=ledger or self.ledger,  # type: ignore[arg-type]
            cancel_all=self.cancel_all, token=TOKEN,
        )  # fmt: skip
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://api", headers={"Authorization": f"Bearer {TOKEN}"}
        )

    async def status(self) -> dict[str, Any]:
        if self.ledger.error is not None:
            raise self.ledger.error
        return {"cash_micros": 5}

    async def cancel_all(self) -> None:
        self.calls.append("cancel_all")
        if self.cancel_hangs:
            await asyncio.Event().wait()
        if self.cancel_error is not None:
            raise self.cancel_error


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_status_is_what_the_system_says(bench: Bench) -> None:
    answer = await bench.client.get("/status")
    assert (answer.status_code, answer.json()) == (200, {"cash_micros": 5})


async def test_a_halt_holds_first_and_cancels_then(bench: Bench) -> None:
    answer = await bench.client.post("/halt")
    assert (answer.status_code, answer.json()) == (200, {"result": "held", "orders": "cancelled"})
    assert bench.calls == ["hold operator halted operator", "cancel_all"]


async def test_a_halt_can_keep_the_orders(bench: Bench) -> None:
    answer = await bench.client.post("/halt", json={"keep_orders": True})
    assert answer.json() == {"result": "held", "orders": "kept"}
    assert bench.calls == ["hold operator_keep_orders halted operator"], (
        "the name tells execution to leave orders alone"
    )


async def test_a_halt_can_be_repeated(bench: Bench) -> None:
    for _ in range(2):
        assert (await bench.client.post("/halt", json={})).status_code == 200
    assert bench.calls.count("cancel_all") == 2


@pytest.mark.parametrize("how", ["error", "hangs"])
async def test_a_cancellation_that_fails_is_told_and_the_hold_stands(bench: Bench, how: str) -> None:
    bench.cancel_error = OutcomeUnknown("connection reset") if how == "error" else None
    bench.cancel_hangs = how == "hangs"
    answer = await bench.client.post("/halt")
    assert answer.status_code == 502
    assert answer.json()["result"] == "held"
    assert "orders may still rest" in answer.json()["what_to_do"]
    assert bench.ledger.owner == "operator"


async def test_a_hold_of_another_owner_is_a_conflict(bench: Bench) -> None:
    bench.ledger.owner = "risk"
    assert (await bench.client.post("/halt")).status_code == 409
    assert (await bench.client.post("/resume")).status_code == 409
    assert "cancel_all" not in bench.calls


async def test_resume_releases_the_hold_and_may_be_repeated(bench: Bench) -> None:
    await bench.client.post("/halt")
    assert (await bench.client.post("/resume")).json() == {"result": "released"}
    assert (await bench.client.post("/resume")).json() == {"result": "no_hold"}


@pytest.mark.parametrize(
    ("hold", "code"), [("conflicting_fact", 200), ("operator", 200), ("difference", 409), ("never_placed", 200)]
)
async def test_a_named_hold_is_released_if_the_ledger_or_the_operator_placed_it(hold: str, code: int) -> None:
    ledger = MemoryStore()
    owners = {"conflicting_fact": "ledger", "operator": "operator", "difference": "reconciler"}
    for name, owner in owners.items():
        assert await ledger.hold(name, "halted", owner) == "held"
    answer = await Bench(ledger).client.post("/resume", json={"hold": hold})
    assert answer.status_code == code
    left = {each.name for each in (await ledger.view(())).account.holds}
    assert left == set(owners) - ({hold} if code == 200 else set())


async def test_resume_says_what_it_expects(bench: Bench) -> None:
    answer = await bench.client.post("/resume", json={"holds": "all"})
    assert answer.status_code == 400
    assert '"hold"' in answer.json()["error"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/status"), ("POST", "/halt")])
async def test_a_ledger_that_is_away_is_told_with_what_to_do(bench: Bench, method: str, path: str) -> None:
    bench.ledger.error = StoreUnavailable("connection refused")
    answer = await bench.client.request(method, path)
    assert answer.status_code == 503
    assert "connection refused" in answer.json()["error"]
    assert "Redis" in answer.json()["what_to_do"]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", TOKEN, f"bearer {TOKEN}", f"Bearer {TOKEN}x", "Bearer t\u00f6ken"],
)
@pytest.mark.parametrize("path", ["/status", "/halt", "/resume", "/process", "/nothing"])
async def test_nothing_answers_without_the_token(bench: Bench, authorization: str | None, path: str) -> None:
    del bench.client.headers["Authorization"]
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = await bench.client.request("GET" if path == "/status" else "POST", path, headers=headers)
    assert answer.status_code == 401
    assert set(answer.json()) == {"error", "what_to_do"}
    assert bench.calls == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b"[]", 400),
        (b'{"keep_orders": "yes"}', 400),
        (b'{"keep_order": true}', 400),
        (b'{"a":' * 100_000, 413),
        (b" " * (MOST_BODY + 1), 413),
    ],
)
async def test_a_body_that_is_not_understood_halts_nothing(bench: Bench, body: bytes, status: int) -> None:
    answer = await bench.client.post("/halt", content=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "what_to_do"}
    assert bench.calls == []


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/halt", 405)])
async def test_unknown_requests_are_answered_in_json(bench: Bench, method: str, path: str, status: int) -> None:
    answer = await bench.client.request(method, path)
    assert answer.status_code == status
    assert "GET /status" in answer.json()["what_to_do"]
