"""One spelling for each path, or none."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.routing.canonical_path import canonical_path


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("/", "/"),
        ("/v1/feedback", "/v1/feedback"),
        ("/v1/feedback?a=//../%2f", "/v1/feedback"),
        ("/%66eedback", "/feedback"),
        ("/v1/%63hat/completions", "/v1/chat/completions"),
        ("/v1/session/caf%C3%A9%20%231/tag", "/v1/session/café #1/tag"),
        ("/v1/models/gpt-4o:generate", "/v1/models/gpt-4o:generate"),
        ("/v1/", "/v1/"),
        ("/v1/100%25", "/v1/100%"),
    ],
)
def test_a_path_is_decoded_once(raw: str, canonical: str) -> None:
    assert canonical_path(raw) == canonical


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "v1",
        "*",
        "http://host/v1",
        "//v1/chat",
        "/v1//chat",
        "/v1//",
        "/v1/../chat",
        "/v1/./chat",
        "/v1/%2e%2E/chat",
        "/v1/chat/..",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/%2566eedback",
        "/%",
        "/%6",
        "/%zz",
        "/%ff",
        "/a%00b",
        "/a%0ab",
        "/a%7f",
        "/a%C2%85",
        "/a b",
        "/café",
        "/\udcff",
        "/a#b",
    ],
)
def test_a_path_that_can_be_read_in_two_ways_has_no_canonical_form(raw: str) -> None:
    assert canonical_path(raw) is None


@given(st.text())
def test_whatever_comes_the_answer_is_a_plain_path_or_none(text: str) -> None:
    for raw in (text, f"/{text}", f"/{quote(text)}"):
        if (path := canonical_path(raw)) is not None:
            assert path.startswith("/")
            assert path == unquote(raw.partition("?")[0])
            assert "//" not in path and "\\" not in path
            assert not {".", ".."} & set(path.split("/"))


@given(st.lists(st.from_regex(r"[a-zA-Z0-9_-]{1,9}", fullmatch=True), min_size=1), st.data())
def test_every_spelling_of_a_path_has_the_same_canonical_form(segments: list[str], data: st.DataObject) -> None:
    path = "/" + "/".join(segments)
    escaped = data.draw(st.lists(st.booleans(), min_size=len(path), max_size=len(path)))
    spelled = "".join(
        f"%{ord(char):02x}" if is_escaped and char != "/" else char
        for char, is_escaped in zip(path, escaped, strict=True)
    )
    assert canonical_path(spelled) == path
