"""A command or service imports what it uses: the list of commands needs no library, and no service needs a page."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "aiohttp", "aiokafka", "apprise", "cryptography", "fpdf", "httpx", "mcp", "msgspec", "nicegui", "numpy",
    "onnxruntime", "plotly", "prometheus_client", "psutil", "pyarrow", "pydantic_settings", "redis", "starlette",
    "structlog", "typer", "uvicorn", "websockets",
)  # fmt: skip
"""Libraries that take long to import."""
LIST_USES = {"typer"}
STATUS_USES = LIST_USES | {"httpx", "msgspec", "pydantic_settings"}
EXCHANGE_USES = {"cryptography", "starlette", "structlog", "uvicorn", "websockets"}
SERVICE_USES = {
    "aiohttp", "aiokafka", "cryptography", "httpx", "msgspec", "prometheus_client", "pydantic_settings", "redis",
    "starlette", "structlog", "uvicorn", "websockets",
}  # fmt: skip
STEPS: tuple[tuple[str, set[str]], ...] = (
    ("truebook_services.cli.__main__", LIST_USES),
    ("truebook_services.cli.operator", STATUS_USES - {"httpx"}),
    ("truebook_services.cli.exchange", STATUS_USES | EXCHANGE_USES),
    ("truebook_services.ingest.__main__", STATUS_USES | SERVICE_USES),
    ("truebook_services.observation.__main__", STATUS_USES | SERVICE_USES),
    ("truebook_services.execution.__main__", STATUS_USES | SERVICE_USES),
    ("truebook_services.fill_listener.__main__", STATUS_USES | SERVICE_USES),
    ("truebook_services.reconciler.__main__", STATUS_USES | SERVICE_USES),
    ("truebook_services.policy.__main__", STATUS_USES | SERVICE_USES | {"numpy", "onnxruntime"}),
)
"""One after the other in one interpreter: a step may use what an earlier one has imported."""
RUN_USES = STATUS_USES | EXCHANGE_USES | {"aiohttp", "numpy", "onnxruntime", "prometheus_client", "redis"}
CLIENT_LIBRARIES = {"aiohttp", "httpx", "websockets"}
"""Of the exchange's clients; a fifth of the memory of a service that has none."""
PROGRAM = """
import importlib, json, sys
found = []
for module in json.loads(sys.argv[1]):
    importlib.import_module(module)
    found.append([name for name in json.loads(sys.argv[2]) if name in sys.modules])
print(json.dumps(found))
"""


def imported(modules: list[str]) -> list[set[str]]:
    """Return the heavy libraries that are imported after each of these modules, in one new interpreter."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(modules), json.dumps(HEAVY)]
    return [set(each) for each in json.loads(subprocess.run(command, check=True, capture_output=True).stdout)]


def test_no_library_is_imported_without_use() -> None:
    for (module, used), found in zip(STEPS, imported([module for module, _ in STEPS]), strict=True):
        assert found <= used, module


@pytest.mark.parametrize("service", ["observation", "policy"])
def test_a_service_without_exchange_has_no_clients(service: str) -> None:
    [found] = imported([f"truebook_services.{service}.__main__"])
    assert not found & CLIENT_LIBRARIES


def test_the_run_in_one_process_imports_no_kafka_client() -> None:
    assert imported(["truebook_services.cli.run"]) == [RUN_USES]
