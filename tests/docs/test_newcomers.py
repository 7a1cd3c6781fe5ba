"""Five newcomers walk through the pages, each in an empty home with nothing but PATH: what the page says to type works.

A step types a command that its page has, word for word; only the port differs, so that this runs beside other proxies. The
providers are `heliograph fake`, named in the newcomer's settings.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scripts.running import free_port
from tests.docs.fences import ROOT, blocks, commands
from tests.waiting import wait_for

README, START = "README.md", "docs/getting-started.md"


@dataclass(slots=True)
class Newcomer:
    home: Path
    providers: str  # the URL of the fake ones
    port: int  # for a proxy of theirs
    environ: dict[str, str] = field(default_factory=dict)
    messages: str = ""  # of the last command, on stderr

    @property
    def data(self) -> Path:
        return self.home / ".local" / "share" / "heliograph"

    def variables(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        keys = {"OPENAI_API_KEY": "none", "ANTHROPIC_API_KEY": "none"}
        return {"PATH": path, "HOME": str(self.home), "COLUMNS": "120", "LANG": "C.UTF-8", **keys, **self.environ}

    def has(self, file: str, text: str) -> None:
        (self.home / file).write_text(text)

    def settles_on(self, more: str = "") -> None:
        """The settings: where the providers are, and `more`."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        upstreams = "".join(f'{name} = "{self.providers}"\n' for name in ("openai", "anthropic"))
        (self.data / "heliograph.toml").write_text(f"[upstreams]\n{upstreams}\n{more}")

    def types(self, page: str, command: str, exit_code: int = 0) -> str:
        """What a command of the page prints."""
        assert command in typed_on(page), f"{page} does not say: {command}"
        return self.runs(command, exit_code)

    def runs(self, command: str, exit_code: int = 0) -> str:
        here = command.replace("$(heliograph env", f"$(heliograph env --listen 127.0.0.1:{self.port}")
        here = here.replace("127.0.0.1:8787", f"127.0.0.1:{self.port}")
        done = subprocess.run(
            ["bash", "-c", here], cwd=self.home, env=self.variables(), capture_output=True, text=True, timeout=90
        )
        assert done.returncode == exit_code, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        self.messages = done.stderr
        return done.stdout

    @contextmanager
    def keeps_running(self) -> Iterator[list[str]]:
        """`heliograph up` until the block ends, by Ctrl-C; gives what it said."""
        said: list[str] = []
        process = subprocess.Popen(
            ["heliograph", "up", "--listen", f"127.0.0.1:{self.port}"],
            cwd=self.home,
            env=self.variables(),
            stderr=subprocess.PIPE,
            text=True,
            executable=str(Path(sys.executable).parent / "heliograph"),
        )
        try:
            assert process.stderr
            said.append(process.stderr.readline())
            wait_for(lambda: is_open(self.port))
            yield said
        finally:
            process.send_signal(signal.SIGINT)
            said.append(process.communicate(timeout=60)[1])
        assert process.returncode == 0, said

    def calls(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(
            self.runs('heliograph sql --json "from requests order by started_at"')
        )
        return found


def typed_on(page: str) -> list[str]:
    """The commands of a page, without the comments after them."""
    code = [block.code for block in blocks(ROOT / page) if block.language == "console"]
    return [re.sub(r"\s{2,}#.*", "", command) for text in code for command in commands(text)]


def code_of(page: str, language: str, contains: str) -> str:
    """The one block of a page in that language that contains this text."""
    (found,) = (each.code for each in blocks(ROOT / page) if each.language == language and contains in each.code)
    return found


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def providers() -> Iterator[str]:
    """`heliograph fake`, as docs/without-a-key.md starts it."""
    assert "heliograph fake" in typed_on("docs/without-a-key.md")
    heliograph = Path(sys.executable).parent / "heliograph"
    process = subprocess.Popen([heliograph, "fake", "--port", "0"], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
    assert found
    yield found[0]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


@pytest.fixture
def newcomer(tmp_path: Path, providers: str) -> Iterator[Newcomer]:
    home = tmp_path / "home"
    home.mkdir()
    somebody = Newcomer(home, providers, free_port())
    somebody.settles_on()
    yield somebody
    assert not (home / ".mitmproxy").exists()  # all that is ours is in the data folder


def test_a_developer_measures_a_script_and_looks_at_the_result(newcomer: Newcomer) -> None:
    newcomer.has("app.py", code_of(START, "python", "Where is my parcel?"))
    newcomer.types(README, "heliograph run -- python app.py")
    assert "3 calls, 0 errors, $0.0000" in newcomer.messages
    assert f"data in {newcomer.data}; more: heliograph report --since 1h" in newcomer.messages
    assert "gpt-4o-mini" in newcomer.types(README, "heliograph report models")
    assert json.loads(newcomer.types(START, "heliograph report costs --by user,property:feature --json"))
    sql = 'heliograph sql "select response_model, count(*), sum(cost_usd) from requests group by all"'
    assert "gpt-4o-mini-2024-07-18" in newcomer.types(START, sql)
    assert "gpt-4o-mini" in newcomer.types(START, "heliograph tail")
    assert "WRONG" not in newcomer.types(README, "heliograph doctor")


def test_a_user_of_helicone_changes_nothing(newcomer: Newcomer) -> None:
    newcomer.has(
        "app.py",
        """
from openai import OpenAI

client = OpenAI(
    base_url="https://oai.helicone.ai/v1",
    default_headers={"Helicone-Auth": "Bearer sk-helicone-x", "Helicone-User-Id": "ann", "Helicone-Session-Id": "trip-1"},
)
question = [{"role": "user", "content": "Where is my parcel?"}]
answer = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=question)
print(answer.headers["Helicone-Id"])
""",
    )
    assert '`base_url="https://oai.helicone.ai/v1"` | nothing' in (ROOT / "docs/helicone.md").read_text()
    said = newcomer.types(README, "heliograph run -- python app.py")
    assert "1 call, 0 errors" in newcomer.messages
    request_id = said.split()[0]
    (feedback,) = (each for each in typed_on("docs/feedback.md") if each.startswith("heliograph feedback "))
    newcomer.runs(feedback.replace(feedback.split()[2], request_id))
    assert "trip-1" in newcomer.types("docs/labels.md", "heliograph report sessions")
    assert "ann" in newcomer.types("docs/labels.md", "heliograph report users")
    assert "gpt-4o-mini" in newcomer.types("docs/feedback.md", "heliograph report feedback --by model,property:feature")
    assert "accuracy" in newcomer.types("docs/feedback.md", "heliograph report scores --by user")


def test_a_team_lead_writes_a_file_and_hands_out_keys(newcomer: Newcomer) -> None:
    rules = code_of("docs/limits.md", "toml", "[[budgets]]").replace("usd = 50", "usd = 0.00001")
    newcomer.settles_on(rules)
    key = newcomer.types("docs/keys.md", "heliograph keys add laptop").splitlines()[0]
    reader = newcomer.types("docs/keys.md", "heliograph keys add grafana --role read").splitlines()[0]
    ask = (
        "curl -s http://127.0.0.1:8787/openai/v1/chat/completions -H 'Content-Type: application/json' "
        """-d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'"""
    )
    with newcomer.keeps_running():
        assert "none was sent" in newcomer.runs(ask)
        assert "the key 'grafana' may only read" in newcomer.runs(f"{ask} -H 'Helicone-Auth: Bearer {reader}'")
        assert "You said" in newcomer.runs(f"{ask} -H 'Helicone-Auth: Bearer {key}'")
        wait_for(lambda: "budget" in newcomer.runs(f"{ask} -H 'Helicone-Auth: Bearer {key}'"))
        assert "team" in newcomer.types("docs/limits.md", "heliograph budgets")
        wait_for(
            lambda: "house" in newcomer.types("docs/limits.md", "heliograph limits")
        )  # once its tokens are counted
        assert "laptop" in newcomer.types("docs/keys.md", "heliograph keys list")


def test_an_analyst_asks_in_sql_and_takes_the_data_along(newcomer: Newcomer) -> None:
    newcomer.runs(f"heliograph demo --calls 40 --data {newcomer.home}/demo")
    suggested = [
        line.strip() for line in newcomer.messages.splitlines() if line.startswith("  ") and " --data " in line
    ]
    dashboard, *reports = suggested
    assert dashboard.split()[:2] == ["heliograph", "dashboard"]
    assert len(reports) == 2
    for command in reports:
        assert "$" in newcomer.runs(command)
    newcomer.environ["HELIOGRAPH_DATA"] = f"{newcomer.home}/demo"
    for command in ("heliograph report errors --csv", "heliograph report latency --by provider,model --since 24h"):
        newcomer.types("docs/reports.md", command)
    assert "gpt-4o" in newcomer.types("docs/reports.md", "heliograph report models --since 7d")
    newcomer.types("docs/reports.md", "heliograph sql --views > views.sql")
    script = (
        "import duckdb; c = duckdb.connect(); c.execute(open('views.sql').read()); print(c.sql('from requests').shape)"
    )
    assert "(40, " in newcomer.runs(f'python -c "{script}"')
    newcomer.runs('heliograph sql "select model from requests"', exit_code=2)
    assert "request_model, response_model" in newcomer.messages


def test_an_operator_keeps_it_running(newcomer: Newcomer) -> None:
    newcomer.has("app.py", code_of(START, "python", "Where is my parcel?"))
    if not shutil.which("curl"):
        pytest.skip("there is no curl on this machine")
    with newcomer.keeps_running() as said:
        assert f"listens on http://127.0.0.1:{newcomer.port}" in said[0]
        page = [each for each in typed_on(START) if "eval" in each or each == "python app.py"]
        assert len(page) == 3
        newcomer.runs("\n".join(page))
        health = json.loads(newcomer.types("docs/metrics.md", "curl -s http://127.0.0.1:8787/healthz"))
        assert (health["status"], health["calls"]["seen"]) == ("ok", 3)
        about = json.loads(newcomer.runs("curl -s http://127.0.0.1:8787/"))
        assert about["name"] == "heliograph"
        metrics = newcomer.runs("curl -s http://127.0.0.1:8787/metrics")
        assert "heliograph_seen_total 3" in metrics
        through_it = f'eval "$(heliograph env)"; heliograph doctor --listen 127.0.0.1:{newcomer.port}'
        found = newcomer.runs(through_it)
        assert "ok  this shell: HTTPS_PROXY is the heliograph on" in found
        assert "ok  curl:" in found
    assert len(newcomer.calls()) == 3
    left = {path.suffix for folder in ("journal", "settled") for path in (newcomer.data / folder).rglob("*.*")}
    assert left == set()  # after an orderly end everything is Parquet
    assert list((newcomer.data / "lake").rglob("*.parquet"))
