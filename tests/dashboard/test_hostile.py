"""What callers and models say is data: markup in every field of a call is shown as text, in a real browser."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.analysis.writing import made_up_rows, to_parquet
from tests.dashboard.browsing import open_page
from tests.dashboard.conftest import watched
from tests.dashboard.served import serving

pytestmark = pytest.mark.long

EVIL = '"\'><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>{{7*7}}'
PAGES = (
    "/ui/overview",
    "/ui/overview?by=user",
    "/ui/overview?by=property:feature",
    "/ui/requests",
    "/ui/requests?columns=",
)
ALL_COLUMNS = "model,provider,operation,status,user,session,repository,command,client,cache,id"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data: Path = tmp_path_factory.mktemp("hostile")
    now = datetime.now(UTC)
    rows = [
        replace(
            row,
            started_at=now - timedelta(minutes=number),
            request_model=EVIL,
            response_model=EVIL,
            user_id=EVIL,
            session_id=EVIL,
            error_type=EVIL if number % 2 else None,
            client=EVIL,
            client_command=EVIL,
            client_repository=EVIL,
            cost_missing=EVIL,
            cost_nanousd=None if number % 3 == 0 else 10_000_000,
            properties={"feature": EVIL, EVIL.lower(): EVIL},
        )
        for number, row in enumerate(made_up_rows(40))
    ]
    to_parquet(data, rows, 1)
    with serving(data) as address:
        yield address


@pytest.mark.parametrize("path", PAGES)
def test_markup_in_any_field_of_a_call_is_inert(browser: Browser, url: str, path: str) -> None:
    context = browser.new_context(base_url=url, timezone_id="UTC", viewport={"width": 1280, "height": 900})
    with watched(context, url) as page:
        open_page(page, path + ALL_COLUMNS if path.endswith("=") else path)
        assert page.evaluate("window.pwned") is None
        assert page.locator("img[src=x]").count() == 0
        assert "onerror=" in page.locator("main").inner_text()
    context.close()


def test_markup_in_the_address_and_in_suggestions_is_inert(browser: Browser, url: str) -> None:
    context = browser.new_context(base_url=url, timezone_id="UTC")
    with watched(context, url) as page:
        open_page(page, "/ui/requests?user=%3Cimg%20src=x%20onerror=window.pwned=1%3E&%3Cscript%3E=1&since=%3Cb%3E")
        page.locator("#token").fill("user:")
        page.wait_for_selector("#suggestions li")
        assert page.evaluate("window.pwned") is None
        assert page.locator("img[src=x]").count() == 0
    context.close()
