"""The image's small programs: they create secrets once, pass a given key on, and report whether a service is ready."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from truebook.kalshi.signing import load_signer
from truebook_services.paper_exchange.auth import load_public_key

JOBS = Path(__file__).parents[3] / "deploy/image"


def job(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"truebook_job_{name}", JOBS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


credentials = job("credentials")


def contents(root: Path) -> dict[str, str]:
    return {str(file.relative_to(root)): file.read_text() for file in sorted(root.rglob("*")) if file.is_file()}


def test_the_key_pair_in_the_volumes_matches(tmp_path: Path) -> None:
    credentials.fill_volumes(tmp_path, tmp_path / "none", owner=None)
    signer = load_signer("id", tmp_path / "key/exchange-key.pem")
    assert signer.headers("GET", "/trade-api/v2/portfolio/balance", 1)["KALSHI-ACCESS-SIGNATURE"]
    ours = load_public_key(tmp_path / "key/exchange-key.pem")
    theirs = load_public_key(tmp_path / "public-key/exchange-key.pub.pem")
    kind = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert ours.public_bytes(*kind) == theirs.public_bytes(*kind)


def test_secrets_are_created_once(tmp_path: Path) -> None:
    credentials.fill_volumes(tmp_path, tmp_path / "none", owner=None)
    first = contents(tmp_path)
    credentials.fill_volumes(tmp_path, tmp_path / "none", owner=None)
    assert contents(tmp_path) == first


def test_no_secret_is_readable_by_others(tmp_path: Path) -> None:
    credentials.fill_volumes(tmp_path, tmp_path / "none", owner=None)
    assert [file for file in tmp_path.rglob("*") if file.stat().st_mode & 0o077] == []


def test_a_given_key_replaces_the_created_one(tmp_path: Path) -> None:
    volumes, given = tmp_path / "volumes", tmp_path / "mine.pem"
    given.write_text(credentials.key_pair()[0])
    credentials.fill_volumes(volumes, given, owner=None)
    assert (volumes / "key/exchange-key.pem").read_text() == given.read_text()


def test_the_receivers_of_alerts_are_passed_on_and_removed(tmp_path: Path) -> None:
    volumes, given = tmp_path / "volumes", tmp_path / "receivers.txt"
    given.write_text("phone ntfy://topic\n")
    credentials.fill_volumes(volumes, tmp_path / "none", given, owner=None)
    assert (volumes / "alert-receivers/receivers").read_text() == given.read_text()
    credentials.fill_volumes(volumes, tmp_path / "none", Path("/dev/null"), owner=None)
    assert (volumes / "alert-receivers/receivers").read_text() == ""


def test_redis_gets_the_digest_and_others_may_only_ping(tmp_path: Path) -> None:
    credentials.fill_volumes(tmp_path, tmp_path / "none", owner=None)
    password = (tmp_path / "redis-password/redis-password").read_text()
    services, health = (tmp_path / "redis-users/users.acl").read_text().splitlines()
    assert f"#{hashlib.sha256(password.encode()).hexdigest()}" in services
    assert password not in services
    assert health.endswith("-@all +ping")


class FakeCluster:
    def __init__(self, *there: str) -> None:
        self.secrets: dict[str, dict[str, str]] = {name: {} for name in there}

    def create(self, name: str, content: dict[str, str]) -> bool:
        if name in self.secrets:
            return False
        self.secrets[name] = content
        return True


def test_the_cluster_gets_one_secret_per_reader_once() -> None:
    cluster = FakeCluster()
    credentials.fill_cluster(cluster)
    made = dict(cluster.secrets)
    assert sorted(made) == [
        "truebook-dashboard", "truebook-exchange-key", "truebook-exchange-public-key", "truebook-redis",
        "truebook-redis-users",
    ]  # fmt: skip
    assert all(len(content) == 1 for content in made.values())
    credentials.fill_cluster(cluster)
    assert cluster.secrets == made


def test_half_a_pair_is_reported_and_not_completed() -> None:
    with pytest.raises(RuntimeError, match="truebook-exchange-key and truebook-exchange-public-key belong together"):
        credentials.fill_cluster(FakeCluster("truebook-exchange-key"))


class Api(BaseHTTPRequestHandler):
    """A fake of a service's health endpoints."""

    responses: dict[str, tuple[int, bytes]]

    def do_GET(self) -> None:
        status, body = self.responses[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def service() -> Iterator[int]:
    Api.responses = {"/readyz": (503, b'{"reasons": {"policy": ["no model"]}}'), "/livez": (200, b"{}")}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def health(*arguments: str) -> tuple[int, str]:
    command = (sys.executable, "-IS", str(JOBS / "health.py"), *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stderr


def test_a_service_that_is_not_ready_is_unhealthy(service: int) -> None:
    assert health(str(service)) == (1, '{"reasons": {"policy": ["no model"]}}\n')
    assert health(str(service), "/livez")[0] == 0


def test_a_service_that_does_not_listen_is_unhealthy() -> None:
    code, output = health("1")
    assert code == 1
    assert "no response" in output


def test_the_cluster_api_is_called_with_the_pods_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in {"namespace": "truebook\n", "token": "secret-token\n", "ca.crt": ""}.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setattr(
        credentials.ssl, "create_default_context", lambda cafile: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    requests: list[tuple[Any, ...]] = []

    class FakeResponse:
        status = 201

        def read(self) -> bytes:
            return b""

    class Connection:
        def __init__(self, *_: object, **__: object) -> None: ...
        def request(self, *arguments: Any) -> None:
            requests.append(arguments)

        def getresponse(self) -> FakeResponse:
            return FakeResponse()

    monkeypatch.setattr(credentials.http.client, "HTTPSConnection", Connection)
    cluster = credentials.Cluster(tmp_path)
    assert cluster.create("truebook-redis", {"redis-password": "p"})
    method, path, body, headers = requests[0]
    assert (method, path) == ("POST", "/api/v1/namespaces/truebook/secrets")
    assert headers["Authorization"] == "Bearer secret-token"
    assert json.loads(body)["data"] == {"redis-password": base64.b64encode(b"p").decode()}
    FakeResponse.status = 403
    with pytest.raises(RuntimeError, match="HTTP 403"):
        cluster.create("truebook-redis", {})
