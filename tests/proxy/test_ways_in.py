"""Every way in, with the official SDKs, streaming and not."""

import http.client
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy.io import FlowReader

from addon.calls.marks import ASKED_HOST, OWN
from addon.config.upstreams import Origin
from addon.demo.providers import FakeProviders
from addon.hooks.lifecycle import others_reach
from addon.routing.router import Arrival, Route, Router
from tests.proxy.clients import CHAT, CLAUDE, GPT, HELLO, THROUGH, WAYS, anthropic_client, openai_client, plain
from tests.proxy.conftest import HOME, MITMDUMP, Proxy, environment, run_mitmdump, run_up, wait_for


@pytest.mark.parametrize("way", WAYS)
def test_openai_is_answered_and_recorded(proxy: Proxy, provider: FakeProviders, way: str) -> None:
    answer = openai_client(proxy, way).chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    completion = answer.parse()
    row = proxy.row(answer.headers["helicone-id"])
    assert row["provider_name"] == "openai"
    assert row["operation_name"] == "chat"
    assert (row["host"], row["path"], row["method"]) == ("api.openai.com", "/v1/chat/completions", "POST")
    assert row["mode"] == ("forward" if way in THROUGH else "reverse")
    assert (row["status"], row["error_type"], row["is_stream"]) == (200, None, False)
    assert (row["request_model"], row["response_model"]) == (GPT, completion.model)
    assert completion.usage
    assert row["input_tokens"] == completion.usage.prompt_tokens
    assert row["output_tokens"] == completion.usage.completion_tokens
    assert row["usage_source"] == "provider"
    assert row["cost_nanousd"] > 0
    assert row["finish_reasons"] == ["stop"]
    assert [request.path for request in provider.requests] == ["/v1/chat/completions"]


@pytest.mark.parametrize("way", WAYS)
def test_an_openai_stream_is_answered_and_recorded(proxy: Proxy, way: str) -> None:
    client = openai_client(proxy, way)
    with client.chat.completions.with_streaming_response.create(
        model=GPT,
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    ) as answer:
        chunks = list(answer.parse())
    row = proxy.row(answer.headers["helicone-id"])
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert row["is_stream"]
    assert row["usage_source"] == "provider"
    assert chunks[-1].usage and row["output_tokens"] == chunks[-1].usage.completion_tokens
    assert row["time_to_first_token_ms"] <= row["duration_ms"]
    assert proxy.body(row["request_id"])["response_text"] == said


@pytest.mark.parametrize("way", WAYS)
def test_anthropic_is_answered_and_recorded(proxy: Proxy, way: str) -> None:
    client = anthropic_client(proxy, way)
    answer = client.messages.with_raw_response.create(model=CLAUDE, max_tokens=64, messages=HELLO)
    message = answer.parse()
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["provider_name"], row["host"], row["path"]) == ("anthropic", "api.anthropic.com", "/v1/messages")
    assert (row["input_tokens"], row["output_tokens"]) == (message.usage.input_tokens, message.usage.output_tokens)
    assert row["cost_nanousd"] > 0


@pytest.mark.parametrize("way", WAYS)
def test_an_anthropic_stream_is_answered_and_recorded(proxy: Proxy, way: str) -> None:
    client = anthropic_client(proxy, way)
    with client.messages.with_streaming_response.create(
        model=CLAUDE,
        max_tokens=64,
        messages=HELLO,
        stream=True,
    ) as answer:
        events = list(answer.parse())
    row = proxy.row(answer.headers["helicone-id"])
    assert events[-1].type == "message_stop"
    assert (row["status"], row["error_type"], row["is_stream"]) == (200, None, True)
    assert row["usage_source"] == "provider"
    assert row["finish_reasons"] == ["end_turn"]


def test_the_other_operations_of_openai_are_recorded(proxy: Proxy) -> None:
    client = openai_client(proxy)
    answers: dict[str, Any] = {
        "responses": client.responses.with_raw_response.create(model=GPT, input="Where is my parcel?"),
        "text_completion": client.completions.with_raw_response.create(model="gpt-3.5-turbo-instruct", prompt="Hello"),
        "embeddings": client.embeddings.with_raw_response.create(model="text-embedding-3-small", input="parcel"),
    }
    for operation, answer in answers.items():
        row = proxy.row(answer.headers["helicone-id"])
        assert row["operation_name"] == operation
        assert row["input_tokens"] > 0
        assert row["cost_nanousd"] > 0


def test_a_responses_stream_is_recorded(proxy: Proxy) -> None:
    client = openai_client(proxy, "forward")
    with client.responses.with_streaming_response.create(model=GPT, input="Hello", stream=True) as answer:
        events = list(answer.parse())
    row = proxy.row(answer.headers["helicone-id"])
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage
    assert row["usage_source"] == "provider"
    assert row["output_tokens"] == events[-1].response.usage.output_tokens


@pytest.mark.parametrize("host", ["oai.llm.example.org", "api.openai.com"])
def test_a_host_label_works_under_any_domain_that_points_here(proxy: Proxy, host: str) -> None:
    answer = plain(proxy).post("/v1/chat/completions", json=CHAT, headers={"host": host, "authorization": "Bearer k"})
    assert answer.status_code == 200
    assert proxy.row(answer.headers["helicone-id"])["provider_name"] == "openai"


@pytest.mark.parametrize(
    ("host", "port"), [("api.openai.com", 80), ("eu.api.openai.com", 8787), ("api.openai.com.", 80)]
)
def test_a_providers_host_that_points_here_is_called_as_the_provider_wants_it(host: str, port: int) -> None:
    """What was sent to us in the clear must not go on in the clear, with the caller's key in it."""
    router = Router({}, frozenset())
    route = router.route(Arrival(scheme="http", host=host, port=port, path="/v1/chat/completions", own=True))
    assert isinstance(route, Route)
    assert (route.host, route.upstream) == (host.removesuffix("."), Origin("https", host, 443))


def test_a_host_that_the_settings_name_is_measured_through_the_proxy(provider: FakeProviders, tmp_path: Path) -> None:
    with run_up(tmp_path, f"--upstream=rack={provider.url}") as proxy:
        with httpx.Client(proxy=proxy.url, timeout=60) as through:
            absolute_form = through.post(f"{provider.url}/v1/chat/completions", json=CHAT).text
        wait_for(lambda: len(proxy.rows()) == 1)
        for answer in (absolute_form, _in_tunnel(proxy, provider)):
            assert "chatcmpl" in answer
        wait_for(lambda: len(proxy.rows()) == 2)
    for row in proxy.rows():
        assert (row["provider_name"], row["operation_name"], row["mode"]) == ("rack", "chat", "forward")
        assert row["input_tokens"] > 0 and row["cost_nanousd"] > 0


def _in_tunnel(proxy: Proxy, provider: FakeProviders) -> str:
    """As a library that sends everything by CONNECT, plain HTTP too."""
    host, port = proxy.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.set_tunnel(provider.url.removeprefix("http://"))
    connection.request("POST", "/v1/chat/completions", json.dumps(CHAT), {"content-type": "application/json"})
    return connection.getresponse().read().decode()


def test_a_base_url_works_where_the_proxy_is_also_set_as_a_proxy(proxy: Proxy) -> None:
    with httpx.Client(proxy=proxy.url, trust_env=False, timeout=60) as client:
        for url in (proxy.url, proxy.url.replace("127.0.0.1", "localhost")):
            answer = client.post(f"{url}/openai/v1/chat/completions", json=CHAT)
            assert answer.status_code == 200
            assert proxy.row(answer.headers["helicone-id"])["mode"] == "reverse"


def test_the_gateway_sends_to_the_target_that_a_header_names(proxy: Proxy) -> None:
    target = {"helicone-target-url": "https://api.openai.com", "authorization": "Bearer k"}
    by_path = plain(proxy).post("/gateway/v1/chat/completions", json=CHAT, headers=target)
    by_label = plain(proxy).post("/v1/chat/completions", json=CHAT, headers={**target, "host": "gateway.helicone.ai"})
    for answer in (by_path, by_label):
        assert proxy.row(answer.headers["helicone-id"])["provider_name"] == "openai"


def test_the_gateway_without_a_target_names_the_header(proxy: Proxy, provider: FakeProviders) -> None:
    answer = plain(proxy).post("/gateway/v1/chat/completions", json=CHAT)
    assert answer.status_code == 400
    assert "Helicone-Target-Url" in answer.json()["error"]["message"]
    assert provider.hits == len(provider.requests) == 0 or not provider.requests


def test_a_target_that_is_not_approved_is_refused(proxy: Proxy, provider: FakeProviders) -> None:
    headers = {"helicone-target-url": "http://169.254.169.254"}
    answer = plain(proxy).post("/gateway/latest/meta-data", json={}, headers=headers)
    assert answer.status_code == 403
    assert not provider.requests


@pytest.mark.parametrize(
    "target",
    ["http://[::1", "https://api.openai.com:99999", "https://api.openai.com:x", "https://[x]", "openai", "//x"],
)
def test_a_target_that_is_not_an_origin_is_refused_with_an_example(proxy: Proxy, target: str) -> None:
    answer = plain(proxy).post("/gateway/v1/chat/completions", json=CHAT, headers={"helicone-target-url": target})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_target")
    assert "https://api.openai.com" in answer.json()["error"]["message"]


def test_an_unknown_path_is_told_what_is_served(proxy: Proxy) -> None:
    answer = plain(proxy).get("/nonsense")
    assert answer.status_code == 404
    assert "/openai" in answer.json()["error"]["message"]


def test_a_host_without_one_fixed_target_names_the_alternative(proxy: Proxy) -> None:
    answer = plain(proxy).post("/v1/chat/completions", json=CHAT, headers={"host": "ai-gateway.helicone.ai"})
    assert answer.status_code == 501
    assert "/openai/v1" in answer.json()["error"]["message"]


def test_health_is_answered(proxy: Proxy) -> None:
    answer = plain(proxy).get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_other_paths_of_a_provider_pass_and_make_no_row(proxy: Proxy, provider: FakeProviders) -> None:
    before = proxy.seen()
    client = openai_client(proxy, "forward", {"Helicone-User-Id": "nobody"})
    assert client.models.list().data
    assert not any(name.lower().startswith("helicone") for request in provider.requests for name, _ in request.headers)
    answer = client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    proxy.row(answer.headers["helicone-id"])
    assert proxy.seen() == before + 1


def test_counting_tokens_is_a_call_that_costs_nothing(proxy: Proxy) -> None:
    answer = anthropic_client(proxy).messages.with_raw_response.count_tokens(model=CLAUDE, messages=HELLO)
    assert answer.parse().input_tokens > 0
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["cost_nanousd"], row["cost_source"]) == (200, 0, "free")


# Under plain mitmdump.


@pytest.fixture(scope="module")
def mitmdump(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    upstreams = [f"--set=heliograph_upstreams={name}={shared_provider.url}" for name in ("openai", "anthropic")]
    with run_mitmdump(tmp_path_factory.mktemp("data"), *upstreams) as proxy:
        yield proxy


@pytest.mark.parametrize("way", ["forward", "path prefix", "helicone host"])
def test_plain_mitmdump_serves_the_same_ways(mitmdump: Proxy, way: str) -> None:
    answer = openai_client(mitmdump, way).chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    client = anthropic_client(mitmdump, way)
    with client.messages.with_streaming_response.create(
        model=CLAUDE,
        max_tokens=64,
        messages=HELLO,
        stream=True,
    ) as stream:
        list(stream.parse())
    for headers, name in ((answer.headers, "openai"), (stream.headers, "anthropic")):
        row = mitmdump.row(headers["helicone-id"])
        assert (row["provider_name"], row["usage_source"]) == (name, "provider")
        assert row["cost_nanousd"] > 0


def test_mitmproxys_own_flow_file_is_written_beside_the_journal(shared_provider: FakeProviders, tmp_path: Path) -> None:
    flows = tmp_path / "flows"
    upstream = f"--set=heliograph_upstreams=openai={shared_provider.url}"
    with run_mitmdump(tmp_path, upstream, "-w", str(flows)) as proxy:
        assert plain(proxy).post("/openai/v1/chat/completions", json=CHAT).status_code == 200
    with flows.open("rb") as file:
        (written,) = FlowReader(file).stream()
    # All else is kept with the call: what is in here must be writable.
    assert set(written.metadata) == {OWN, ASKED_HOST}


def test_a_reverse_mode_follows_its_own_target(shared_provider: FakeProviders, tmp_path: Path) -> None:
    with run_mitmdump(
        tmp_path, f"--mode=reverse:{shared_provider.url}", f"--set=heliograph_upstreams=openai={shared_provider.url}"
    ) as proxy:
        answer = plain(proxy).post("/v1/chat/completions", json=CHAT, headers={"authorization": "Bearer k"})
        row = proxy.row(answer.headers["helicone-id"])
        assert (row["provider_name"], row["host"], row["mode"]) == ("openai", "api.openai.com", "reverse")


@pytest.mark.parametrize(
    ("modes", "host", "reachable"),
    [
        (["regular"], "", True),
        (["regular"], "0.0.0.0", True),
        (["regular"], "127.0.0.1", False),
        (["reverse:http://x@127.0.0.1:1", "regular@::1:2"], "", False),
    ],
)
def test_a_port_that_other_machines_reach_is_told_from_one_that_is_ours(
    modes: list[str], host: str, reachable: bool
) -> None:
    assert others_reach(modes, host) is reachable


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("heliograph_dta=/tmp/x", "heliograph_data"),
        ("heliograph_upstreams=openai=nonsense", "http(s) URL"),
        ("heliograph_upstreams=opnai=http://127.0.0.1:1", "did you mean 'openai'"),
    ],
)
def test_a_wrong_setting_ends_mitmdump_and_says_what_is_allowed(tmp_path: Path, option: str, says: str) -> None:
    ended = subprocess.run(
        [
            *(MITMDUMP, "-s", str(HOME / "addon/main.py"), "--listen-host", "127.0.0.1", "--listen-port", "0"),
            *("--set", f"confdir={tmp_path}/ca", "--set", f"heliograph_data={tmp_path}/data", "--set", option),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert ended.returncode != 0
    assert says in ended.stdout + ended.stderr
