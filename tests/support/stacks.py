"""Truebook as containers, under docker compose or in a Kubernetes cluster: what the drills do to either of them.

A drill starts a stack, waits until it trades, takes parts of it away by force, and looks at the books at the end. All
questions are asked inside the stack, by ``/opt/truebook/jobs/books.py`` in the reconciler's container.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[2]
BOOKS = ("python", "/opt/truebook/jobs/books.py")
SERVICES = ("ingest", "observation", "policy", "execution", "fill_listener", "reconciler")
POLL_S = 1.0
ANSWER_WITHIN_S = 120
NO_ANSWER = 124
"""As ``timeout`` ends."""


class Stack(Protocol):
    """A running system of containers."""

    parts: Sequence[str]
    """Everything that can be killed, by its name in this stack."""

    def kill(self, part: str) -> None:
        """End one container of that part by force; it comes back by itself or by this call."""
        ...

    def ready(self) -> bool:
        """Tell whether every part says that it can work."""
        ...

    def ask(self, *arguments: str) -> tuple[int, str]:
        """Run the books' question in the reconciler's container: (exit code, standard output)."""
        ...


def run(*command: str, timeout_s: float = 300, env: Mapping[str, str] | None = None) -> str:
    """Run a command and answer its standard output; fails with what it said."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=timeout_s
    )
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _asked(*command: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Ask in a container: (exit code, standard output); no answer in time is an answer too, for who asks again."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=ANSWER_WITHIN_S
        )
    except subprocess.TimeoutExpired:
        return NO_ANSWER, ""
    return done.returncode, done.stdout


def wait_until(is_so: Callable[[], Any], what: str, within_s: float) -> float:
    """Ask again and again until it is so; answers after how many seconds, fails after ``within_s``."""
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() - started < within_s, f"waited {within_s} s in vain for: {what}"
        time.sleep(POLL_S)
    return time.monotonic() - started


def look(stack: Stack) -> dict[str, Any] | None:
    """What both sides say now; null while the question can't be answered."""
    code, text = stack.ask(*BOOKS)
    lines = text.strip().splitlines()
    if code not in (0, 1) or not lines or not lines[-1].startswith("{"):
        return None
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def wait_for_trades(stack: Stack, beyond: int = 0, *, within_s: float = 120) -> dict[str, Any]:
    """Wait until the exchange has more fills than ``beyond``; answers what both sides say then."""
    latest: dict[str, Any] = {}

    def has_more() -> bool:
        nonlocal latest
        latest = look(stack) or latest
        return bool(latest) and latest["fills"] > beyond and latest["mode"] == "running"

    wait_until(has_more, f"fills beyond {beyond}, last seen {latest}", within_s)
    return latest


def settle(stack: Stack) -> dict[str, Any]:
    """Let the stack come to rest, compare exactly, let it go on; answers what was found, true or not."""
    code, text = stack.ask(*BOOKS, "--at-rest")
    assert code in (0, 1) and text.strip(), f"the books can't be read: exit {code} {text}"
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found | {"true": code == 0}


def command(stack: Stack, *arguments: str) -> dict[str, Any]:
    """Run the command ``truebook`` in the reconciler's container; answers its JSON object."""
    code, text = stack.ask("truebook", *arguments, "--json")
    assert code == 0, f"truebook {' '.join(arguments)}: exit {code} {text}"
    told: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return told


class ComposeStack:
    """The stack of ``docker-compose.yml``, as a project of its own beside any other."""

    parts = (*SERVICES, "exchange", "redis", "kafka")

    def __init__(self, project: str, **variables: str) -> None:
        self._env = {"COMPOSE_PROJECT_NAME": project, **variables}

    def compose(self, *arguments: str, timeout_s: float = 300) -> str:
        return run("docker", "compose", *arguments, timeout_s=timeout_s, env=self._env)

    def up(self) -> None:
        self.compose("up", "-d", "--wait", "--wait-timeout", "240")

    def upgrade(self, image: str) -> None:
        """Make another build of the image that is used, and put it in the place of every container."""
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
        wait_until(lambda: self._answers(part, container), f"{part} to be ready again", 120)

    def _answers(self, part: str, container: str) -> bool:
        """Ask the part itself: its health check asks only every few seconds."""
        if part in ("redis", "kafka"):
            return run("docker", "inspect", "--format", "{{.State.Health.Status}}", container).strip() == "healthy"
        question = ("python", "-IS", "/opt/truebook/jobs/health.py", "9100")
        return _asked("docker", "exec", container, *question, env={})[0] == 0

    def ready(self) -> bool:
        states = [json.loads(line) for line in self.compose("ps", "--format", "json").splitlines()]
        return bool(states) and all(state["Health"] in ("healthy", "") for state in states)

    def ask(self, *arguments: str) -> tuple[int, str]:
        return _asked("docker", "compose", "exec", "-T", "reconciler", *arguments, env=self._env)


class KubernetesStack:
    """The stack of an overlay in the namespace ``truebook`` of whatever cluster kubectl talks to."""

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

    def ask(self, *arguments: str) -> tuple[int, str]:
        return _asked("kubectl", "--namespace", "truebook", "exec", "deploy/reconciler", "--", *arguments, env={})
