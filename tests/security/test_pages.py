"""Web pages in a browser on this machine reach nothing through the proxy."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import Proxy, run_up, to

CHAT_PATH = "/openai/v1/chat/completions"
QUERY = "/v1/request/query"
PAGES = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:3000"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
]


@pytest.mark.parametrize("headers", PAGES, ids=str)
@pytest.mark.parametrize("path", [CHAT_PATH, QUERY, "/healthz", "/openai/v1/models", "/gateway/v1/chat/completions"])
def test_a_page_is_refused_before_anything_happens(
    proxy: Proxy,
    provider: FakeProviders,
    path: str,
    headers: dict[str, str],
) -> None:
    before = proxy.seen()
    answer = plain(proxy).post(path, content=json.dumps(CHAT), headers={"content-type": "text/plain", **headers})
    assert answer.status_code == 403
    error = answer.json()["error"]
    if path in (QUERY, "/healthz"):  # as our endpoints answer
        assert answer.json() == {"data": None, "error": error}
    else:
        error = error["message"]
    assert "[browser] allow_origins" in error
    assert "access-control-allow-origin" not in answer.headers
    assert provider.requests == []
    assert proxy.seen() == before


@pytest.mark.parametrize(
    "headers", [{}, {"sec-fetch-mode": "cors"}, {"sec-fetch-site": "none", "sec-fetch-mode": "cors"}], ids=str
)
def test_a_program_is_served(proxy: Proxy, headers: dict[str, str]) -> None:
    assert plain(proxy).post(CHAT_PATH, json=CHAT, headers=headers).status_code == 200


def test_a_page_of_ours_may_ask_the_endpoints(proxy: Proxy) -> None:
    same = {"origin": proxy.url, "sec-fetch-site": "same-origin"}
    assert plain(proxy).post(QUERY, json={"filter": "all"}, headers=same).status_code == 200
    assert plain(proxy).get("/healthz", headers={"sec-fetch-site": "same-origin"}).status_code == 200


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
def test_node_fetch_is_not_a_page(proxy: Proxy) -> None:
    script = f"""
        const answer = await fetch({proxy.url + CHAT_PATH!r}, {{method: "POST", body: {json.dumps(json.dumps(CHAT))}}})
        console.log(answer.status)
    """
    done = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("200", "")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8787", "10.0.0.1"])
@pytest.mark.parametrize("path", [CHAT_PATH, QUERY, "/healthz", "/ollama/api/tags", "/gateway/v1/models"])
def test_a_name_that_is_not_ours_reaches_nothing_by_path(
    proxy: Proxy,
    provider: FakeProviders,
    host: str,
    path: str,
) -> None:
    answer = plain(proxy).get(path, headers={"host": host})
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert "[hosts] allow" in (error if path in (QUERY, "/healthz") else error["message"])
    assert provider.requests == []


def test_a_name_that_is_not_ours_reaches_a_public_provider_by_its_label(proxy: Proxy) -> None:
    headers = {"host": "oai.llm.example.org"}
    assert plain(proxy).post("/v1/chat/completions", json=CHAT, headers=headers).status_code == 200
    for more in ({"helicone-openai-api-base": "https://api.groq.com"}, {"host": "gateway.llm.example.org"}):
        answer = plain(proxy).post("/v1/chat/completions", json=CHAT, headers=headers | more)
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "target",
    ["http://[::ffff:127.0.0.1]:{port}", "http://127.1:{port}", "http://0.0.0.0:{port}", "http://localhost.:{port}",
     "http://2130706433:{port}", "http://[::1]:{port}"],
)  # fmt: skip
def test_a_target_by_header_never_leads_back_to_us(proxy: Proxy, target: str) -> None:
    port = proxy.url.rpartition(":")[2]
    headers = {"helicone-target-url": target.format(port=port)}
    answer = plain(proxy).post("/gateway/v1/helicone-sql/execute", json={"sql": "select 1"}, headers=headers)
    assert answer.status_code in (400, 403, 502)
    assert "data" not in answer.json()


@pytest.mark.parametrize("name", ["127.0.0.1", "127.1", "0x7f.1", "0.0.0.0", "localhost.", "[::ffff:127.0.0.1]"])
def test_a_tunnel_never_leads_back_to_us(proxy: Proxy, name: str) -> None:
    port = proxy.url.rpartition(":")[2]
    with (
        httpx.Client(proxy=proxy.url, trust_env=False, timeout=60) as client,
        pytest.raises(httpx.ProxyError, match=r"40[03]"),
    ):
        client.get(f"https://{name}:{port}/healthz")


class Allowing:
    """A proxy whose settings allow one origin and one host."""

    origin = "https://app.example.org"
    host = "llm.example.org"


@pytest.fixture(scope="module")
def allowing(
    shared_provider: FakeProviders,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    data: Path = tmp_path_factory.mktemp("allowing")
    (data / "heliograph.toml").write_text(
        f'[browser]\nallow_origins = ["{Allowing.origin}"]\n[hosts]\nallow = ["{Allowing.host}"]\n'
    )
    with run_up(data, *to(shared_provider)) as found:
        yield found


def test_an_allowed_page_gets_its_preflight_and_its_answer(allowing: Proxy) -> None:
    asked = {
        "origin": Allowing.origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    preflight = plain(allowing).options(CHAT_PATH, headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == Allowing.origin
    assert preflight.headers["access-control-allow-headers"] == "authorization"
    answer = plain(allowing).post(
        CHAT_PATH, json=CHAT, headers={"origin": Allowing.origin, "sec-fetch-site": "cross-site"}
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == Allowing.origin
    assert "Helicone-Id" in answer.headers["access-control-expose-headers"]
    assert plain(allowing).options(CHAT_PATH, headers=asked | {"origin": "https://evil.example"}).status_code == 403


def test_a_name_of_the_settings_is_ours(allowing: Proxy) -> None:
    for host in (Allowing.host, f"oai.{Allowing.host}"):
        path = "/v1/chat/completions" if host.startswith("oai") else CHAT_PATH
        assert plain(allowing).post(path, json=CHAT, headers={"host": host}).status_code == 200
    assert plain(allowing).get("/healthz", headers={"host": Allowing.host}).status_code == 200
