"""The operator's commands on services over Kafka: status, why, halt and resume, as the container drills use them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.operator_drill import check_status, check_why
from support.operator_verbs import Operator, check_halt, check_limits
from support.processes import environment, truebook
from support.service_stack import Stack as ServiceStack
from support.stacks import ROOT, SERVICES, wait_for_trades


class ProcessStack:
    """Services as processes, with the interface of the container stacks."""

    parts = SERVICES

    def __init__(self, services: ServiceStack) -> None:
        self._services = services

    def kill(self, part: str) -> None:
        self._services.services[part].kill_9()

    def ready(self) -> bool:
        return True

    def execute(self, *arguments: str) -> tuple[int, str]:
        folder, settings = self._services.folder, self._services.settings
        if arguments[0] == "truebook":
            done = truebook(folder, *arguments[1:], **settings)
        else:
            books = (sys.executable, str(ROOT / "deploy/image/books.py"), *arguments[2:])
            done = subprocess.run(
                books, cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=120
            )
        return done.returncode, done.stdout


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[ProcessStack]:
    with ServiceStack(tmp_path, "--markets", "20", "--seed", "4") as services:
        for name in SERVICES:
            services.start(name)
        yield ProcessStack(services)


@pytest.mark.timeout(1_200)
@pytest.mark.slow
@pytest.mark.long
def test_the_operators_commands_over_kafka(stack: ProcessStack) -> None:
    wait_for_trades(stack)
    check_status(stack)
    check_why(stack)
    operator = Operator(lambda *arguments, given=b"": stack.execute("truebook", *arguments))
    check_limits(operator)
    check_halt(operator)
    report = operator("reconcile")
    assert (report["equal"], report["errors_of_totals"]) == (True, {}), report
