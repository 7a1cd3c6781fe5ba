"""One proxy with fake providers and some calls of a team, for every snippet of the pages."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from addon.commands import environment
from addon.config import trust
from addon.demo.load import run_load
from addon.demo.providers import FakeProviders
from tests.proxy.clients import plain
from tests.proxy.conftest import Proxy, run_up, wait_for

RATED = "01a1fc46-9680-7d7d-922d-b2d43466fd82"  # the call that the pages rate


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a snippet runs: a proxy at work, a folder for files, the variables of a shell."""

    proxy: Proxy
    folder: Path
    said: dict[str, str]  # what a script printed, for pages that show the same one

    def put_in(self, code: str) -> str:
        """The pages name the usual address."""
        return code.replace("http://127.0.0.1:8787", self.proxy.url)

    def variables(self, *, through_proxy: bool = False) -> dict[str, str]:
        """The shell's; `through_proxy`: after `eval "$(heliograph env)"`."""
        shell = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()} | {
            "COLUMNS": "120",  # tables as wide as the samples of the pages, whatever the terminal of the tests
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "HELIOGRAPH_DATA": str(self.proxy.data),
            "HELIOGRAPH_URL": self.proxy.url,
            "OPENAI_API_KEY": "sk-test-openai",
            "ANTHROPIC_API_KEY": "sk-test-anthropic",
            "GROQ_API_KEY": "gsk-test",
            "HOOK_SECRET": "secret",
        }
        if not through_proxy:
            return shell
        bundle = trust.write_bundle(self.proxy.data, shell)
        return shell | environment.variables(self.proxy.url, bundle, shell)


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Data with calls of users, sessions and properties, one of them under the id that the pages rate."""
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("desk")
    with FakeProviders() as provider:
        settings = "".join(f'{name} = "{provider.url}"\n' for name in ("openai", "anthropic", "groq"))
        (data / "heliograph.toml").write_text(f"[upstreams]\n{settings}")
        with run_up(data) as proxy, plain(proxy) as client:
            run_load(proxy.url, 60)
            for name in ("heliograph.mjs", "heliograph_client.py"):
                (folder / name).write_bytes(client.get(f"/{name}").content)
            question = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
            answer = client.post("/openai/v1/chat/completions", json=question, headers={"Helicone-Request-Id": RATED})
            assert answer.headers["Helicone-Id"] == RATED
            for model in ("house-model-7b", "house-model-13b"):  # without a price
                client.post("/openai/v1/chat/completions", json=question | {"model": model})
            for _ in range(2):
                client.post("/openai/v1/chat/completions", json=question, headers={"Helicone-Cache-Enabled": "true"})
            assert client.post(f"/v1/request/{RATED}/feedback", json={"rating": True}).status_code == 200
            wait_for(lambda: len(proxy.rows()) == 65 and proxy.rows("request_id in (select request_id from scores)"))
            yield Desk(proxy, folder, {})
