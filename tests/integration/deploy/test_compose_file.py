"""The compose file, checked without containers: restricted, bounded, on loopback, with settings that exist."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from truebook.runtime.settings import HOST_NAME

ROOT = Path(__file__).parents[3]
JOBS = {"credentials", "topics"}

if shutil.which("docker") is None or subprocess.run(("docker", "compose", "version"), capture_output=True).returncode:
    pytest.skip("docker compose is not installed", allow_module_level=True)


def compose(**variables: str) -> dict[str, Any]:
    """Read the file as compose does, without this machine's .env."""
    done = subprocess.run(
        ("docker", "compose", "--env-file", "/dev/null", "--profile", "*", "config", "--format", "json"),
        cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return compose()["services"]  # type: ignore[no-any-return]


def test_every_container_is_restricted(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service and "pid" not in service, name


def test_only_the_job_without_network_is_root(services: dict[str, dict[str, Any]]) -> None:
    assert [name for name, service in services.items() if service.get("user") == "root"] == ["credentials"]
    assert services["credentials"]["network_mode"] == "none"
    assert [name for name, service in services.items() if service.get("cap_add")] == ["credentials"]


def test_scaled_containers_have_member_names_of_their_own(services: dict[str, dict[str, Any]]) -> None:
    names = {name: service.get("environment", {}).get("TRUEBOOK_INSTANCE") for name, service in services.items()}
    assert names["policy"] and names["observation"]
    assert [name for name, instance in names.items() if instance and HOST_NAME not in instance] == []


def test_every_container_has_limits_and_restarts(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert limits.keys() >= {"cpus", "memory", "pids"}, name
        assert service["restart"] == "unless-stopped" or name in JOBS, name


def test_ports_are_open_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
    open_to = {port["host_ip"] for service in services.values() for port in service.get("ports", ())}
    assert open_to == {"127.0.0.1"}


def test_dependencies_wait_for_health_or_completion(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in JOBS else "service_healthy"
            assert how["condition"] == expected, (name, other)
            assert other in JOBS or "healthcheck" in services[other], other


def test_only_signing_services_get_the_key(services: dict[str, dict[str, Any]]) -> None:
    holders = {
        name
        for name, service in services.items()
        if any(volume.get("source") == "exchange-key" for volume in service.get("volumes", ()))
    }
    assert holders == {"credentials", "ingest", "execution", "fill_listener", "reconciler", "dashboard"}


def test_services_without_exchange_have_no_internet(services: dict[str, dict[str, Any]]) -> None:
    assert compose()["networks"]["inside"]["internal"]
    inside = {name for name, service in services.items() if set(service.get("networks") or ()) == {"inside"}}
    assert inside == {"topics", "redis", "policy", "observation"}


def test_models_change_only_where_they_are_used(services: dict[str, dict[str, Any]]) -> None:
    mounts = {
        name: volume.get("read_only", False)
        for name, service in services.items()
        for volume in service.get("volumes", ())
        if volume.get("source") == "models" and volume["target"] == "/state/models"
    }
    readers = dict.fromkeys(("ingest", "observation", "execution", "fill_listener"), True)
    assert mounts == {**readers, "policy": False, "reconciler": False, "dashboard": False}, (
        "the others roll a model back"
    )


def test_the_demo_exchange_replaces_the_simulated_one(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("")
    selected = compose(TRUEBOOK_EXCHANGE="demo", SIMULATED_EXCHANGES="0", EXCHANGE_KEY_FILE=str(key))
    execution = selected["services"]["execution"]["environment"]
    assert execution["TRUEBOOK_EXCHANGE_URL"] == "https://demo-api.kalshi.co"
    assert not any(name.startswith("TRUEBOOK_PAPER_EXCHANGE") for name in execution)
    assert selected["services"]["exchange"]["scale"] == 0
    assert selected["secrets"]["exchange-key"]["file"] == str(key)


def test_the_example_settings_match_the_compose_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for line in (ROOT / ".env.example").read_text().splitlines():
        name = line.removeprefix("#").partition("=")[0]
        if name.isupper() and "=" in line and name not in ("COMPOSE_PROFILES", "TRUEBOOK_KEY_ID"):
            assert f"${{{name}" in text, name


def test_grafana_finds_its_boards_and_reaches_prometheus(services: dict[str, dict[str, Any]]) -> None:
    """Paths and addresses in the provisioned files exist in the containers."""
    grafana, provisioning = services["grafana"], ROOT / "deploy/grafana/provisioning"
    mounted = {volume["target"]: volume.get("source", "") for volume in grafana["volumes"]}
    assert mounted["/etc/grafana/provisioning"] == str(provisioning)
    [provider] = yaml.safe_load((provisioning / "dashboards/boards.yml").read_text())["providers"]
    assert mounted[provider["options"]["path"]] == str(ROOT / "deploy/grafana/boards")
    [source] = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert set(grafana["networks"]) & set(services["prometheus"]["networks"])


def test_no_image_pulls_a_moving_tag(services: dict[str, dict[str, Any]]) -> None:
    foreign = {service["image"] for service in services.values()} - {"truebook:dev"}
    assert all(":" in image and not image.endswith(":latest") for image in foreign)


def test_alerts_get_their_receivers_as_a_file_and_keep_their_state(services: dict[str, dict[str, Any]]) -> None:
    mounts = {
        name: {volume["source"]: volume for volume in service.get("volumes", ())} for name, service in services.items()
    }
    holders = {name for name, sources in mounts.items() if "alert-receivers" in sources}
    assert holders == {"credentials", "alerts"}
    receivers = mounts["alerts"]["alert-receivers"]
    file = Path(services["alerts"]["environment"]["TRUEBOOK_ALERTS__RECEIVERS_FILE"])
    assert str(file.parent) == receivers["target"] and receivers["read_only"]
    assert mounts["alerts"]["alerts-state"]["target"] == "/state"


def test_page_gets_its_token_as_a_file(services: dict[str, dict[str, Any]]) -> None:
    mounts = {name: {v["source"]: v for v in service.get("volumes", ())} for name, service in services.items()}
    assert {name for name, sources in mounts.items() if "dashboard-token" in sources} == {"credentials", "dashboard"}
    token = mounts["dashboard"]["dashboard-token"]
    file = Path(services["dashboard"]["environment"]["TRUEBOOK_DASHBOARD__TOKEN_FILE"])
    assert str(file.parent) == token["target"] and token["read_only"]


def test_printed_link_of_the_page_has_the_published_port() -> None:
    for given, port in (({}, "8650"), ({"DASHBOARD_PORT": "8777"}, "8777")):
        dashboard = compose(**given)["services"]["dashboard"]
        assert dashboard["environment"]["TRUEBOOK_DASHBOARD__PORT"] == port
        assert [(each["published"], str(each["target"])) for each in dashboard["ports"]] == [(port, port)]
