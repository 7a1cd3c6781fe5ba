"""The dashboard over the demo's data, asked by httpx or walked through in a real headless Chromium."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.dashboard.served import serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WITHIN_MS = 60_000  # what a page is to show; far more than a slow machine needs

expect.set_options(timeout=WITHIN_MS)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 varied calls, spread over the last weeks."""
    data = tmp_path_factory.mktemp("dashboard") / "data"
    command = [str(Path(sys.executable).with_name("heliograph")), "demo", "--data", str(data), "--calls", "200"]
    subprocess.run(command, check=True, capture_output=True)
    return data


@pytest.fixture(scope="session")
def url(demo: Path) -> Iterator[str]:
    """Where the dashboard over it answers, without a slash at the end."""
    with serving(demo) as address:
        yield address


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of one file's tests: while it is there, an event loop of Playwright runs, and tests of other files have their own."""
    if CHROMIUM is None:
        pytest.skip("no chromium: install one (apt-get install chromium); `scripts/test --all` does where it may")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@contextlib.contextmanager
def watched(context: BrowserContext, url: str) -> Iterator[Page]:
    """A page of the dashboard. Whatever its console complains of, and any request to elsewhere, fails the test."""
    wrong: list[str] = []
    page = context.new_page()
    page.set_default_timeout(WITHIN_MS)
    page.on(
        "console", lambda said: wrong.append(f"console: {said.text}") if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("request", lambda asked: None if _is_ours(asked.url, url) else wrong.append(f"elsewhere: {asked.url}"))
    yield page
    page.close()
    assert wrong == []


def _is_ours(asked: str, url: str) -> bool:
    return asked.startswith((f"{url}/", "data:", "blob:", "about:"))


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    options: dict[str, Any] = {"base_url": url, "timezone_id": "UTC", "viewport": {"width": 1280, "height": 900}}
    context = browser.new_context(**options)
    with watched(context, url) as page:
        yield page
    context.close()
