"""The targets that a caller's header may name, and that the proxy's own network is not among them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from addon.config.upstreams import Origin
from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from addon.routing.router import Named, Refusal, Route, Router
from tests.proxy.clients import CHAT, openai_client, plain
from tests.proxy.conftest import Proxy, run_up

CHAT_PATH, GATEWAY = "/openai/v1/chat/completions", "/gateway/v1/chat/completions"
BASE, TARGET = "Helicone-OpenAI-Api-Base", "Helicone-Target-Url"
# A resolver of the proxy's own process that gives a name the addresses that a test wants, one list after the other.
FAKE_DNS = """
import socket, sys
_real, _asked = socket.getaddrinfo, {}
def getaddrinfo(host, port, *args, **kwargs):
    lists = %s.get(host)
    if lists is None:
        return _real(host, port, *args, **kwargs)
    if not lists:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    at = _asked[host] = min(_asked.get(host, -1) + 1, len(lists) - 1)
    return [found for address in lists[at] for found in _real(address, port, *args, **kwargs)]
socket.getaddrinfo = getaddrinfo
"""


def ask(proxy: Proxy, path: str = GATEWAY, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return plain(proxy).post(path, json=CHAT, headers={"authorization": "Bearer k", **named})


@contextmanager
def run_open(data: Path, names: dict[str, list[list[str]]], *options: str, config: str = "") -> Iterator[Proxy]:
    """A proxy that other machines can reach, with a resolver of its own."""
    (data / "dns").mkdir()
    (data / "dns" / "sitecustomize.py").write_text(FAKE_DNS % names)
    (data / "heliograph.toml").write_text(config)
    variables = {"PYTHONPATH": str(data / "dns")}
    with run_up(data, "--listen", "0.0.0.0:0", "--open", *options, variables=variables) as proxy:
        yield proxy


HEADERS = (TARGET, BASE, "Helicone-Fallbacks")
PUBLIC, INNER = "93.184.216.34", "127.0.0.1"
NAMES: dict[str, list[list[str]]] = {
    "nothing-here.openai.azure.com": [],  # no network is asked
    "loopback.openai.azure.com": [[INNER]],
    "among-others.openai.azure.com": [[PUBLIC, INNER]],  # one is enough: nobody knows which is taken
    "mapped.openai.azure.com": [["::ffff:127.0.0.1"]],
    # Another address a moment later, once for each header.
    **{f"{header.lower()}.openai.azure.com": [[PUBLIC], [INNER]] for header in HEADERS},
}


@pytest.fixture(scope="module")
def inner() -> Iterator[FakeProviders]:
    """What no caller from elsewhere may reach."""
    with FakeProviders() as provider:
        yield provider


@pytest.fixture(scope="module")
def open_proxy(inner: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    allowed = "allowed.openai.azure.com"
    config = f'[targets]\nallow = ["http://{allowed}:{inner.port}"]\n'
    names = {**NAMES, allowed: [[INNER]]}
    with run_open(tmp_path_factory.mktemp("data"), names, f"--upstream=openai={inner.url}", config=config) as proxy:
        yield proxy
        assert proxy.stop() == 0
        assert not [line for line in proxy.said if "Traceback" in line], "\n".join(proxy.said)


@pytest.fixture(scope="module")
def azure() -> Iterator[FakeProviders]:
    with FakeProviders() as provider:
        yield provider


@pytest.fixture(scope="module")
def with_azure(azure: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with run_up(tmp_path_factory.mktemp("data"), f"--upstream=azure={azure.url}") as proxy:
        yield proxy


# Helicone-OpenAI-Api-Base.


@pytest.mark.parametrize("way", ["path prefix", "short prefix", "self-host prefix", "helicone host"])
@pytest.mark.parametrize("path", ["", "/any/path"])
def test_the_openai_sdk_is_sent_to_the_base_that_the_header_names(
    with_azure: Proxy, azure: FakeProviders, way: str, path: str
) -> None:
    """Its origin alone counts: path and query are the call's. No target of another header comes before it."""
    azure.requests.clear()
    headers = {BASE: f"https://shop.openai.azure.com{path}", TARGET: "https://nobody.example"}
    answer = openai_client(with_azure, way, headers).models.with_raw_response.list()
    assert answer.status_code == 200
    assert [request.path for request in azure.requests] == ["/v1/models"]


def test_a_call_to_the_base_has_a_row_of_its_provider(with_azure: Proxy, azure: FakeProviders) -> None:
    base = {BASE: "https://shop.openai.azure.com"}
    answer = ask(with_azure, "/openai/openai/v1/chat/completions", **base)
    row = with_azure.row(answer.headers["helicone-id"])
    assert (row["provider_name"], row["host"], row["status"]) == ("azure", "shop.openai.azure.com", 200)


def test_a_base_that_is_configured_serves_and_its_row_names_it(tmp_path: Path) -> None:
    with FakeProviders() as own:
        (tmp_path / "heliograph.toml").write_text(f'[targets]\nallow = ["{own.url}"]\n')
        with run_up(tmp_path) as proxy:
            answer = ask(proxy, CHAT_PATH, **{BASE: own.url})
            row = proxy.row(answer.headers["helicone-id"])
            assert (row["provider_name"], row["host"], row["status"]) == ("127.0.0.1", "127.0.0.1", 200)


def test_the_base_is_for_openai_alone_and_comes_before_the_target(proxy: Proxy, provider: FakeProviders) -> None:
    answer = ask(proxy, "/anthropic/v1/messages", **{BASE: "https://nobody.example"})
    assert answer.status_code != 403
    answer = ask(proxy, **{BASE: "https://nobody.example", TARGET: "https://api.openai.com"})
    assert (answer.status_code, "Helicone-OpenAI-Api-Base" in answer.text) == (403, True)


@pytest.mark.parametrize(
    "base", ["openai", "ftp://api.openai.com", "https://[::1", "https://api.openai.com:99999", "//x"]
)
def test_a_base_that_is_not_a_url_is_refused_with_an_example(proxy: Proxy, provider: FakeProviders, base: str) -> None:
    """The caller's key is for somebody else: it must not go to OpenAI instead."""
    answer = ask(proxy, CHAT_PATH, **{BASE: base})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_target")
    assert BASE in answer.json()["error"]["message"]
    assert not provider.requests


@pytest.mark.parametrize(("header", "path"), [(BASE, CHAT_PATH), (TARGET, GATEWAY)])
@pytest.mark.parametrize(
    "target",
    [
        "https://nobody.example",
        "http://169.254.169.254",
        "http://10.0.0.1:8000",
        "http://192.168.1.1",
        "http://[fe80::1]",
    ],
)
def test_a_base_that_is_not_approved_is_refused_with_how_to_approve_it(
    proxy: Proxy, provider: FakeProviders, header: str, path: str, target: str
) -> None:
    answer = ask(proxy, path, **{header: target})
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "target_not_approved")
    assert header in answer.json()["error"]["message"]
    assert "[targets] allow" in answer.json()["error"]["message"]


# Which names are approved.


def route(target: str, *, alone: bool = False, targets: frozenset[Origin] = frozenset()) -> Any:
    router = Router({"vllm": Origin("http", "10.0.0.5", 8000)}, targets)
    return router.to_named(Named(target, TARGET), "/v1/chat/completions", alone=alone)


@pytest.mark.parametrize(
    ("target", "provider", "is_checked"),
    [
        ("https://api.openai.com", "openai", True),
        ("https://shop.openai.azure.com", "azure", True),
        ("https://gateway.ai.cloudflare.com", "cloudflare_gateway", True),
        ("http://10.0.0.5:8000", "vllm", False),
        ("http://localhost:11434", "localhost", False),
    ],
)
def test_a_target_is_a_providers_an_approved_or_a_configured_one(target: str, provider: str, is_checked: bool) -> None:
    found = route(target, targets=frozenset({Origin("http", "localhost", 11434)}))
    assert isinstance(found, Route)
    assert (found.provider.name, found.named_by) == (provider, TARGET if is_checked else None)


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000", "http://[::ffff:127.0.0.1]"]
)
def test_this_machine_is_a_target_only_where_no_other_machine_can_ask(target: str) -> None:
    assert isinstance(route(target, alone=True), Route)
    refused = route(target, alone=False)
    assert isinstance(refused, Refusal) and refused.status == 403


@pytest.mark.parametrize(
    "target", ["http://10.0.0.5:8001", "https://10.0.0.5:8000", "http://2130706433", "http://0.0.0.0"]
)
def test_a_configured_target_is_that_origin_and_no_other(target: str) -> None:
    assert isinstance(route(target, alone=True), Refusal)


def test_a_local_server_needs_no_configuration_on_a_proxy_for_this_machine_alone(proxy: Proxy) -> None:
    with FakeProviders() as local:
        answer = ask(proxy, **{TARGET: local.url})
        assert answer.status_code == 200
        assert proxy.row(answer.headers["helicone-id"])["provider_name"] == "127.0.0.1"
        assert len(local.requests) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_on_a_proxy_that_others_reach_this_machine_is_not_a_target(open_proxy: Proxy, host: str) -> None:
    with FakeProviders() as local:
        answer = ask(open_proxy, **{TARGET: local.url.replace("127.0.0.1", host)})
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "target_not_approved")
        assert not local.requests


# What an approved name resolves to.


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("label", ["loopback", "among-others", "mapped", "rebound"])
def test_an_approved_name_that_leads_into_our_own_network_is_refused(
    open_proxy: Proxy, inner: FakeProviders, label: str, header: str
) -> None:
    inner.requests.clear()
    url = f"http://{header.lower() if label == 'rebound' else label}.openai.azure.com:{inner.port}"
    entry = {"target-url": url, "headers": {}, "onCodes": []}
    value = json.dumps([entry, entry]) if header == "Helicone-Fallbacks" else url
    path = ("/openai" if header == BASE else "/gateway") + "/openai/v1/chat/completions"
    answer = ask(open_proxy, path, **{header: value, "Helicone-Retry-Enabled": "true"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "target_not_approved")
    message = answer.json()["error"]["message"]
    assert header in message and INNER in message and "[targets] allow" in message
    assert answer.headers["helicone-attempts"] == "0"
    row = open_proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["attempts"]) == (403, "target_not_approved", 0)
    assert row["cost_nanousd"] == 0
    assert not inner.requests


def test_a_fallback_into_our_own_network_is_refused_when_it_is_tried(open_proxy: Proxy, inner: FakeProviders) -> None:
    inner.requests.clear()
    inner.script(Behaviour(status=500))
    entries = [
        {"target-url": "https://api.openai.com/v1", "headers": {}, "onCodes": [500]},
        {"target-url": f"http://loopback.openai.azure.com:{inner.port}/openai/v1", "headers": {}, "onCodes": []},
    ]
    answer = ask(open_proxy, **{"Helicone-Fallbacks": json.dumps(entries)})
    assert (answer.status_code, answer.headers["helicone-attempts"]) == (403, "1")
    row = open_proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["attempts"], row["fallback_index"], row["provider_name"]) == (403, 1, 1, "azure")
    assert len(inner.requests) == 1


def test_a_name_that_the_config_allows_may_be_anywhere(open_proxy: Proxy, inner: FakeProviders) -> None:
    inner.requests.clear()
    target = f"http://allowed.openai.azure.com:{inner.port}"
    assert ask(open_proxy, "/gateway/openai/v1/chat/completions", **{TARGET: target}).status_code == 200
    assert len(inner.requests) == 1


def test_an_upstream_may_be_anywhere(open_proxy: Proxy, inner: FakeProviders) -> None:
    inner.requests.clear()
    assert ask(open_proxy, **{TARGET: "https://api.openai.com"}).status_code == 200
    assert len(inner.requests) == 1


def test_a_name_that_cannot_be_resolved_is_a_failed_connection(open_proxy: Proxy) -> None:
    target = "https://nothing-here.openai.azure.com"
    answer = ask(open_proxy, "/gateway/openai/v1/chat/completions", **{TARGET: target})
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "connection_failed")
