"""What tests of pages do in the browser."""

from typing import Final, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# Without "resultTypes" axe-core describes every element that is right, too: most of its time.
RULES: Final = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
WIDTHS: Final[tuple[tuple[int, Literal["light", "dark"]], ...]] = ((1280, "light"), (360, "dark"))
LARGE: Final = 2560
_DRAWN: Final = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"

# On a phone.
_WIDE_TABLES: Final = """[...document.querySelectorAll(".scroll")]
    .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth)
    .map((each) => `the table ${each.ariaLabel} is ${each.scrollWidth} px wide in ${each.clientWidth}`)"""


def open_page(page: Page, path: str) -> None:
    """Until every part of it has arrived."""
    page.goto(path)
    page.wait_for_selector(".part[aria-busy]", state="detached", timeout=30_000)


def faults(page: Page, path: str) -> list[str]:
    """What is wrong with one page, loaded once and looked at in both themes at three widths."""
    open_page(page, path)
    found: list[str] = []
    for width, theme in WIDTHS:
        page.emulate_media(color_scheme=theme)
        found += [f"{width} {theme}: {each}" for each in (*_too_wide(page, width), *violations(page))]
    found += page.evaluate(_WIDE_TABLES)
    return found + _too_wide(page, LARGE)


def _too_wide(page: Page, width: int) -> list[str]:
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(_DRAWN)
    needed = page.evaluate("document.documentElement.scrollWidth")
    return [f"{needed} px wide in a window of {width}"] if needed > width else []


def violations(page: Page) -> list[str]:
    """What axe-core finds: the rule, and where."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]
