"""The table of calls: pages, sorting, columns, words in bodies, files."""

import io
import json
import re
from urllib.parse import unquote_plus

import httpx
import pyarrow.parquet as pq
import pytest

from analysis.dashboard.formats import breaking, marked

ROWS = "/ui/requests/-/rows"


def ids(text: str) -> list[str]:
    return re.findall(r'<th scope="row"[^>]*><a href="/ui/requests/([0-9a-f-]{36})', text)


def pages(http: httpx.Client, query: str) -> list[str]:
    """The ids of all pages, one after the other."""
    found: list[str] = []
    path: str | None = f"{ROWS}?{query}"
    while path:
        text = http.get(path).text
        found += ids(text)
        more = re.search(r'hx-get="([^"]+)"', text)
        path = more[1].replace("&amp;", "&").replace("&gt;", ">") if more else None
    return found


@pytest.mark.parametrize("sort", ["time", "-time", "cost", "-cost", "latency", "-first_token", "saved"])
def test_all_pages_together_have_every_call_once(http: httpx.Client, sort: str) -> None:
    found = pages(http, f"sort={sort}")
    assert len(found) == len(set(found)) == 200


def test_rows_are_sorted_by_the_column(http: httpx.Client) -> None:
    text = http.get(f"{ROWS}?sort=latency&as=jsonl").text
    assert len(text.splitlines()) == 200  # a file has all of them
    shown = http.get(f"{ROWS}?sort=input&columns=input").text
    numbers = [
        int(each.replace(",", "")) for each in re.findall(r'<td role="cell" class="number"[^>]*>([\d,]+)</td>', shown)
    ]
    assert numbers and numbers == sorted(numbers, reverse=True)


def test_columns_are_those_that_were_chosen(http: httpx.Client) -> None:
    text = http.get(f"{ROWS}?columns=model,nonsense,cost").text
    shown = re.findall(r'<th scope="col"[^>]*>(?:<a[^>]*>)?([A-Za-z ]+)', text)
    assert shown == ["Time", "Model", "Cost"]


def test_words_are_found_in_bodies_and_shown_with_what_is_around_them(http: httpx.Client) -> None:
    text = http.get(f"{ROWS}?words=parcel").text
    assert ids(text)
    assert 'class="excerpt"' in text
    assert not ids(http.get(f"{ROWS}?words=nobody-says-this").text)


def test_searched_words_are_marked_and_stay_text() -> None:
    assert marked("A <b>Refund</b>, refunds.", ["refund", "b"]) == (
        "A &lt;<mark>b</mark>&gt;<mark>Refund</mark>&lt;/<mark>b</mark>&gt;, <mark>refund</mark>s."
    )
    assert marked("<i>", []) == "&lt;i&gt;"


def test_a_place_that_makes_no_sense_is_the_first_page(http: httpx.Client) -> None:
    assert ids(http.get(f"{ROWS}?after=x~y~z").text) == ids(http.get(ROWS).text)


def test_an_address_with_a_place_is_a_whole_table_that_begins_there(http: httpx.Client) -> None:
    first = http.get(ROWS).text
    after = re.search(r"after=([^&\"]+)", first)
    assert after
    later = http.get(f"{ROWS}?after={after[1]}").text
    assert "<thead" in later and ids(later) and not set(ids(later)) & set(ids(first))
    assert "<thead" not in http.get(f"/ui/requests/-/more?after={after[1]}").text


def test_what_is_shown_can_be_taken_along(http: httpx.Client) -> None:
    csv = http.get(f"{ROWS}?as=csv&user=ada")
    assert csv.headers["content-disposition"] == 'attachment; filename="heliograph-requests-export.csv"'
    users = http.get(f"{ROWS}?as=jsonl&user=ada").text.splitlines()
    table = pq.read_table(io.BytesIO(http.get(f"{ROWS}?as=parquet&user=ada").content))
    assert table.num_rows == len(users) == len(csv.text.splitlines()) - 1
    assert set(table["user_id"].to_pylist()) == {"ada"}


def test_the_sql_of_what_is_shown_has_the_filters_as_text(http: httpx.Client) -> None:
    sql = http.get(f"{ROWS}?as=sql&user=O'Hara").text
    assert "user_id = 'O''Hara'" in sql
    assert "from calls" in sql


def test_links_of_a_row_add_its_value_to_the_filters(http: httpx.Client) -> None:
    text = unquote_plus(http.get(f"{ROWS}?cost=>0").text)
    assert re.search(r'href="/ui/requests\?cost=(>|&gt;)0&amp;user=\w+"', text)


def test_words_are_looked_for_in_the_bodies_of_the_period_before_too(http: httpx.Client) -> None:
    """The demo's calls are older than a day and younger than a month: in a window of the last 15 days half of them are
    in the period before."""
    windows = {"now": "since=15d", "before": "since=30d&until=15d"}
    found = {
        name: len(http.get(f"{ROWS}?words=the&{window}&as=jsonl").text.splitlines()) for name, window in windows.items()
    }
    assert found["before"]
    report = http.get("/ui/models/-/costs?since=15d&words=the&compare=1&as=jsonl").text
    rows = [json.loads(line) for line in report.splitlines()]
    assert sum(row["calls"] or 0 for row in rows) == found["now"]
    assert sum(row["before_calls"] or 0 for row in rows) == found["before"]


def test_a_name_may_go_on_in_the_next_line_after_an_underscore_and_stays_text() -> None:
    assert breaking("overloaded_error") == "overloaded_<wbr>error"
    assert breaking("<b>_x") == "&lt;b&gt;_<wbr>x"
    assert breaking("gpt-5") == "gpt-5"
