"""The page over time: rows that change and stay in place, a lost source, a restart, and two operators."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from integration.dashboard.conftest import sign_in
from support.browsers import needs_chromium
from support.served_page import ServedPage, served_page

pytestmark = [needs_chromium, pytest.mark.long]

RESTART_MS = 30_000


def open_grid(page: Page, served: ServedPage) -> None:
    page.goto(f"{served.url}/markets")
    page.wait_for_selector(".ag-row")


def test_grid_keeps_scroll_and_order_while_rows_change(page: Page, page_process: ServedPage) -> None:
    open_grid(page, page_process)
    page.evaluate("truebookGrid.applyColumnState({state: [{colId: 'ticker', sort: 'desc'}]})")
    page.evaluate("truebookGrid.ensureIndexVisible(200, 'top')")
    page.wait_for_timeout(200)
    created = page.evaluate("document.querySelector('.ag-root').dataset.mark = 'first'")
    top = page.evaluate("truebookGrid.getVerticalPixelRange().top")
    before = page.evaluate("[...Array(300).keys()].map((n) => truebookGrid.getDisplayedRowAtIndex(n).data.updates)")
    page.wait_for_function(
        """(before) => [...Array(300).keys()].filter(
            (n) => truebookGrid.getDisplayedRowAtIndex(n).data.updates > before[n]).length > 150""",
        arg=before,
    )
    assert page.evaluate("truebookGrid.getVerticalPixelRange().top") == top
    assert page.evaluate("document.querySelector('.ag-root').dataset.mark") == created, "the grid was built again"
    tickers = page.evaluate("[0, 1, 299].map((n) => truebookGrid.getDisplayedRowAtIndex(n).data.ticker)")
    assert tickers == sorted(tickers, reverse=True)


def test_columns_keep_their_width_while_numbers_change(page: Page, page_process: ServedPage) -> None:
    page.goto(page_process.url)
    page.wait_for_selector("[data-testid=Equity]")
    edges = "[...document.querySelectorAll('.measure')].map((each) => each.getBoundingClientRect().right)"
    before = page.evaluate(edges)
    for _ in range(5):
        page_process.command("advance", "60")
    page.wait_for_timeout(600)
    assert page.evaluate(edges) == before


def test_filters_choose_rows(page: Page, page_process: ServedPage) -> None:
    open_grid(page, page_process)
    page.get_by_label("Find").fill("B007")
    expect(page.locator("[data-testid=rows]")).to_have_text("1 of 300 markets")
    page.get_by_label("Find").fill("")
    page.get_by_label("Show").select_option("stale")
    expect(page.locator("[data-testid=rows]")).to_have_text("1 of 300 markets")


def test_lost_source_is_shown_with_since_when(page: Page, page_process: ServedPage) -> None:
    page_process.command("lose")
    lost = page.locator("[data-testid=source-lost]")
    expect(lost).to_contain_text("Not known since 20")
    expect(lost).to_contain_text("does not respond")
    expect(page.locator("[data-testid=mode]")).to_contain_text("not known now")
    expect(page.locator("[data-testid=Equity]")).to_contain_text("$1,0")
    page_process.command("find")
    expect(lost).to_have_count(0)
    expect(page.locator("[data-testid=mode]")).to_contain_text("Trading")


def test_wrong_clock_of_the_browser_changes_no_age(page: Page, page_process: ServedPage) -> None:
    page.add_init_script("Date.now = () => 0")
    page.goto(page_process.url)
    expect(page.locator("[data-testid=truth]")).to_contain_text(re.compile(r"Compared [3-6]\.\d s ago"))


def test_halt_of_another_operator_is_seen(browser: Browser, page: Page, page_process: ServedPage) -> None:
    other = browser.new_context().new_page()
    sign_in(other, page_process)
    other.get_by_role("button", name="Halt").click()
    other.locator("[data-testid=confirm]").click()
    expect(other.locator("[data-testid=outcome]")).to_contain_text("Trading is halted: all orders are cancelled")
    for each in (page, other):
        expect(each.locator("[data-testid=mode]")).to_contain_text("Halted", timeout=1_500)
        expect(each.locator("[data-testid=hold]")).to_contain_text("operator")
    page.get_by_role("button", name="Resume").click()
    page.locator("[data-testid=confirm]").click()
    expect(page.locator("[data-testid=outcome]")).to_contain_text("Released")
    for each in (page, other):
        expect(each.locator("[data-testid=mode]")).to_contain_text("Trading", timeout=1_500)
    other.context.close()


def test_halt_works_while_the_views_can_not_be_read(page: Page, page_process: ServedPage) -> None:
    before = page_process.command("lose")["cancels"]
    expect(page.locator("[data-testid=source-lost]")).to_be_visible()
    page.get_by_role("button", name="Halt").click()
    page.locator("[data-testid=confirm]").click()
    expect(page.locator("[data-testid=outcome]")).to_contain_text("Trading is halted")
    page_process.command("find")
    assert page_process.command("release")["cancels"] == before + 1


def test_second_click_does_nothing_again(page: Page, page_process: ServedPage) -> None:
    before = page_process.command("count")["cancels"]
    page.get_by_role("button", name="Halt").click()
    confirm = page.locator("[data-testid=confirm]")
    confirm.evaluate("(button) => { button.click(); button.click(); button.form.requestSubmit(); }")
    expect(page.locator("[data-testid=outcome]")).to_contain_text("Trading is halted")
    assert page_process.command("release")["cancels"] == before + 1


def test_cancelled_dialog_does_nothing(page: Page, page_process: ServedPage) -> None:
    before = page_process.command("count")["cancels"]
    page.get_by_role("button", name="Halt").click()
    expect(page.get_by_role("dialog")).to_contain_text("every resting order is cancelled")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page_process.command("count")["cancels"] == before


def test_refused_request_shows_the_ports_words(page: Page, page_process: ServedPage) -> None:
    page.get_by_role("button", name="Flatten").click()
    page.locator("[data-testid=confirm]").click()
    expect(page.locator("[data-testid=outcome]")).to_contain_text("Not done.")


def test_limits_are_set_and_shown(page: Page, page_process: ServedPage) -> None:
    page.goto(f"{page_process.url}/system")
    page.get_by_role("button", name="Change the limits").click()
    page.get_by_role("dialog").get_by_label("open orders").fill("7")
    page.locator("[data-testid=confirm]").click()
    expect(page.locator("[data-testid=outcome]")).to_contain_text("Set: open_orders")
    page.locator("[data-testid=close]").click()
    expect(page.locator("[data-testid=limits]")).to_contain_text("by an operator", timeout=10_000)


def test_page_left_open_reconnects_after_a_restart(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    with served_page(tmp_path, markets=20) as first:
        sign_in(page, first)
        page.goto(f"{first.url}/markets")
        page.wait_for_selector(".ag-row")
    expect(page.locator("[data-testid=server-lost]")).to_contain_text("has no connection", timeout=RESTART_MS)
    with served_page(tmp_path, markets=30, port=first.port) as second:
        assert second.url == first.url
        expect(page.locator("[data-testid=rows]")).to_have_text("30 of 30 markets", timeout=RESTART_MS)
        expect(page.locator("[data-testid=server-lost]")).to_have_count(0)
        context.close()


def test_thousand_markets_are_shown(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    with served_page(tmp_path, markets=1_000, changes=500) as served:
        sign_in(page, served)
        open_grid(page, served)
        expect(page.locator("[data-testid=rows]")).to_have_text("1000 of 1000 markets")
        served.command("remove", "KXMADE-26DEC00-B000")
        expect(page.locator("[data-testid=rows]")).to_have_text("999 of 999 markets")
        context.close()


def test_nothing_is_read_while_no_page_is_open(browser: Browser, tmp_path: Path) -> None:
    with served_page(tmp_path, markets=5) as served:
        assert served.command("count")["calls"] == 0
        context = browser.new_context()
        page = context.new_page()
        sign_in(page, served)
        expect(page.locator("[data-testid=Equity]")).to_contain_text("$1,0")
        assert served.command("count")["calls"] > 0
        context.close()
        while True:
            before = served.command("count")["calls"]
            page_free = browser.new_context()  # takes longer than an interval
            page_free.close()
            if served.command("count")["calls"] == before:
                break


def test_rows_that_come_and_go_at_once_are_no_error(page: Page, page_process: ServedPage) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    open_grid(page, page_process)
    page.evaluate(
        """async () => {
            const { apply, table } = await import("truebook/store.js");
            const row = { ...table("rows").values().next().value, ticker: "MADE" };
            const now_us = 1;
            apply({ now_us, tables: { rows: { set: { MADE: row } } } });
            apply({ now_us, tables: { rows: { set: { MADE: { updates: 5 } } } } });
            apply({ now_us, tables: { rows: { set: {}, removed: ["MADE"] } } });
            apply({ now_us, tables: { rows: { set: {}, removed: ["MADE"] } } });
            apply({ now_us, tables: { rows: { set: { MADE: row } } } });
        }"""
    )
    page.wait_for_function("truebookGrid.getRowNode('MADE') !== undefined")
    assert problems == []
