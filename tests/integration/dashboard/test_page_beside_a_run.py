"""The page beside a real run: every view, the controls by page, command and agent, and a restart of the run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from support.agents import agent_of
from support.browsers import needs_chromium
from support.operator_verbs import Operator
from support.page_drill import (
    flatten_by_command,
    flatten_by_page,
    halt_by_agent,
    halt_by_page,
    resume_by_page,
    switch_model_by_page,
)
from support.page_walk import SEEN_MS, opened_page, walk
from support.processes import TRUEBOOK, Background, environment, truebook
from support.stacks import SERVICES

pytestmark = [needs_chromium, pytest.mark.long, pytest.mark.timeout(1_200)]

PAGE = re.compile(r"dashboard at (http://\S+);")
START_WITHIN_S = 90.0


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run the system with the page beside it; yields the page's address."""
    run = Background(folder, "run", "--markets", "10", "--plain", "--dashboard")
    try:
        yield run.wait_for(PAGE, within_s=START_WITHIN_S)[1]
    finally:
        assert run.interrupt() in (0, 5), run.err[-20:]


def test_page_and_commands_control_one_run(browser: Browser, tmp_path: Path) -> None:
    def cli(*arguments: str, given: bytes = b"") -> tuple[int, str]:
        assert given == b""
        done = truebook(tmp_path, *arguments)
        return done.returncode, done.stdout

    operator = Operator(cli)
    with ExitStack() as pages:
        with running(tmp_path) as url:
            token = (tmp_path / ".truebook" / "dashboard-token").read_text()
            opened = pages.enter_context(opened_page(browser, url, token))
            walk(opened, tmp_path, SERVICES, "run")
            halt_by_page(opened, operator)
            resume_by_page(opened, operator)
            with agent_of([*TRUEBOOK, "mcp"], folder=tmp_path, env=environment()) as agent:
                halt_by_agent(opened, operator, agent)
                flatten_by_page(opened, operator, agent)
                flatten_by_command(opened, operator)
                switch_model_by_page(opened, operator, agent)
            assert opened.problems == []
        expect(opened.part("server-lost")).to_be_visible(timeout=SEEN_MS)
        with running(tmp_path) as again:
            assert again == url
            expect(opened.part("server-lost")).to_have_count(0, timeout=SEEN_MS)
            expect(opened.part("active")).to_be_visible(timeout=SEEN_MS)
