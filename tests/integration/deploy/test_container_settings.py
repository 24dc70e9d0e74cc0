"""The settings files of the containers are settings: every name exists, and each process accepts them."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from truebook.messages.envelope import Source
from truebook.runtime.settings import PREFIX, load
from truebook_services.serving.settings import ServeSettings

ROOT = Path(__file__).parents[3]
BASE = ROOT / "deploy/k8s/base/truebook.env"
EXCHANGES = {name: ROOT / f"deploy/exchange/{name}/settings.env" for name in ("simulated", "demo")}
SERVICES = (
    "ingest", "observation", "policy", "execution", "fill_listener", "reconciler", "paper_exchange", "alerts",
    "dashboard",
)  # fmt: skip


def read(file: Path) -> dict[str, str]:
    lines = (line.strip() for line in file.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def process(service: str) -> type[ServeSettings]:
    """Return the settings class that a service's ``__main__`` reads."""
    module = importlib.import_module(f"truebook_services.{service}.__main__")
    [found] = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, ServeSettings) and kind is not ServeSettings
    ]
    return found


def is_setting(name: str, kind: type[BaseModel]) -> bool:
    head, _, rest = name.partition("__")
    field = kind.model_fields.get(head.lower())
    if field is None:
        return False
    nested = field.annotation
    return not rest or (isinstance(nested, type) and issubclass(nested, BaseModel) and is_setting(rest, nested))


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("file", [BASE, *EXCHANGES.values(), ROOT / "deploy/k8s/overlays/demo/managed.env"], ids=str)
def test_every_name_is_a_setting_of_some_process(file: Path) -> None:
    processes = [process(service) for service in SERVICES]
    for name in read(file):
        assert name.startswith(PREFIX), name
        assert any(is_setting(name.removeprefix(PREFIX), kind) for kind in processes), name


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_each_process_accepts_the_containers_settings(
    service: str, exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**read(BASE), **read(EXCHANGES[exchange]), f"{PREFIX}STRATEGY": "main"}.items():
        monkeypatch.setenv(name, value)
    settings = load(process(service))
    assert settings.exchange == exchange
    assert settings.market_data == {"simulated": Source.SIMULATED, "demo": Source.DEMO}[exchange]
    assert settings.account == {"simulated": "sim-main", "demo": "demo-main"}[exchange]
    assert (settings.http_host, settings.http_port) == ("0.0.0.0", 9100)
