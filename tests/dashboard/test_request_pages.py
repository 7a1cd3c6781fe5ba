"""The pages of one request and of sessions, as HTML: what they tell, and that nothing in a call can become markup."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from analysis.dashboard.session_key import read_session_key, session_key
from tests.dashboard import said
from tests.dashboard.said import AGENT, HOSTILE, HOSTILE_SESSION, HUGE, LONG_SESSION
from tests.dashboard.served import serving

TABS = ("conversation", "turns", "raw", "stream", "cost", "http", "again", "notes")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    data = tmp_path_factory.mktemp("said") / "data"
    data.mkdir(mode=0o700)
    said.write(data)
    with serving(data) as url, httpx.Client(base_url=f"{url}/ui", timeout=60) as client:
        yield client


class Elements(HTMLParser):
    """What a browser makes of a page: elements with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def part(told: httpx.Client, request_id: str, name: str, **query: str) -> str:
    answer = told.get(f"/requests/{request_id}/-/{name}", params=query)
    assert answer.status_code == 200
    return answer.text


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_page_has_the_call_at_a_glance(told: httpx.Client) -> None:
    page = told.get(f"/requests/{AGENT[0]}").text
    assert "claude-sonnet-4-5" in page
    assert "$0.0087" in page
    assert "2.40 s" in page
    assert 'href="/ui/sessions/agent-run"' in page
    assert f"/ui/requests/{AGENT[1]}" in page  # the newer call


def test_a_conversation_is_shown_as_it_was_said(told: httpx.Client) -> None:
    html = part(told, AGENT[0], "conversation")
    assert "* **two**" in html
    assert f"data:image/png;base64,{said.PIXEL}" in html
    assert "The person wants to know" in html
    assert "search_pictures" in html and "red dot" in html


def test_what_the_turn_before_had_is_folded(told: httpx.Client) -> None:
    html = part(told, AGENT[2], "conversation")
    _, _, new = html.partition("2 messages as in the turn before")
    assert new and "Result of" in new
    assert "It is a red dot." in new


def test_the_turns_beside_a_call_are_told_with_what_changed(told: httpx.Client) -> None:
    html = part(told, AGENT[2], "turns")
    assert AGENT[0] in html and "temperature" in html and "the answer was sent back" in html
    assert AGENT[2] in part(told, AGENT[0], "turns")


def test_raw_bodies_fold_are_searched_and_downloaded(told: httpx.Client) -> None:
    assert "<details" in part(told, AGENT[0], "raw")
    found = part(told, AGENT[0], "raw", q="RED dot")
    assert "<mark>red dot</mark>" in found and "messages[1]" not in found
    answer = told.get(f"/requests/{AGENT[0]}/body/request")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.json()["model"] == "claude-sonnet-4-5"
    assert told.get(f"/requests/{AGENT[0]}/body/other").status_code == 404


def test_a_stream_is_a_line_of_pieces(told: httpx.Client) -> None:
    html = part(told, AGENT[2], "stream")
    assert html.count("<rect") == 10
    assert "+400 ms" in html and "message_stop" in html
    assert "not known" in part(told, AGENT[0], "stream")


def test_a_cost_is_told_line_by_line(told: httpx.Client) -> None:
    html = words(part(told, AGENT[0], "cost"))
    assert "input_tokens 1,200" in html and "per 1,000,000" in html
    assert "output_tokens 340" in html


def test_attempts_and_headers_are_told(told: httpx.Client) -> None:
    html = words(part(told, AGENT[3], "http"))
    assert "1 openai api.openai.com 503 0 ms 700 ms" in html
    assert "api.anthropic.com 200 700 ms 1.70 s" in html
    assert "anthropic-version 2023-06-01" in html


def test_a_call_can_be_copied_and_without_a_proxy_not_be_sent(told: httpx.Client) -> None:
    html = part(told, AGENT[0], "again")
    assert "curl -N -X POST" in html and "from anthropic import Anthropic" in html
    assert "No proxy runs" in html and "<form" not in html


@pytest.mark.parametrize("name", TABS)
def test_no_text_of_a_call_becomes_markup(told: httpx.Client, name: str) -> None:
    found = Elements()
    found.feed(part(told, HOSTILE, name))
    assert found.elements
    for element, attributes in found.elements:
        assert element not in ("script", "style", "iframe", "object", "embed", "link", "base", "meta")
        assert not [each for each in attributes if each.startswith("on") or each == "style"]
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,")
        assert (attributes.get("href") or "/ui/").startswith("/ui/")


def test_a_hostile_sessions_pages_work(told: httpx.Client) -> None:
    path = f"/sessions/{session_key(HOSTILE_SESSION)}"
    for address in (
        path,
        f"{path}/-/tree",
        f"{path}/-/conversation",
        "/sessions",
        "/sessions/-/rows?sort=nonsense&since=3000d",
    ):
        answer = told.get(address)
        assert answer.status_code == 200, address
        assert "<script>" not in answer.text


def test_a_body_of_16_megabytes_is_shown_in_part(told: httpx.Client) -> None:
    html = part(told, HUGE, "conversation")
    assert len(html) < 2_000_000
    assert "Message 9999" in html and "Earlier ones" in html
    beginning = part(told, HUGE, "conversation", after="0")
    assert "more characters are not shown" in beginning and len(beginning) < 2_000_000
    assert "more: download the body" in part(told, HUGE, "raw")
    assert "--data-binary @" in (text := part(told, HUGE, "again")) and len(text) < 10_000
    assert "Message 777" in part(told, HUGE, "raw", q="message 777")
    assert len(told.get(f"/requests/{HUGE}/body/request").content) > 16_000_000


def test_a_session_is_a_tree_with_sums(told: httpx.Client) -> None:
    html = words(told.get("/sessions/agent-run/-/tree").text)
    assert "Whole session 4 calls" in html
    assert re.search(r"look 3 calls 10\.4 s 3\.6k → 1\.02k \$0\.026", html)
    assert re.search(r"search 1 call 2\.40 s", html)
    assert "calls search_pictures; the next call came 5.60 s later" in html


def test_a_sessions_conversation_has_each_message_once(told: httpx.Client) -> None:
    html = told.get("/sessions/agent-run/-/conversation").text
    assert html.count("What is on this picture?") == 1
    assert html.count("It is a red dot.") == 1
    assert "2 earlier messages left out" in html


def test_a_session_of_5000_calls_is_shown_in_pages(told: httpx.Client) -> None:
    page = told.get(f"/sessions/{LONG_SESSION}").text
    assert "5,000" in page
    tree = told.get(f"/sessions/{LONG_SESSION}/-/tree").text
    assert len(tree) < 4_000_000 and tree.count('class="call') == 40 * 50
    assert "75 more calls" in tree
    more = told.get(f"/sessions/{LONG_SESSION}/-/more", params={"name": "/step/3", "after": "100", "most": "2"}).text
    assert more.count('class="call') == 25 and "more calls" not in more
    talk = told.get(f"/sessions/{LONG_SESSION}/-/conversation", params={"after": "4990"}).text
    assert "Step 4999" in talk and "Calls 4,991" not in talk


def test_sessions_are_listed_sorted_and_paged(told: httpx.Client) -> None:
    html = told.get("/sessions/-/rows", params={"sort": "calls", "since": "2026-11-01"}).text
    names = re.findall(r'<tr data-row[^>]*><th scope="row"[^>]*><a href="/ui/sessions/([^"?]*)', html)
    assert names[:2] == [LONG_SESSION, "agent-run"]
    assert 'aria-sort="descending"' in html


def test_sessions_are_downloaded_as_they_are_shown(told: httpx.Client) -> None:
    answer = told.get("/sessions/-/rows", params={"as": "csv", "since": "2026-11-01", "session": "agent-run"})
    assert answer.headers["content-disposition"].startswith("attachment")
    head, line, *rest = answer.text.splitlines()
    assert head.startswith("session_id,") and line.startswith("agent-run,Look at the picture") and not rest


def test_what_is_not_there_is_404_and_says_so(told: httpx.Client) -> None:
    for path in ("/requests/nobody", f"/requests/{HUGE[:-1]}f/-/raw", "/sessions/nobody", "/sessions/~%21"):
        answer = told.get(path)
        assert answer.status_code == 404
        assert "There is no" in answer.text


def test_feedback_scores_and_properties_are_set_with_the_forms_token_alone(told: httpx.Client) -> None:
    path = f"/requests/{AGENT[0]}/-"
    assert told.post(f"{path}/rating", data={"rating": "good"}).status_code == 403
    page = told.get(f"/requests/{AGENT[0]}").text
    token = re.search(r'X-CSRF-Token": "([^"]+)"', page)
    assert token
    headers = {"x-csrf-token": token[1], "hx-request": "true"}
    for name, form in (
        ("rating", {"rating": "good"}),
        ("score", {"name": "accuracy", "value": "0.8"}),
        ("property", {"name": "Team", "value": "shop"}),
    ):
        assert "Written down" in told.post(f"{path}/{name}", data=form, headers=headers).text
    assert "write" in told.post(f"{path}/score", data={"name": "a", "value": "many"}, headers=headers).text
    assert "No proxy runs" in told.post(f"{path}/replay", data={"sure": "yes", "key": "k"}, headers=headers).text


def test_a_sessions_key_is_readable_where_it_can_be() -> None:
    assert session_key("run-7.a:b@c") == "run-7.a:b@c"
    for session_id in ("a/b", "..", "~x", "", "日本", "\ud800", 'x"y', "a" * 300):
        key = session_key(session_id)
        assert re.fullmatch(r"~[A-Za-z0-9_-]*", key)
        assert read_session_key(key) == session_id
