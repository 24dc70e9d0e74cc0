"""Who gets in: the token's way into the page, and requests of other origins by a browser that is signed in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from integration.dashboard.conftest import sign_in
from support.browsers import needs_chromium
from support.served_page import ServedPage, served_page

pytestmark = [needs_chromium, pytest.mark.long]

ATTEMPTS = (Path(__file__).parents[2] / "support" / "other_origin.js").read_text()


class OtherSite(BaseHTTPRequestHandler):
    """A page of another program on this machine."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>other</title>")

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def other_site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), OtherSite)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Page]:
    """A page of a new browser profile, without a session."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_page_without_a_token_asks_for_it(stranger: Page, page_process: ServedPage) -> None:
    stranger.goto(f"{page_process.url}/markets")
    assert stranger.url == f"{page_process.url}/sign-in"
    stranger.get_by_label("Token").fill(page_process.token)
    stranger.keyboard.press("Enter")
    expect(stranger.locator("[data-testid=mode]")).to_contain_text("Trading")


def test_wrong_token_is_explained_and_delayed(browser: Browser, stranger: Page, tmp_path: Path) -> None:
    with served_page(tmp_path, markets=5) as served:
        stranger.goto(f"{served.url}/#token=wrong")
        problem, button = stranger.locator("#problem"), stranger.get_by_role("button", name="Open the page")
        expect(problem).to_contain_text("The token is wrong")
        expect(button).to_be_enabled()
        stranger.get_by_label("Token").fill("wrong again")
        button.click()
        expect(problem).to_contain_text("the next attempt is possible in 2 s")
        expect(button).to_be_enabled()
        stranger.get_by_label("Token").fill(served.token)
        button.click()
        expect(stranger.locator("[data-testid=mode]")).to_contain_text("Trading")
        stranger.context.close()


def test_token_is_kept_out_of_page_address_and_log(stranger: Page, tmp_path: Path) -> None:
    addresses: list[str] = []
    stranger.on("request", lambda sent: addresses.append(sent.url + str(sent.headers)))
    with served_page(tmp_path, markets=5) as served:
        sign_in(stranger, served)
        stranger.goto(f"{served.url}/#token={served.token}")
        expect(stranger.locator("[data-testid=Equity]")).to_contain_text("$")
        assert stranger.url == f"{served.url}/"
        kept = [stranger.content(), stranger.evaluate("document.cookie + JSON.stringify(localStorage)"), *addresses]
        stranger.context.close()
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.name != "dashboard-token"]
    assert files
    assert [text for text in (*kept, *(file.read_text() for file in files)) if served.token in text] == []


def test_other_origin_is_refused_with_a_session(page: Page, page_process: ServedPage, other_site: str) -> None:
    before = page_process.command("count")
    page.goto(other_site)
    socket, *fetched = page.evaluate(ATTEMPTS, page_process.url)
    assert socket == "refused"
    assert set(fetched) <= {"refused", "opaque"}
    assert page_process.command("count")["cancels"] == before["cancels"]
    page.goto(page_process.url)
    page.wait_for_selector("[data-testid=mode]")
    assert page.evaluate("async () => (await fetch('/session')).status") == 204


def test_page_can_not_be_framed_by_another_site(page: Page, page_process: ServedPage, other_site: str) -> None:
    page.goto(other_site)
    page.evaluate(
        "(url) => document.body.append(Object.assign(document.createElement('iframe'), {src: url}))", page_process.url
    )
    page.wait_for_timeout(1_000)
    assert all(page_process.url not in frame.url for frame in page.frames)


def test_sign_out_ends_every_page_of_the_session(page: Page, page_process: ServedPage) -> None:
    other = page.context.new_page()
    other.goto(f"{page_process.url}/system")
    other.wait_for_selector("[data-testid=mode]")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    other.wait_for_url("**/sign-in")
