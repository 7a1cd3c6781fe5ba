"""What a request means by its host and path alone."""

import pytest

from addon.routing.router import means_endpoint


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("127.0.0.1", "/v1/request/query", True),
        ("127.0.0.1", "/healthz?x=1", True),
        ("127.0.0.1", "/v1/request/unknown", True),
        ("evil.example", "/v1/request/query", True),
        ("api.helicone.ai", "/whatever", True),
        ("127.0.0.1", "/openai/v1/chat/completions", False),
        ("127.0.0.1", "//v1/request/query", False),
        ("api.openai.com", "/v1/request/query", False),
        ("oai.helicone.ai", "/v1/request/query", False),
    ],
)
def test_a_request_means_an_endpoint_by_host_and_path(host: str, path: str, expected: bool) -> None:
    assert means_endpoint(host, path) is expected
