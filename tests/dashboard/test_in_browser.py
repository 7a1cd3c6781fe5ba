"""The pages in a real browser: they draw, they are accessible, and they can be walked with the keyboard alone."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from addon.config.keys import new_key, section
from analysis.dashboard import app
from analysis.dashboard.state import BASE
from tests.dashboard.browsing import faults, open_page, violations
from tests.dashboard.conftest import watched
from tests.dashboard.served import serving

pytestmark = pytest.mark.long

PAGES = (*(f"{BASE}{module.PAGE.path}" for module in app.PAGES), "/ui/sql?q=from+users", "/ui/properties?name=feature")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_accessible_and_fits_its_window(page: Page, path: str) -> None:
    assert faults(page, path) == []


def test_nothing_moves_on_a_page_that_was_open_before(page: Page) -> None:
    """Parts have the heights of the last time until they arrive."""
    page.add_init_script(
        "window.shifts = 0; new PerformanceObserver((list) => { for (const each of list.getEntries()) window.shifts += each.value; })"
        ".observe({ type: 'layout-shift', buffered: true });"
    )
    open_page(page, "/ui/cache")
    assert page.locator(".part").first.evaluate("part => part.offsetHeight - part.firstElementChild.offsetHeight") < 40
    open_page(page, "/ui/cache")
    page.wait_for_timeout(200)  # the observer is told after the frame
    assert page.evaluate("window.shifts") < 0.01


def test_what_stands_below_a_part_is_shown_once_the_part_is_there(page: Page) -> None:
    held: list[Route] = []
    page.route("**/errors/-/errors*", lambda route: held.append(route))
    page.goto("/ui/errors")
    page.wait_for_selector("[hx-get*='/-/models'].arrived")
    by_model = page.locator("main > section.card").nth(1)
    waits = "card => getComputedStyle(card).animationName"
    assert by_model.evaluate(waits) == "show"  # hidden, but for no more than two seconds
    held[0].continue_()
    page.wait_for_selector("[hx-get*='/-/errors'].arrived")
    assert by_model.evaluate(waits) == "none"
    expect(by_model).to_be_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_sign_in_is_accessible_and_says_what_is_wrong(browser: Browser, tmp_path: Path, theme: str) -> None:
    (tmp_path / "heliograph.toml").write_text(section("reader", new_key(), ("read",)), encoding="utf-8")
    with serving(tmp_path) as url:
        context = browser.new_context(base_url=url, viewport={"width": 360, "height": 700}, color_scheme=theme)  # type: ignore[arg-type]
        with watched(context, url) as page:
            page.goto("/ui/requests")
            assert violations(page) == []
            page.get_by_label("Key").fill("wrong")
            page.keyboard.press("Enter")
            expect(page.get_by_text("This key is unknown")).to_be_visible()
            assert violations(page) == []
        context.close()


def test_a_filter_is_typed_with_suggestions_and_removed_again(page: Page) -> None:
    open_page(page, "/ui/overview")
    page.keyboard.press("/")
    page.keyboard.type("user:ad")
    page.wait_for_selector("#suggestions li:has-text('ada')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/overview?user=ada")
    assert page.locator(".token").inner_text().startswith("user is ada")
    page.get_by_label("Remove: user is ada").click()
    page.wait_for_url("**/ui/overview")


def test_pages_are_reached_with_the_keyboard_alone(page: Page) -> None:
    open_page(page, "/ui/overview")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/ui/requests")
    page.wait_for_selector("tr[data-row]")
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert (
        page.evaluate(
            "[...document.querySelectorAll('tr[data-row]')].findIndex(r => r.contains(document.activeElement))"
        )
        == 1
    )
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_on_a_phone_the_menu_and_the_window_of_time_open_within_the_page_and_close_by_escape(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    open_page(page, "/ui/overview")
    menu = page.locator("[data-toggle-menu]")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#navigation")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#navigation")).not_to_be_visible()
    expect(menu).to_be_focused()
    for summary in page.locator(".filters .menu > summary").all():
        summary.click()
        box = page.locator(".filters .menu[open] .popup").bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 360
        page.keyboard.press("Escape")
        expect(page.locator(".menu[open]")).to_have_count(0)


def test_the_theme_is_switched_and_remembered(page: Page) -> None:
    open_page(page, "/ui/overview")
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    open_page(page, "/ui/requests")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_bar_leads_to_the_calls_behind_it(page: Page) -> None:
    open_page(page, "/ui/overview")
    page.locator(".u-over").nth(1).click()
    page.wait_for_url("**/ui/requests?*")
    assert "since=" in page.url and "until=" in page.url


def test_sql_is_completed_run_and_shared_by_its_address(page: Page) -> None:
    open_page(page, "/ui/sql")
    field = page.get_by_label("Statement")
    field.press_sequentially("select request_mod")
    page.wait_for_selector("#completions li:has-text('request_model')")
    field.press("Tab")
    field.press_sequentially(", count(*) as calls from requests group by all order by calls desc")
    field.press("Escape")
    field.press("Control+Enter")
    page.wait_for_url("**/ui/sql?q=select+request_model**")
    page.wait_for_selector("text=/\\d+ rows? in/")
    assert page.locator("dl.bars dt").count() > 1
    page.locator(".history summary").click()
    assert page.locator(".history a").first.inner_text().startswith("select request_model, count(*)")


def test_completions_fit_their_place(page: Page) -> None:
    """Tables after `from`, a table's own columns after its name, nothing in a text; Enter takes what arrows chose."""
    open_page(page, "/ui/sql")
    field, options = page.get_by_label("Statement"), page.locator("#completions li:visible")
    field.press_sequentially("select count(*) from req")
    expect(options).to_have_text(["requeststable"])
    field.press("ArrowDown")
    field.press("Enter")
    assert field.input_value() == "select count(*) from requests"
    field.fill("select users.")
    field.press_sequentially("c")
    expect(options.first).to_contain_text("calls")
    field.press("Tab")
    assert field.input_value() == "select users.calls"
    field.fill("select 'use")
    field.press_sequentially("r")
    expect(options).to_have_count(0)


def test_a_report_is_sorted_by_a_click_on_a_head_and_leads_to_its_calls(page: Page) -> None:
    open_page(page, "/ui/models")
    page.locator("section", has_text="Cost and tokens").get_by_role("link", name="Calls").first.click()
    page.wait_for_url("**sort=calls")
    page.wait_for_selector("th[aria-sort=descending]")
    first = page.locator("section", has_text="Cost and tokens").locator("tbody tr").first
    model = first.locator("td").first.inner_text()
    first.locator("td").first.get_by_role("link").click()
    page.wait_for_url("**/ui/requests**")
    assert f"model is {model}" in page.locator(".tokens").inner_text()


def test_the_default_columns_of_calls_fit_a_window_of_1280_px(page: Page) -> None:
    open_page(page, "/ui/requests")
    wide = "[...document.querySelectorAll('.scroll')].map((each) => each.scrollWidth - each.clientWidth)"
    assert page.evaluate(wide) == [0]


def test_a_screen_reader_is_told_once_that_all_parts_are_there(page: Page) -> None:
    open_page(page, "/ui/overview")
    expect(page.locator("#arrival")).to_have_text("The page is complete.")
    # No heading stands before that of the page, and what groups the pages is their lists' name.
    assert page.locator("h1, h2").first.inner_text() == "Overview"
    expect(page.get_by_role("list", name="Watch").get_by_role("link", name="Errors")).to_be_visible()


def test_on_paper_a_dark_page_has_charts_in_the_colours_of_their_legends_and_says_its_window(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    open_page(page, "/ui/models")
    expect(page.locator(".on-paper")).to_be_hidden()
    # The colour that most of the first chart's bars have, and those of its legend.
    drawn = """() => {
        const shown = document.querySelector(".plot canvas");
        const copy = new OffscreenCanvas(shown.width, shown.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(shown, 0, 0);
        const { data } = copy.getImageData(0, 0, shown.width, shown.height), found = new Map();
        for (let i = 0; i < data.length; i += 4) {
            const key = `rgb(${data[i]}, ${data[i + 1]}, ${data[i + 2]})`;
            if (data[i + 3] === 255) found.set(key, (found.get(key) ?? 0) + 1);
        }
        const [[most]] = [...found].sort(([, a], [, b]) => b - a);
        const swatches = [...document.querySelector(".legend").querySelectorAll(".swatch")];
        return [most, swatches.map((each) => getComputedStyle(each).backgroundColor)];
    }"""
    on_screen, of_legend = page.evaluate(drawn)
    assert on_screen in of_legend
    page.emulate_media(media="print")
    page.wait_for_function(f"(before) => ({drawn})()[0] !== before", arg=on_screen)
    on_paper, of_legend = page.evaluate(drawn)
    assert on_paper in of_legend
    expect(page.locator(".on-paper")).to_contain_text("since 20")


def test_a_latency_without_neighbours_is_a_point_of_its_chart(page: Page) -> None:
    """By the hour few steps of the demo have calls, so hardly any two values are joined by a line."""
    open_page(page, "/ui/overview?since=7d")
    drawn = """() => {
        const plots = [...document.querySelectorAll(".plot")];
        const plot = plots.find((each) => each.ariaLabel.startsWith("Latency")), shown = plot.querySelector("canvas");
        const series = JSON.parse(plot.dataset.chart).series;
        const alone = series.map(({ values }) => values.filter((each, i) => each != null && values[i - 1] == null && values[i + 1] == null).length);
        const copy = new OffscreenCanvas(shown.width, shown.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(shown, 0, 0);
        const { data } = copy.getImageData(0, 0, shown.width, shown.height);
        const swatches = plot.parentElement.querySelectorAll(".swatch");
        return series.map((_, place) => {
            const [r, g, b] = getComputedStyle(swatches[place]).backgroundColor.match(/\\d+/g).map(Number);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) if (data[i] === r && data[i + 1] === g && data[i + 2] === b) count += 1;
            return [alone[place], count];
        });
    }"""
    found = page.evaluate(drawn)
    assert sum(alone for alone, _ in found) > 20
    # Where an hour has one call, its p95 lies on its p50.
    assert all(pixels >= 4 * alone for alone, pixels in found[1:])


def test_a_stretch_of_a_chart_becomes_the_window(page: Page) -> None:
    open_page(page, "/ui/overview")
    box = page.locator(".u-over").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 50, steps=4)
    page.mouse.up()
    page.wait_for_url("**/ui/overview?*since=*")
    assert "until=" in page.url


def test_more_calls_are_shown_and_columns_chosen(page: Page) -> None:
    open_page(page, "/ui/requests")
    assert page.locator("tr[data-row]").count() == 50
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("tr[data-row]")).to_have_count(100)
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Session", exact=True).uncheck()
    page.get_by_label("Provider", exact=True).check()
    page.locator("[data-columns] button").click()
    page.wait_for_url("**columns=*")
    expect(page.get_by_role("columnheader", name="Provider")).to_be_visible()
    assert page.get_by_role("columnheader", name="Session").count() == 0


def test_the_keyboard_goes_on_at_the_first_new_row(page: Page) -> None:
    open_page(page, "/ui/requests")
    page.get_by_role("button", name="Show more").focus()
    page.keyboard.press("Enter")
    expect(page.locator("tr[data-row]")).to_have_count(100)
    expect(page.locator("tr[data-row]").nth(50).get_by_role("link").first).to_be_focused()


def test_a_view_is_saved_under_a_name_and_opened_again(page: Page) -> None:
    open_page(page, "/ui/requests?user=ada")
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Save this view as").fill("Ada <b>")
    page.get_by_role("button", name="Save").click()
    open_page(page, "/ui/overview")
    page.locator("summary", has_text="Views").click()
    page.get_by_role("link", name="Ada <b>").click()
    page.wait_for_url("**/ui/requests?user=ada")
