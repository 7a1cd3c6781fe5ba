"""Every number leads to the rows behind it, and these rows are as many as the number says."""

import re
from html import unescape
from typing import Final

import httpx
import pytest
from playwright.sync_api import Page

from analysis.dashboard import app
from analysis.dashboard.state import BASE
from tests.dashboard.browsing import open_page

PAGES: Final = (*(f"{BASE}{module.PAGE.path}" for module in app.PAGES), "/ui/properties?name=feature")

# Page, table and column of numbers without a link, and why. "*": any.
EXCEPTIONS: Final = {
    ("*", "* per *", "*"): "the table behind a chart: its bars and its legend lead to the calls",
    ("/ui/requests", "Requests", "*"): "of one call: the first cell of its row opens it",
    ("/ui/sql", "*", "*"): "the answer to a person's own statement",
    ("/ui/settings", "*", "*"): "values of the settings",
    ("/ui/health", "Proxies at work on this data folder", "*"): "processes and their workers are not calls",
    ("/ui/limits", "Budgets", "Reserved"): "calls under way have no rows yet",
    ("/ui/limits", "Budgets", "Of"): "set by a person",
    ("/ui/limits", "Limits", "Of"): "set by a person",
    ("/ui/alerts", "Alerts", "Fires from"): "set by a person",
    ("/ui/alerts", "Alerts", "Of the last"): "set by a person",
}
_UNLINKED = """() => [...document.querySelectorAll('main table')].flatMap(table => {
    const heads = [...table.querySelectorAll('thead th')].map(head => head.innerText.replace(/[↓↑]/g, '').trim());
    const caption = table.caption ? table.caption.textContent.trim() : '';
    return [...table.querySelectorAll('tbody tr')].flatMap(row => [...row.cells].flatMap((cell, place) =>
        cell.classList.contains('number') && /[1-9]/.test(cell.textContent) && !cell.querySelector('a[href]')
            ? [[caption, heads[place], cell.textContent.trim()]] : []));
})"""


def _is_excepted(page: str, caption: str, column: str) -> bool:
    def fits(pattern: str, text: str) -> bool:
        return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.DOTALL) is not None

    found = (page.partition("?")[0], caption, column)
    return any(all(map(fits, pattern, found)) for pattern in EXCEPTIONS)


@pytest.mark.long
@pytest.mark.parametrize("path", PAGES)
def test_every_number_of_a_table_has_a_link(page: Page, path: str) -> None:
    open_page(page, path)
    unlinked = page.evaluate(_UNLINKED)
    assert [each for each in unlinked if not _is_excepted(path, each[0], each[1])] == []


def _linked_counts(http: httpx.Client, part: str, column: int) -> list[tuple[int, str]]:
    """The numbers of a column with the addresses that they lead to."""
    rows = re.findall(r"<tr data-row[^>]*>(.*?)</tr>", http.get(part, headers={"HX-Request": "true"}).text, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)[column] for row in rows]
    links = [re.search(r'href="([^"]+)">([\d,]+)</a>', cell) for cell in cells]
    return [(int(link[2].replace(",", "")), unescape(link[1])) for link in links if link]


@pytest.mark.parametrize(
    ("part", "column"),
    [
        ("/ui/clients/-/tools", 3),
        ("/ui/cache/-/duplicates", 1),
        ("/ui/models/-/retries", 4),  # by a fallback
        ("/ui/models/-/costs", 2),
        ("/ui/overview/-/tops", 3),
    ],
)
def test_a_number_of_calls_leads_to_as_many_rows(http: httpx.Client, part: str, column: int) -> None:
    found = _linked_counts(http, part, column)
    assert found
    for number, address in found:
        summary = http.get(address.replace("/ui/requests?", "/ui/requests/-/summary?"), headers={"HX-Request": "true"})
        said = re.search(r"<b>([\d,]+)</b> calls?", summary.text)
        assert said and int(said[1].replace(",", "")) == number, (number, address, summary.text)
