"""A real Prometheus that scrapes processes of this machine, and the queries of the boards."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGE = "prom/prometheus:v2.53.3"
READY_WITHIN_S = 30.0


def board_queries() -> Iterator[tuple[str, str]]:
    """Every query of every board, with its board and panel."""
    for file in sorted((ROOT / "deploy/grafana/boards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield f"{file.stem}: {panel['title']}", target["expr"]


class Prometheus:
    """Made by ``prometheus``."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    def query(self, expression: str) -> list[object]:
        """Return the series that the expression selects now; raises if it is invalid."""
        address = f"{self._address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(address, timeout=10) as response:
            found: list[object] = json.load(response)["data"]["result"]
        return found

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._address}/-/ready", timeout=3) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def prometheus(folder: Path, targets: Sequence[str]) -> Iterator[Prometheus]:
    """Run one that scrapes the targets (``host:port``) every second, in a container on this machine's own network."""
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True).returncode:
        pytest.skip(f"the image {IMAGE} is not here")
    scrape = {"job_name": "truebook", "static_configs": [{"targets": list(targets)}]}
    settings = folder / "prometheus.yml"
    settings.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}))  # JSON is YAML
    settings.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = ["docker", "run", "--detach", "--rm", "--network", "host", "--volume", f"{settings}:/prometheus.yml:ro"]
    command += ["--tmpfs", "/data:mode=1777", IMAGE, "--config.file=/prometheus.yml", "--storage.tsdb.path=/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}"]
    started = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert started.returncode == 0, started.stderr
    try:
        server, deadline = Prometheus(port), time.monotonic() + READY_WITHIN_S
        while not server.is_ready():
            assert time.monotonic() < deadline, "Prometheus does not become ready"
            time.sleep(0.1)
        yield server
    finally:
        subprocess.run(["docker", "stop", "--time", "1", started.stdout.strip()], capture_output=True, timeout=60)
