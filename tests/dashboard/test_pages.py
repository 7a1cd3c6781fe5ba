"""The pages and their parts, asked as a browser asks for them."""

import re
from html import unescape

import httpx
import pytest

from analysis.dashboard import app
from analysis.dashboard.state import BASE

PAGES = tuple(f"{BASE}{module.PAGE.path}" for module in app.PAGES)
# Beside the parts that these pages fetch by themselves.
MORE = (
    "/ui/overview/-/over-time?by=property:feature",
    "/ui/overview/-/tops",
    "/ui/properties?name=feature",
    "/ui/models?compare=1",
    "/ui/models?sort=calls",
    "/ui/models?sort=-calls&compare=1",
    "/ui/sql?q=select+1+as+one",
    "/ui/sql/-/words",
)


@pytest.mark.parametrize("path", [*PAGES, *MORE])
def test_every_page_and_its_parts_answer_with_strict_headers(http: httpx.Client, path: str) -> None:
    page = http.get(path)
    parts = [unescape(address) for address in re.findall('hx-get="([^"]+)"', page.text)]
    for answer in (page, *(http.get(address, headers={"HX-Request": "true"}) for address in parts)):
        assert answer.status_code == 200, answer.url
        assert "could not answer" not in answer.text, answer.url
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_inline_scripts_or_styles(http: httpx.Client, path: str) -> None:
    text = http.get(path).text
    assert "<style" not in text and " style=" not in text and "onclick" not in text
    assert text.count("<script") == text.count("<script src=")


def test_a_filter_that_makes_no_sense_is_said_and_the_rest_is_kept(http: httpx.Client) -> None:
    text = http.get("/ui/overview?modle=x&user=ada&since=nonsense").text
    assert "did you mean &#39;model&#39;" in text
    assert "the last 30 days are shown" in text
    assert "user is ada" in text


def test_what_was_typed_becomes_a_readable_address(http: httpx.Client) -> None:
    answer = http.get("/ui/overview?since=7d&token=cost>0.01")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/overview?since=7d&cost=%3E0.01")


def test_a_page_that_does_not_exist_is_a_page_with_the_same_headers(http: httpx.Client) -> None:
    answer = http.get("/ui/nothing")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert "content-security-policy" in answer.headers


def test_files_are_cached_for_ever_under_an_address_with_their_hash(http: httpx.Client) -> None:
    text = http.get("/ui/overview").text
    for address in {part.split('"')[0] for part in text.split('"/ui/static/')[1:]}:
        answer = http.get(f"/ui/static/{address}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert http.get("/ui/static/000000000000/dashboard.css").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ],
)
def test_other_sites_get_nothing(http: httpx.Client, headers: dict[str, str]) -> None:
    answer = http.get("/ui/overview", headers=headers)
    assert answer.status_code == 403
    assert "<html" not in answer.text


def test_a_link_from_elsewhere_opens_the_page(http: httpx.Client) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert http.get("/ui/overview", headers=headers).status_code == 200


def test_writing_needs_the_token_of_the_page(http: httpx.Client) -> None:
    assert http.post("/ui/sign-out").status_code == 403
    assert http.post("/ui/sign-out", headers={"x-csrf-token": "wrong"}).status_code == 403


def test_suggestions_are_names_then_values_with_counts(http: httpx.Client) -> None:
    names = http.get("/ui/suggest", params={"q": "mod"}).json()
    assert names[0]["text"] == "model:"
    values = http.get("/ui/suggest", params={"q": "user:"}).json()
    assert "user:ada" in [each["text"] for each in values]
    assert all(each["note"] for each in values)
    features = http.get("/ui/suggest", params={"q": "property:feature="}).json()
    assert "property:feature=search" in [each["text"] for each in features]


def test_the_parts_of_a_page_get_its_options_and_other_pages_do_not(http: httpx.Client) -> None:
    text = http.get("/ui/overview?by=user&since=7d").text
    assert "/ui/overview/-/over-time?by=user&amp;since=7d" in text
    assert 'href="/ui/requests?since=7d"' in text


def test_what_the_browser_keeps_is_read_as_its_scripts_write_it(http: httpx.Client) -> None:
    """encodeURIComponent writes %2F for a slash and %2C for a comma."""
    cookies = {"heliograph_zone": "America%2FNew_York", "heliograph_columns": "model%2Cattempts"}
    page = http.get("/ui/requests", headers={"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())})
    assert 'data-zone="America/New_York"' in page.text
    rows = http.get("/ui/requests/-/rows", headers={"cookie": "heliograph_columns=model%2Cattempts"})
    assert "Attempts" in rows.text and "Latency" not in rows.text


@pytest.mark.parametrize("path", ["/", "/ui", "/ui/"])
def test_the_first_address_keeps_the_filters_that_it_was_asked_with(http: httpx.Client, path: str) -> None:
    answer = http.get(f"{path}?since=7d&user=%22%22", follow_redirects=True)
    assert str(answer.url).endswith("/ui/overview?since=7d&user=%22%22")
