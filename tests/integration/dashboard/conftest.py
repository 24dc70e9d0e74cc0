"""One browser per test file, and the page on made data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from support.browsers import open_browser
from support.served_page import ServedPage, served_page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedPage]:
    with served_page(tmp_path_factory.mktemp("dashboard")) as served:
        yield served


@pytest.fixture
def page(browser: Browser, page_process: ServedPage) -> Iterator[Page]:
    """A signed-in page of a new browser profile, at the overview."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened = context.new_page()
    sign_in(opened, page_process)
    yield opened
    context.close()


def sign_in(page: Page, served: ServedPage) -> None:
    """Open the printed link, and wait for the page."""
    page.goto(f"{served.url}/#token={served.token}")
    page.wait_for_selector("[data-testid=mode]")
