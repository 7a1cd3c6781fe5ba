"""Which other methods a request names."""

import pytest

from addon.routing.method_override import other_methods


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"X-HTTP-Method-Override", b"post"),
        (b"x-http-method", b"POST"),
        (b"X-Method-Override", b" POST "),
        (b"X-Goog-HTTP-Method-Override", b"POST"),
        (b"X_HTTP_Method_Override", b"POST"),
        (b"x-http-method-override", b"GET, POST"),
    ],
)
def test_a_header_names_another_method(name: bytes, value: bytes) -> None:
    assert other_methods("GET", [(b"accept", b"*/*"), (name, value)], "") == ["POST"]
    assert other_methods("POST", [(name, b"POST")], "") == []


@pytest.mark.parametrize("query", ["$httpMethod=POST", "key=x&%24http%4dethod=post", "_method=POST&_method=POST"])
def test_a_query_names_another_method(query: str) -> None:
    assert other_methods("GET", [], query) == ["POST"]


def test_other_requests_name_none() -> None:
    assert other_methods("POST", [(b"x-method", b"PUT"), (b"content-type", b"application/json")], "method=PUT&a") == []


def test_a_method_in_lower_case_may_be_taken_for_the_usual_one() -> None:
    assert other_methods("post", [], "") == ["POST"]
    assert other_methods("Post", [(b"x-http-method", b"get")], "") == ["GET", "POST"]
