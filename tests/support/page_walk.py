"""The operator's page beside a system that trades, in a browser: every view with data of the system, and the controls.

The same for every way of running: one process, docker compose, Kubernetes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect

from truebook_services.operator.requests import ShowStatement

VIEWS: Final = ("overview", "markets", "orders", "market", "model", "system", "statement")
QUICK_VIEWS: Final = ("overview", "markets", "system")
"""Those that cost the system little, for one that runs on a small machine beside a cluster's own parts."""
SEEN_MS: Final = 60_000
"""A page shows a change within a second; the machine may be busy."""
STATEMENT_MS: Final = ShowStatement.TIMEOUT_S * 1_000
"""The whole journal is read and verified; after this time the page states that it was not."""
CONFIRM_MS: Final = 20_000
PRESSES: Final = 3
DRAWN_MS: Final = 400
"""A chart is drawn in the next frame."""
REPORT_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy ${event.effectiveDirective} refuses ${event.blockedURI} at ${event.sourceFile}`));
"""


def screens(name: str, folder: Path) -> Path:
    """Return the path of a screenshot: in ``TRUEBOOK_TEST_SCREENS`` where that is set."""
    return Path(os.environ.get("TRUEBOOK_TEST_SCREENS", str(folder))) / f"{name}.png"


def watch(page: Page, url: str) -> list[str]:
    """Return a list that gets each error of the page, each violation of its policy, each call of another server."""
    problems: list[str] = []
    page.add_init_script(REPORT_VIOLATIONS)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda sent: problems.append(sent.url) if not sent.url.startswith((url, "data:")) else None)
    return problems


class OperatorPage:
    """A page in a browser, signed in."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems = watch(page, url)

    @property
    def mode(self) -> Locator:
        return self.part("mode")

    def part(self, name: str) -> Locator:
        return self.page.locator(f"[data-testid={name}]")

    def sign_in(self, token: str) -> None:
        """Open the printed link, and wait for the page."""
        self.page.goto(f"{self.url}/#token={token}")
        expect(self.mode).to_be_visible(timeout=SEEN_MS)
        assert token not in self.page.url

    def show(self, path: str) -> None:
        self.page.goto(self.url + path)
        expect(self.mode).to_be_visible(timeout=SEEN_MS)

    def expect_mode(self, text: str) -> None:
        expect(self.mode).to_contain_text(text, timeout=SEEN_MS)

    def control(self, button: str, outcome: str | re.Pattern[str]) -> str:
        """Press a button, confirm, and wait for that outcome; returns all of it."""
        self._ask(button)
        self.part("confirm").click()
        shown = self.part("outcome")
        expect(shown).to_contain_text(outcome, timeout=SEEN_MS)
        text = shown.inner_text()
        self.part("close").click()
        return text

    def _ask(self, button: str) -> None:
        """Press a button until the page asks for confirmation.

        On a busy machine a page may have lost its connection: it loads again at the press, without a question.
        """
        for _ in range(PRESSES):
            try:
                if not self.part("confirm").is_visible():
                    self.page.get_by_role("button", name=button, exact=True).click(timeout=CONFIRM_MS)
                self.part("confirm").wait_for(timeout=CONFIRM_MS)
            except TimeoutError:
                expect(self.mode).to_be_visible(timeout=SEEN_MS)
            else:
                return
        raise AssertionError(f"{button}: the page does not ask for confirmation")


@contextmanager
def opened_page(browser: Browser, url: str, token: str) -> Iterator[OperatorPage]:
    """Open the page in a new browser profile, and sign in."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    try:
        opened = OperatorPage(context.new_page(), url)
        opened.sign_in(token)
        yield opened
    finally:
        context.close()


def walk(opened: OperatorPage, folder: Path, services: Iterable[str], name: str, views: Sequence[str] = VIEWS) -> None:
    """Show views with data of a system that trades; each is kept as a screenshot, and none has an error.

    ``market`` follows ``orders``: it is the market of the newest decision there.
    """
    checks: dict[str, Callable[[OperatorPage], None]] = {
        "overview": _check_overview, "markets": _check_markets, "orders": _check_orders, "market": _check_market,
        "model": _check_model, "system": lambda each: _check_system(each, services), "statement": _check_statement,
    }  # fmt: skip
    for view in views:
        checks[view](opened)
        opened.page.wait_for_timeout(DRAWN_MS)
        opened.page.screenshot(path=screens(f"{name}-{view}", folder), full_page=True, timeout=SEEN_MS)
        assert opened.problems == [], view
        expect(opened.part("source-lost")).to_have_count(0)


def _check_overview(opened: OperatorPage) -> None:
    opened.show("/")
    expect(opened.part("truth")).to_contain_text("The books are true", timeout=SEEN_MS)
    expect(opened.part("Equity")).to_have_text(re.compile(r"^\$[\d,]+\.\d\d"), timeout=SEEN_MS)
    expect(opened.part("verdict")).to_contain_text("trading: ", timeout=SEEN_MS)
    _expect_some(opened.page.locator(".events li"))
    _expect_some(opened.page.locator("canvas"))  # needs a second value of the equity


def _check_markets(opened: OperatorPage) -> None:
    opened.show("/markets")
    _expect_some(opened.page.locator(".ag-row"))
    expect(opened.part("rows")).to_have_text(re.compile(r"^([1-9]\d*) of \1 markets$"))
    priced = opened.page.locator(".ag-row [col-id=bid_cc]").filter(has_text=re.compile(r"^\d"))
    _expect_some(priced)


def _check_orders(opened: OperatorPage) -> None:
    opened.show("/orders")
    page, rows = opened.page, opened.part("decisions").locator("tbody tr")
    _expect_some(rows)
    rows.get_by_role("button").first.click()
    life = opened.part("life")
    for step in ("Observation", "Action", "Order", "Settlement"):
        expect(life.locator(".steps > li > strong").filter(has_text=step).first).to_be_visible(timeout=SEEN_MS)
    expect(page.locator(".steps code").first).not_to_be_empty()


def _check_market(opened: OperatorPage) -> None:
    """The market of the newest decision with a target, from the view of orders."""
    opened.part("decisions").locator("tbody a").first.click()
    ladder = opened.part("ladder")
    _expect_some(ladder.locator("tr.bid, tr.ask"))
    _expect_some(opened.page.locator("details .gates"))
    _expect_some(opened.page.locator("canvas"))


def _check_model(opened: OperatorPage) -> None:
    opened.show("/model")
    expect(opened.part("active")).to_have_text(re.compile(r"\w"), timeout=SEEN_MS)
    expect(opened.page.get_by_role("row").filter(has_text="● active")).to_have_count(1, timeout=SEEN_MS)
    _expect_some(opened.page.locator(".heat .cell"))
    _expect_some(opened.page.locator("canvas"))


def _check_system(opened: OperatorPage, services: Iterable[str]) -> None:
    opened.show("/system")
    table = opened.part("services")
    for service in services:
        row = table.locator("tbody tr").filter(has=opened.page.get_by_role("rowheader", name=service, exact=True))
        expect(row.first).to_contain_text("works", timeout=SEEN_MS)
    _expect_some(opened.part("limits").locator("tr"))
    expect(opened.page.get_by_text("Counted since")).to_be_visible(timeout=SEEN_MS)


def _check_statement(opened: OperatorPage) -> None:
    opened.show("/statement")
    statement = opened.part("statement")
    expect(statement).to_be_visible(timeout=STATEMENT_MS)
    _expect_some(statement.locator("p.good"))
    expect(statement.locator("p.bad")).to_have_count(0)
    _expect_some(opened.page.locator(".tall tbody tr"))


def _expect_some(found: Locator) -> None:
    expect(found.first).to_be_visible(timeout=SEEN_MS)
