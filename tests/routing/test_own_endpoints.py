"""The table of our endpoints: which paths are ours, and which role each needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.config.keys import Role
from addon.routing.canonical_path import canonical_path
from addon.routing.own_endpoints import ENDPOINTS, is_own, role_for
from addon.routing.router import Arrival, Endpoint, Refusal, Router

ROUTER = Router(upstreams={}, targets=frozenset())


def routed(path: str) -> object:
    return ROUTER.route(Arrival(scheme="http", host="127.0.0.1", port=8787, path=path, own=True))


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("POST", "/v1/request/0199/feedback", "write"),
        ("PUT", "/v1/request/0199/property", "write"),
        ("POST", "/v1/request/query", "read"),
        ("GET", "/v1/request/0199", "read"),
        ("HEAD", "/v1/request/0199", "read"),
        ("POST", "/v1/session/a/b/c/feedback", "write"),
        ("GET", "/v1/session/a/b/tag", "read"),
        ("POST", "/v1/session/a/b/tag", "write"),
        ("POST", "/v1/session/query", "read"),
        ("POST", "/v1/traces", "write"),
        ("POST", "/oai/v1/log", "write"),
        ("GET", "/metrics", "read"),
        ("GET", "/healthz", None),
        ("POST", "/v1/nothing", "read"),
    ],
)
def test_each_endpoint_needs_its_role(method: str, path: str, role: Role | None) -> None:
    assert role_for(method, path) == role


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.pattern}")
def test_every_endpoint_of_the_table_is_routed_to_us_and_keeps_its_role(endpoint: object) -> None:
    assert isinstance(endpoint, type(ENDPOINTS[0]))
    path = endpoint.pattern.replace("{id:path}", "a/b").replace("{", "").replace("}", "")
    assert routed(path) == Endpoint(path)
    assert role_for(endpoint.method, path) == endpoint.role
    assert is_own(path, on_own_host=False) is not endpoint.on_own_host_only


@given(st.data())
def test_no_spelling_of_an_endpoint_gets_another_role(data: st.DataObject) -> None:
    """A key that may only read wrote by `/v1/%66eedback`: roles looked at the raw path, routes at the decoded one."""
    endpoint = data.draw(st.sampled_from([each for each in ENDPOINTS if each.pattern != "/"]))
    path = endpoint.pattern.replace("{id:path}", "a").replace("{", "").replace("}", "")
    at = data.draw(st.integers(1, len(path) - 1))
    spelled = f"{path[:at]}%{ord(path[at]):02X}{path[at + 1 :]}"
    decision = routed(spelled)
    if canonical_path(spelled) is None:  # a slash was escaped
        assert isinstance(decision, Refusal)
    else:
        assert decision == Endpoint(path)


@pytest.mark.parametrize("path", ["/v1//feedback", "/v1/./feedback", "/v1%2Ffeedback", "/v1/%2566eedback"])
def test_an_ambiguous_path_is_refused_with_what_to_do(path: str) -> None:
    decision = routed(path)
    assert isinstance(decision, Refusal)
    assert (decision.status, decision.error_type) == (400, "ambiguous_path")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/v1/requests", "/v1/session"])
def test_paths_of_providers_are_not_ours(path: str) -> None:
    assert not is_own(path, on_own_host=True)
