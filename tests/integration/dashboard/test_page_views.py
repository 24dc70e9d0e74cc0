"""Every view of the page in a browser: drawn without an error, in light, dark and on a phone, accessible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from integration.dashboard.conftest import sign_in
from support.browsers import needs_chromium
from support.page_walk import DRAWN_MS, screens, watch
from support.served_page import ServedPage

pytestmark = [needs_chromium, pytest.mark.long]

MARKET = "KXMADE-26DEC00-B001"
VIEWS = {
    "overview": ("/", "[data-testid=truth]"),
    "markets": ("/markets", ".ag-row"),
    "market": (f"/market/{MARKET}", "[data-testid=ladder] tr.bid"),
    "orders": ("/orders", "[data-testid=decisions] tbody tr"),
    "model": ("/model", "[data-testid=active]"),
    "system": ("/system", "[data-testid=limits] tr"),
    "statement": ("/statement", "h1"),
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1400, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1400, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
    "phone-dark": {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
}
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module", params=LOOKS)
def look(request: pytest.FixtureRequest, browser: Browser, page_process: ServedPage) -> Iterator[tuple[str, Page]]:
    context = browser.new_context(**LOOKS[request.param])
    page = context.new_page()
    sign_in(page, page_process)
    yield request.param, page
    context.close()


@pytest.mark.parametrize("view", VIEWS)
def test_view_is_drawn_and_accessible(
    look: tuple[str, Page], page_process: ServedPage, view: str, tmp_path: Path
) -> None:
    name, page = look
    path, content = VIEWS[view]
    problems = watch(page, page_process.url)
    page.goto(page_process.url + path)
    page.wait_for_selector(content)
    page.wait_for_timeout(DRAWN_MS)
    page.screenshot(path=screens(f"{view}-{name}", tmp_path), full_page=True)
    faults = [
        f"{each['id']}: {node['html']}"
        for each in Axe().run(page).response["violations"]
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]
    assert faults == []
    assert problems == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
        "the page is wider than its window"
    )


def test_all_views_can_be_reached_by_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    reached = []
    for _ in range(16):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"{reached[-1]} has no visible focus"
        if reached[-1] == "Sign out":
            break
    for name in ("Overview", "Markets", "Orders", "Model", "System", "Statement", "Halt", "Resume", "Flatten"):
        assert name in reached


def test_theme_can_be_chosen_and_is_kept(page: Page, page_process: ServedPage) -> None:
    button = page.get_by_role("button", name="Theme")
    button.click()
    button.click()
    expect(button).to_have_text("Theme: dark")
    assert "body--dark" in (page.locator("body").get_attribute("class") or "")
    page.goto(f"{page_process.url}/system")
    page.wait_for_selector("h1")
    assert "body--dark" in (page.locator("body").get_attribute("class") or "")


def test_a_decision_is_followed_through_its_ids(page: Page, page_process: ServedPage) -> None:
    page.goto(f"{page_process.url}/orders")
    page.locator("[data-testid=decisions] tbody button").first.click()
    life = page.locator("[data-testid=life]")
    expect(life).to_contain_text("o-made")
    expect(life).to_contain_text("tb1-made")
    expect(life).to_contain_text("x-made")
    expect(life).to_contain_text("Settlement")


def test_unknown_market_is_shown_as_not_known(page: Page, page_process: ServedPage) -> None:
    page.goto(f"{page_process.url}/market/NO-SUCH")
    expect(page.locator(".empty")).to_contain_text("Nothing is known of this market")
