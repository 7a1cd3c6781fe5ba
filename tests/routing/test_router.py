"""What a request means by its host and path alone."""

from dataclasses import replace

import pytest

from addon.config.upstreams import Origin
from addon.routing.router import Arrival, Route, Router, Tunnel, means_endpoint


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


def test_a_host_that_the_settings_name_is_opened_and_routed() -> None:
    rack = Origin("https", "llm.corp.example", 8443)
    router = Router(upstreams={"rack": rack}, targets=frozenset())
    assert router.opens("llm.corp.example", 8443) and not router.opens("llm.corp.example", 443)
    through = Arrival(scheme="https", host=rack.host, port=rack.port, path="/v1/chat/completions", own=False)
    route = router.route(through)
    assert isinstance(route, Route)
    assert (route.provider.name, route.host, route.upstream) == ("rack", rack.host, rack)
    assert router.route(replace(through, port=443)) == Tunnel()
