"""The pages of one request and of sessions in a real browser: accessible, inert whatever they show, usable by keyboard."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from analysis.dashboard.session_key import session_key
from tests.dashboard import said
from tests.dashboard.browsing import faults, open_page
from tests.dashboard.conftest import watched
from tests.dashboard.said import AGENT, HOSTILE, HOSTILE_SESSION, HUGE, LONG_SESSION
from tests.dashboard.served import serving

pytestmark = pytest.mark.long

TABS = ("conversation", "turns", "raw", "stream", "cost", "http", "again")
PATHS = (
    *(f"/ui/requests/{AGENT[2]}?tab={tab}" for tab in TABS),
    *(f"/ui/requests/{HOSTILE}?tab={tab}" for tab in TABS),
    "/ui/sessions?since=2026-11-01",
    "/ui/sessions/agent-run",
    "/ui/sessions/agent-run?tab=conversation",
    f"/ui/sessions/{session_key(HOSTILE_SESSION)}",
    f"/ui/sessions/{session_key(HOSTILE_SESSION)}?tab=conversation",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data: Path = tmp_path_factory.mktemp("said") / "data"
    data.mkdir(mode=0o700)
    said.write(data)
    with serving(data) as url:
        yield url


@pytest.fixture
def page(browser: Browser, told: str) -> Iterator[Page]:
    context = browser.new_context(base_url=told, timezone_id="UTC", viewport={"width": 1280, "height": 900})
    with watched(context, told) as page:
        yield page
    context.close()


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_accessible_fits_and_asks_nobody_else(page: Page, path: str) -> None:
    assert faults(page, path) == []


def test_long_sessions_and_huge_bodies_are_drawn(page: Page) -> None:
    page.goto(f"/ui/requests/{HUGE}")
    expect(page.get_by_text("Message 9999", exact=True)).to_be_visible(timeout=30_000)
    open_page(page, f"/ui/sessions/{LONG_SESSION}")
    page.get_by_role("button", name="75 more calls").first.click()
    expect(page.get_by_role("button", name="25 more calls")).to_have_count(1)


def test_a_session_is_followed_by_keyboard_alone(page: Page) -> None:
    open_page(page, "/ui/sessions?since=2026-11-01&sort=last_call_at")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/sessions/long**")
    open_page(page, f"/ui/requests/{AGENT[2]}?since=2026-11-01")
    page.keyboard.press("j")
    page.wait_for_url(f"**/ui/requests/{AGENT[1]}**")
    page.keyboard.press("k")
    page.wait_for_url(f"**/ui/requests/{AGENT[2]}**")


def test_a_call_is_rated_and_gets_a_score_and_a_property(page: Page) -> None:
    open_page(page, f"/ui/requests/{AGENT[1]}")
    page.get_by_role("button", name="Good").click()
    expect(page.get_by_text("Written down")).to_be_visible()
    page.get_by_label("Name of the score").fill("accuracy")
    page.get_by_label("Value of the score").fill("many")
    page.get_by_label("Value of the score").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("write a number")
    page.get_by_label("Name of the property").fill("team")
    page.get_by_label("Value of the property").fill("<b>shop</b>")
    page.get_by_label("Value of the property").press("Enter")
    expect(page.get_by_text("Written down")).to_be_visible()


def test_bodies_are_searched(page: Page) -> None:
    open_page(page, f"/ui/requests/{AGENT[2]}?tab=raw")
    page.get_by_label("Search in both bodies").fill("pixel")
    page.keyboard.press("Enter")
    expect(page.locator("mark").first).to_have_text("pixel")


def test_a_text_to_copy_is_selected_or_copied(page: Page) -> None:
    open_page(page, f"/ui/requests/{AGENT[2]}?tab=again")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied").or_(page.get_by_role("button", name="Selected"))).to_be_visible()
