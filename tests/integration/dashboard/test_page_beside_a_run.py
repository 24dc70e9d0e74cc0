"""The page beside a real run: every view, halt and model switch by page and by command, and a restart of the run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from integration.dashboard.conftest import screens
from support.browsers import needs_chromium
from support.processes import Background, truebook

pytestmark = [needs_chromium, pytest.mark.long]

PAGE = re.compile(r"dashboard at (http://\S+);")
START_WITHIN_S = 90.0
SEEN_MS = 60_000
"""A switch of the model is followed within a second, and a page shows it within another; the machine may be busy."""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run the system with the page beside it; yields the page's address."""
    run = Background(folder, "run", "--markets", "10", "--plain", "--dashboard")
    try:
        yield run.wait_for(PAGE, within_s=START_WITHIN_S)[1]
    finally:
        assert run.interrupt() in (0, 5), run.err[-20:]


def command(folder: Path, *words: str) -> str:
    done = truebook(folder, *words)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def open_page(browser: Browser, folder: Path, url: str) -> Page:
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.goto(f"{url}/#token={(folder / '.truebook' / 'dashboard-token').read_text()}")
    page.wait_for_selector("[data-testid=mode]", timeout=SEEN_MS)
    return page


def confirm(page: Page, outcome: str) -> None:
    page.locator("[data-testid=confirm]").click()
    expect(page.locator("[data-testid=outcome]")).to_contain_text(outcome, timeout=SEEN_MS)
    page.locator("[data-testid=close]").click()


def test_page_and_commands_control_one_run(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path) as url:
        page = open_page(browser, tmp_path, url)
        _walk(page, url, tmp_path)
        mode = page.locator("[data-testid=mode]")
        page.get_by_role("button", name="Halt").click()
        confirm(page, "Trading is halted")
        assert json.loads(command(tmp_path, "status", "--json"))["mode"] == "halted"
        expect(mode).to_contain_text("Halted", timeout=SEEN_MS)
        command(tmp_path, "resume")
        expect(mode).to_contain_text("Trading", timeout=SEEN_MS)
        command(tmp_path, "halt", "--folder", ".truebook/sim-main-simulated")
        expect(mode).to_contain_text("Halted", timeout=SEEN_MS)
        page.goto(f"{url}/model")
        page.get_by_role("button", name="Use hold").click()
        confirm(page, "hold is the active model")
        listed = json.loads(command(tmp_path, "models", "list", "--json"))["models"]
        assert [each["name"] for each in listed if each["is_active"]] == ["hold"]
        command(tmp_path, "models", "rollback")
        expect(page.get_by_role("row", name="maker")).to_contain_text("● active", timeout=SEEN_MS)
    expect(page.locator("[data-testid=server-lost]")).to_be_visible(timeout=SEEN_MS)
    with running(tmp_path) as again:
        assert again == url
        expect(page.locator("[data-testid=server-lost]")).to_have_count(0, timeout=SEEN_MS)
        expect(page.locator("[data-testid=active]")).to_be_visible(timeout=SEEN_MS)


def _walk(page: Page, url: str, tmp_path: Path) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    expect(page.locator("[data-testid=truth]")).to_contain_text("The books are true", timeout=SEEN_MS)
    page.goto(f"{url}/markets")
    page.wait_for_selector(".ag-row", timeout=SEEN_MS)
    market = page.locator(".ag-row a").first.get_attribute("href")
    views = {
        "market": (str(market), "[data-testid=ladder]"), "orders": ("/orders", "[data-testid=decisions] tbody tr"),
        "model": ("/model", "table"), "system": ("/system", "[data-testid=services] tbody tr"),
        "statement": ("/statement", "[data-testid=statement]"), "overview": ("/", "[data-testid=Equity]"),
    }  # fmt: skip
    for name, (path, content) in views.items():
        page.goto(url + path)
        page.wait_for_selector(content, timeout=SEEN_MS)
        page.wait_for_timeout(800)
        page.screenshot(path=screens(f"run-{name}", tmp_path), full_page=True)
    assert problems == []
