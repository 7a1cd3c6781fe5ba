"""Rows name the program on this machine that called, whichever way it came."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from addon.demo.providers import FakeProviders
from addon.hooks.request_body import READ_HERE_BYTES
from tests.proxy.conftest import Proxy, environment, run_up, to, wait_for

PROGRAM = """
import sys, httpx
body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
with httpx.Client(base_url=sys.argv[1], timeout=60) as client:
    answer = client.post("/openai/v1/chat/completions", json=body, headers={"authorization": "Bearer k"})
    print(answer.status_code, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    subprocess.run(["git", "init", "-q", "shop"], cwd=tmp_path, check=True)
    (tmp_path / "shop" / "ask.py").write_text(PROGRAM)
    return tmp_path / "shop"


@contextmanager
def asking(proxy: Proxy, folder: Path, script: str = "ask.py") -> Iterator[str]:
    """A program that makes one call, and keeps its connection until the block ends. Its answer's status."""
    command = [sys.executable, script, proxy.url]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdin and program.stdout
        yield program.stdout.readline().strip()
        program.stdin.close()


def ask(proxy: Proxy, folder: Path) -> str:
    """A program that makes one call and ends. Its answer's status."""
    with asking(proxy, folder) as status:
        return status


def test_a_row_has_the_calling_programs_command_folder_and_repository(proxy: Proxy, shop: Path) -> None:
    with asking(proxy, shop) as status:  # on a busy machine it would be gone before anybody looked for it
        assert status == "200"
        (row,) = wait_for(lambda: proxy.rows("client_repository = 'shop'"))
    assert row["client_command"].startswith("python") and row["client_command"].endswith(" ask.py")
    assert row["client_cwd"] == str(shop)


def test_a_row_has_them_where_the_answer_is_long_and_in_no_file(proxy: Proxy, shop: Path) -> None:
    (shop / "long.py").write_text(
        PROGRAM.replace("headers={", 'headers={"helicone-omit-response": "true", "x-fake": "words=90000", ')
    )
    with asking(proxy, shop, "long.py") as status:
        assert status == "200"
        (row,) = wait_for(lambda: proxy.rows("client_cwd = $folder", folder=str(shop)))
    assert row["response_bytes"] > READ_HERE_BYTES and row["output_tokens"] > 1000
    assert row["client_repository"] == "shop"


def test_the_look_up_can_be_switched_off(provider: FakeProviders, shop: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "heliograph.toml").write_text("[capture]\nclient_process = false\n")
    with run_up(data, *to(provider)) as proxy:
        assert ask(proxy, shop) == "200"
        (row,) = wait_for(proxy.rows)
    assert (row["client_command"], row["client_cwd"], row["client_repository"]) == (None, None, None)


def test_each_repository_has_a_limit_of_its_own(provider: FakeProviders, shop: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "heliograph.toml").write_text("""
        [[limits]]
        name = "one a repository"
        quota = 1
        window = "1h"
        per = "repository"
        [[budgets]]
        name = "other"
        usd = 1
        period = "month"
        match = { repository = "other" }
    """)
    other = tmp_path / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    (other / "ask.py").write_text(PROGRAM)
    with run_up(data, *to(provider)) as proxy:
        assert [ask(proxy, shop), ask(proxy, shop), ask(proxy, other), ask(proxy, other)] == [
            "200",
            "429",
            "200",
            "429",
        ]
        assert proxy.stop() == 0
        rows = proxy.rows()
    assert [row["client_repository"] for row in rows] == ["shop", "shop", "other", "other"]
