"""Truebook as containers, under docker compose or in a Kubernetes cluster, as the drills use both.

A drill starts a stack, waits until it trades, kills parts of it, and compares the books at the end. Commands run inside
the stack: ``truebook`` and ``/opt/truebook/jobs/books.py`` in the reconciler's container.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[2]
BOOKS = ("python", "/opt/truebook/jobs/books.py")
SERVICES = ("ingest", "observation", "policy", "execution", "fill_listener", "reconciler")
PAGE_LINK = ("truebook", "dashboard", "--link")
LINK_TOKEN = "/#token="
PAGE_PORT = 8650
FORWARDED = re.compile(rf"Forwarding from (127\.0\.0\.1:\d+) -> {PAGE_PORT}")
POLL_S = 1.0
COMMAND_TIMEOUT_S = 120
TIMED_OUT = 124
"""The exit code of the command ``timeout``."""


class Stack(Protocol):
    """A running system of containers."""

    parts: Sequence[str]
    """Everything that can be killed, by its name in this stack."""

    def kill(self, part: str) -> None:
        """Kill one container of that part; the orchestrator or this call starts it again."""
        ...

    def ready(self) -> bool:
        """Return whether every part is ready."""
        ...

    def execute(self, *arguments: str, given: bytes = b"") -> tuple[int, str]:
        """Run a command in the reconciler's container, ``given`` on its input; returns (exit code, output)."""
        ...

    def page(self) -> AbstractContextManager[tuple[str, str]]:
        """Make the operator's page reachable while entered; gives its address and token."""
        ...


def run(*command: str, timeout_s: float = 300, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return its standard output; fails with its output."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=timeout_s
    )
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _execute(*command: str, env: Mapping[str, str], given: bytes = b"") -> tuple[int, str]:
    """Run a command in a container; returns (exit code, standard output), also after a timeout."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **env}, input=given, capture_output=True, timeout=COMMAND_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return TIMED_OUT, ""
    return done.returncode, done.stdout.decode()


def wait_until(is_so: Callable[[], Any], what: str, within_s: float) -> float:
    """Poll until it is so; returns after how many seconds, fails after ``within_s``."""
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() - started < within_s, f"timed out after {within_s} s: {what}"
        time.sleep(POLL_S)
    return time.monotonic() - started


def read_books(stack: Stack) -> dict[str, Any] | None:
    """Return the state of ledger and exchange; None while it can't be read."""
    code, text = stack.execute(*BOOKS)
    lines = text.strip().splitlines()
    if code not in (0, 1) or not lines or not lines[-1].startswith("{"):
        return None
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def wait_for_trades(stack: Stack, beyond: int = 0, *, within_s: float = 120) -> dict[str, Any]:
    """Wait until the exchange has more fills than ``beyond``; returns the state of ledger and exchange."""
    latest: dict[str, Any] = {}

    def has_more() -> bool:
        nonlocal latest
        latest = read_books(stack) or latest
        return bool(latest) and latest["fills"] > beyond and latest["mode"] == "running"

    wait_until(has_more, f"fills beyond {beyond}, last seen {latest}", within_s)
    return latest


def compare_at_rest(stack: Stack) -> dict[str, Any]:
    """Halt the stack, compare exactly, resume; returns the comparison."""
    code, text = stack.execute(*BOOKS, "--at-rest")
    assert code in (0, 1) and text.strip(), f"the books can't be read: exit {code} {text}"
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found | {"true": code == 0}


def command(stack: Stack, *arguments: str) -> dict[str, Any]:
    """Run the command ``truebook`` in the reconciler's container; returns its JSON object."""
    code, text = stack.execute("truebook", *arguments, "--json")
    assert code == 0, f"truebook {' '.join(arguments)}: exit {code} {text}"
    result: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return result


def truebook_in(stack: Stack, *arguments: str, given: bytes = b"") -> tuple[int, str]:
    """Run the command ``truebook``; returns (exit code, standard output)."""
    return stack.execute("truebook", *arguments, given=given)


class ComposeStack:
    """The stack of ``docker-compose.yml``, as a project of its own beside any other."""

    parts = (*SERVICES, "exchange", "redis", "kafka")

    def __init__(self, project: str, **variables: str) -> None:
        self._env = {"COMPOSE_PROJECT_NAME": project, **variables}

    def environment(self) -> dict[str, str]:
        """Return the environment in which ``docker compose`` finds this project."""
        return {**os.environ, **self._env}

    def compose(self, *arguments: str, timeout_s: float = 300) -> str:
        return run("docker", "compose", *arguments, timeout_s=timeout_s, env=self._env)

    def up(self) -> None:
        self.compose("up", "-d", "--wait", "--wait-timeout", "240")

    def upgrade(self, image: str) -> None:
        """Make another build of the current image, and replace every container with it."""
        recipe = (
            f"FROM {self._env.get('TRUEBOOK_IMAGE', 'truebook:dev')}\nLABEL org.opencontainers.image.revision=next\n"
        )
        subprocess.run(
            ("docker", "build", "--quiet", "--tag", image, "-"), input=recipe, text=True, capture_output=True,
            timeout=120, check=True,
        )  # fmt: skip
        self._env["TRUEBOOK_IMAGE"] = image
        self.up()

    def kill(self, part: str) -> None:
        container = self.compose("ps", "--quiet", part).strip()
        run("docker", "kill", "--signal", "KILL", container)
        run("docker", "start", container)
        wait_until(lambda: self._is_ready(part, container), f"{part} to be ready again", 120)

    def _is_ready(self, part: str, container: str) -> bool:
        """Query the part itself: its health check runs only every few seconds."""
        if part in ("redis", "kafka"):
            return run("docker", "inspect", "--format", "{{.State.Health.Status}}", container).strip() == "healthy"
        health_check = ("python", "-IS", "/opt/truebook/jobs/health.py", "9100")
        return _execute("docker", "exec", container, *health_check, env={})[0] == 0

    def ready(self) -> bool:
        states = [json.loads(line) for line in self.compose("ps", "--format", "json").splitlines()]
        return bool(states) and all(state["Health"] in ("healthy", "") for state in states)

    @staticmethod
    def command(*arguments: str) -> list[str]:
        """Return the command that runs these arguments in the reconciler's container."""
        return ["docker", "compose", "exec", "-T", "reconciler", *arguments]

    def execute(self, *arguments: str, given: bytes = b"") -> tuple[int, str]:
        return _execute(*self.command(*arguments), env=self._env, given=given)

    @contextmanager
    def page(self) -> Iterator[tuple[str, str]]:
        """Give what the printed link has."""
        url, _, token = self.compose("exec", "-T", "dashboard", *PAGE_LINK).strip().partition(LINK_TOKEN)
        yield url, token


class KubernetesStack:
    """The stack of an overlay in the namespace ``truebook`` of the cluster that kubectl uses."""

    parts = (*(name.replace("_", "-") for name in SERVICES), "exchange", "redis", "kafka")
    stateful = frozenset({"exchange", "redis", "kafka"})

    def kubectl(self, *arguments: str, timeout_s: float = 300) -> str:
        return run("kubectl", "--namespace", "truebook", *arguments, timeout_s=timeout_s)

    def pods(self, part: str) -> list[str]:
        listed = self.kubectl("get", "pods", "-l", f"app.kubernetes.io/name={part}", "-o", "name")
        return [line.removeprefix("pod/") for line in listed.split()]

    def kill(self, part: str) -> None:
        self.kubectl("delete", "pod", self.pods(part)[0], "--grace-period=0", "--force")
        self.wait(part)

    def wait(self, part: str, within_s: int = 180) -> None:
        """Wait until the part is complete again."""
        kind = "statefulset" if part in self.stateful else "deployment"
        self.kubectl("rollout", "status", f"{kind}/{part}", f"--timeout={within_s}s", timeout_s=within_s + 10)

    def ready(self) -> bool:
        listed = json.loads(self.kubectl("get", "pods", "-l", "app.kubernetes.io/name!=topics", "-o", "json"))
        statuses = [
            status
            for pod in listed["items"]
            if pod["status"]["phase"] != "Succeeded"
            for status in pod["status"].get("containerStatuses", [{"ready": False}])
        ]
        return bool(statuses) and all(status["ready"] for status in statuses)

    def execute(self, *arguments: str, given: bytes = b"") -> tuple[int, str]:
        into = ("kubectl", "--namespace", "truebook", "exec", "-i", "deploy/reconciler", "--")
        return _execute(*into, *arguments, env={}, given=given)

    @contextmanager
    def page(self) -> Iterator[tuple[str, str]]:
        """Forward a free port to the page's pod."""
        _, _, token = self.kubectl("exec", "deploy/dashboard", "--", *PAGE_LINK).strip().partition(LINK_TOKEN)
        forward = subprocess.Popen(
            ("kubectl", "--namespace", "truebook", "port-forward", "deploy/dashboard", f":{PAGE_PORT}"),
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert forward.stdout is not None
            line = forward.stdout.readline()
            found = FORWARDED.search(line)
            assert found is not None, f"the port is not forwarded: {line!r}"
            yield f"http://{found[1]}", token
        finally:
            forward.terminate()
            forward.wait(COMMAND_TIMEOUT_S)
