"""Keys: which callers may send calls, and which may use the endpoints."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from addon.demo.providers import FakeProviders
from tests.data_files import files_with
from tests.proxy.clients import CHAT, GPT, HELLO, anthropic_client, openai_client, plain
from tests.proxy.conftest import HELIOGRAPH, Proxy, environment, run_up, to

CHAT_PATH = "/openai/v1/chat/completions"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HELIOGRAPH, *arguments], capture_output=True, text=True, env=environment(), check=False)


def asked(*arguments: str) -> Result:
    """A command in this process: one of its own takes half a second to start."""
    return CliRunner().invoke(main, arguments)


def made_key(data: Path, name: str, *roles: str) -> str:
    options = [f"--role={role}" for role in roles]
    done = asked("keys", "add", name, *options, "--data", str(data))
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


class Guarded:
    """A proxy with keys, one for each role and one for all."""

    def __init__(self, proxy: Proxy, keys: dict[str, str]) -> None:
        self.proxy, self.keys = proxy, keys


@pytest.fixture(scope="module")
def guarded(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    data = tmp_path_factory.mktemp("guarded")
    keys = {role: made_key(data, f"only-{role}", role) for role in ("proxy", "write", "read")}
    keys["all"] = made_key(data, "everything")
    with run_up(data, *to(shared_provider)) as proxy:
        yield Guarded(proxy, keys)


def test_a_call_without_a_key_is_refused_in_the_dialect_of_its_api_and_recorded_nowhere(
    guarded: Guarded, provider: FakeProviders
) -> None:
    before = guarded.proxy.seen()
    with pytest.raises(openai.AuthenticationError) as refused:
        openai_client(guarded.proxy).chat.completions.create(model=GPT, messages=HELLO)
    assert "heliograph keys add" in refused.value.message
    answer = plain(guarded.proxy).post("/anthropic/v1/messages", json={}, headers={"x-api-key": "k"})
    assert answer.status_code == 401
    assert answer.json()["type"] == "error"
    assert provider.requests == []
    assert guarded.proxy.seen() == before


@pytest.mark.parametrize("credential", ["Bearer wrong", "", "Bearer", "{write}", "{read}"])
def test_a_wrong_key_is_refused(guarded: Guarded, provider: FakeProviders, credential: str) -> None:
    headers = {"Helicone-Auth": credential.format(**guarded.keys)}
    assert plain(guarded.proxy).post(CHAT_PATH, json=CHAT, headers=headers).status_code == 401
    assert provider.requests == []


@pytest.mark.parametrize(
    ("credential", "says"),
    [
        (None, "asks for a key, and none was sent"),
        ("sk-nobody", "this key is unknown"),
        ("{read}", "the key 'only-read' may only read; a call needs the role proxy"),
    ],
)
def test_a_refused_call_is_told_what_is_wrong_with_its_key(guarded: Guarded, credential: str | None, says: str) -> None:
    key = credential and credential.format(**guarded.keys)
    by_header = plain(guarded.proxy).post(
        CHAT_PATH, json=CHAT, headers={"Helicone-Auth": f"Bearer {key}"} if key else {}
    )
    assert by_header.status_code == 401
    assert says in by_header.json()["error"]["message"]
    url = guarded.proxy.url.replace("http://", f"http://shop:{key or 'x'}@")
    there = Proxy(guarded.proxy.process, guarded.proxy.data, url, guarded.proxy.ca)
    with pytest.raises(openai.AuthenticationError, match=says):
        openai_client(there, "forward").chat.completions.create(model=GPT, messages=HELLO)


@pytest.mark.parametrize("role", ["proxy", "all"])
@pytest.mark.parametrize("way", ["path prefix", "forward"])
def test_a_call_with_a_key_goes_out_without_it(guarded: Guarded, provider: FakeProviders, role: str, way: str) -> None:
    key = guarded.keys[role]
    client = openai_client(guarded.proxy, way, {"Helicone-Auth": f"Bearer {key}"})
    assert client.chat.completions.create(model=GPT, messages=HELLO).choices
    assert key not in str(provider.requests[-1].headers)


def test_the_key_may_stand_in_the_proxy_url(guarded: Guarded, provider: FakeProviders) -> None:
    url = guarded.proxy.url.replace("http://", f"http://shop:{guarded.keys['proxy']}@")
    there = Proxy(guarded.proxy.process, guarded.proxy.data, url, guarded.proxy.ca)
    client = anthropic_client(there, "forward")
    answer = client.messages.with_raw_response.create(model="claude-haiku-4-5", max_tokens=9, messages=HELLO)
    row = guarded.proxy.row(answer.headers["helicone-id"])
    assert row["properties"] == {"project": "shop"}
    by_header = plain(guarded.proxy).post(CHAT_PATH, json=CHAT, headers={"Helicone-Auth": guarded.keys["proxy"]})
    assert row["helicone_key_hash"] == guarded.proxy.row(by_header.headers["helicone-id"])["helicone_key_hash"]
    assert row["helicone_key_hash"] is not None
    assert "proxy-authorization" not in {name.lower() for name, _ in provider.requests[-1].headers}


def test_a_tunnel_needs_a_key(guarded: Guarded, provider: FakeProviders) -> None:
    elsewhere = f"https://localhost:{provider.port}/"
    with (
        httpx.Client(proxy=guarded.proxy.url, trust_env=False, timeout=60) as client,
        pytest.raises(httpx.ProxyError, match="407"),
    ):
        client.get(elsewhere)
    with httpx.Client(proxy=guarded.proxy.url, trust_env=False, timeout=60) as client:
        assert client.get(f"http://localhost:{provider.port}/v1/models").status_code == 407
    assert provider.requests == []


def test_an_endpoint_without_a_key_is_401_in_its_own_shape(guarded: Guarded) -> None:
    answer = plain(guarded.proxy).post("/v1/request/query", json={"filter": "all"})
    assert answer.status_code == 401
    assert answer.json()["data"] is None
    assert "Authorization: Bearer" in answer.json()["error"]
    headers = {"authorization": f"Bearer {guarded.keys['write']}"}
    assert plain(guarded.proxy).post("/v1/request/query", json={"filter": "all"}, headers=headers).status_code == 403
    headers = {"authorization": f"Bearer {guarded.keys['read']}"}
    path = "/v1/request/0199a0c2-0000-7000-8000-000000000000/feedback"
    for spelled in (path, path.replace("feedback", "%66eedback"), path.replace("v1", "%76%31")):
        assert plain(guarded.proxy).post(spelled, json={"rating": True}, headers=headers).status_code == 403


def test_health_needs_no_key(guarded: Guarded) -> None:
    assert plain(guarded.proxy).get("/healthz").json()["status"] == "ok"


def test_keys_are_on_no_disk(guarded: Guarded) -> None:
    for role, key in guarded.keys.items():
        assert not files_with(guarded.proxy.data, key.encode()), role


def test_listening_beyond_this_machine_needs_keys(tmp_path: Path) -> None:
    refused = run("up", "--listen", "0.0.0.0:0", "--data", str(tmp_path))
    assert refused.returncode == 2
    assert "heliograph keys add" in refused.stderr


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_web_pages_get_nothing_from_the_endpoints(proxy: Proxy, headers: dict[str, str], status: int) -> None:
    answer = plain(proxy).post("/v1/request/query", json={"filter": "all"}, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]


# The commands.


def test_a_key_is_shown_once_and_listed_by_name(tmp_path: Path) -> None:
    made = run("keys", "add", "ci", "--role=write", "--role=read", "--data", str(tmp_path))
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert key.startswith("sk-helicone-")
    assert run("keys", "list", "--data", str(tmp_path)).stdout.split() == ["ci", "write,", "read"]
    assert key not in (tmp_path / "heliograph.toml").read_text()
    assert (tmp_path / "heliograph.toml").stat().st_mode & 0o777 == 0o600


def test_what_stands_in_the_settings_stays(tmp_path: Path) -> None:
    config = tmp_path / "heliograph.toml"
    config.write_text("# mine\n[timeouts]\nidle_s = 5")
    made_key(tmp_path, "ci")
    assert config.read_text().startswith("# mine\n[timeouts]\nidle_s = 5\n[keys.ci]\n")


@pytest.mark.parametrize(("name", "status"), [("a b", 2), ("", 2), ("ci", 1)])
def test_a_name_that_cannot_be_used_is_refused(tmp_path: Path, name: str, status: int) -> None:
    made_key(tmp_path, "ci")
    done = asked("keys", "add", name, "--data", str(tmp_path))
    assert (done.exit_code, done.stdout) == (status, "")


@pytest.mark.parametrize(
    "text",
    [
        '[keys]\nci = "secret"',
        '[keys.ci]\nhash = "x"\nroles = ["read"]',
        "[keys.ci]\nroles = []",
        "[keys.ci]\nrole = 1",
    ],
)
def test_keys_that_cannot_be_read_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "heliograph.toml").write_text(text)
    done = asked("keys", "list", "--data", str(tmp_path))
    assert done.exit_code == 1
    assert "keys.ci" in done.stderr
