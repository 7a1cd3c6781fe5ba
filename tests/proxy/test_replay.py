"""Recordings through a real proxy with real SDKs; when calls are replayed the provider is gone."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI

from addon.config.settings import Settings
from addon.config.upstreams import parse_origin
from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from addon.recordings.recording_file import read
from addon.recordings.tape import Tape, recording, replaying
from addon.serve import ProxyThread
from analysis.lake import Lake
from analysis.table import fetch
from tests.proxy.clients import CLAUDE, GPT, HELLO, plain
from tests.proxy.conftest import HELIOGRAPH, environment, run_mitmdump, to
from tests.waiting import wait_for

WITH_KEY = "my key is sk-test-openai-0123456789"
SLOW: Any = {"x-fake": "chunk-delay=0.03"}


@dataclass(slots=True)
class Booth:
    """One proxy whose tape is changed from test to test."""

    thread: ProxyThread
    data: Path
    file: Path

    def put_in(self, tape: Tape) -> Tape:
        self.thread.proxy.tape = tape
        return tape

    def play(self, **options: Any) -> Tape:
        return self.put_in(replaying(self.file, **{"speed": 0.0} | options))

    @property
    def openai(self) -> OpenAI:
        return OpenAI(api_key="sk-test-openai-0123456789", base_url=f"{self.thread.url}/openai/v1")

    @property
    def anthropic(self) -> Anthropic:
        return Anthropic(api_key="sk-ant-test-0123456789", base_url=f"{self.thread.url}/anthropic")

    def ask(self, text: str) -> str | None:
        messages: Any = [{"role": "user", "content": text}]
        return self.openai.chat.completions.create(model=GPT, messages=messages).choices[0].message.content

    def stream(self) -> list[str]:
        chunks = self.openai.chat.completions.create(model=GPT, messages=HELLO, stream=True, extra_headers=SLOW)
        return [chunk.to_json() for chunk in chunks]

    def claude(self, text: str = "Hello") -> str:
        messages: Any = [{"role": "user", "content": text}]
        return self.anthropic.messages.create(model=CLAUDE, max_tokens=9, messages=messages).to_json()


@dataclass(frozen=True, slots=True)
class Heard:
    """What the programs got when the calls were recorded."""

    asked: str | None
    chunks: list[str]
    claude: str


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Booth, Heard]]:
    folder = tmp_path_factory.mktemp("replay")
    with ExitStack() as until_replayed:
        provider = until_replayed.enter_context(FakeProviders())
        upstreams = dict.fromkeys(("openai", "anthropic"), parse_origin(provider.url))
        data = folder / "data"
        settings = Settings(data=data, config=data / "none.toml", upstreams=upstreams, is_watched=False)
        booth = Booth(ProxyThread(settings), data, folder / "recordings" / "shop.jsonl")
        tape = booth.put_in(recording(booth.file))
        with booth.thread:
            provider.script(Behaviour(status=500, headers=(("retry-after-ms", "1"),)))
            heard = Heard(booth.ask(WITH_KEY), booth.stream(), booth.claude())
            provider.script(Behaviour(cut_after=2))
            with pytest.raises(openai.APIConnectionError):
                list(booth.openai.responses.create(model=GPT, input="Hello", stream=True))
            tape.save()
            tape = booth.put_in(replaying(booth.file, records_missing=True, speed=0))
            assert booth.claude() == heard.claude
            booth.claude("Something new")
            tape.save()
            until_replayed.close()
            yield booth, heard


@pytest.fixture
def booth(rehearsal: tuple[Booth, Heard]) -> Booth:
    return rehearsal[0]


def test_all_is_answered_as_it_was_while_the_provider_is_gone(rehearsal: tuple[Booth, Heard]) -> None:
    booth, heard = rehearsal
    tape = booth.play(is_strict=True)
    assert booth.ask(WITH_KEY) == (heard.asked or "").replace("test-openai-0123456789", "*" * 22)
    assert (booth.stream(), booth.claude()) == (heard.chunks, heard.claude)
    with pytest.raises(openai.APIConnectionError):  # the stream breaks off where it did
        list(booth.openai.responses.create(model=GPT, input="Hello", stream=True))
    assert booth.claude("Something new")
    assert tape.problems == []


def test_the_file_has_each_attempt_and_piece_and_no_key(booth: Booth) -> None:
    calls = read(booth.file)
    assert [call.status for call in calls] == [500, 200, 200, 200, 200, 200]
    assert "sk-test-openai" not in booth.file.read_text()
    streamed = calls[2]
    times = [piece.at_ms for piece in streamed.pieces]
    assert times == sorted(times)
    assert times[-1] - times[0] >= 30, "more than one pause of the provider"  # others may be lost on a busy machine
    assert [call.cut is None for call in calls] == [True, True, True, True, False, True]


def test_a_stream_takes_its_time_again(booth: Booth) -> None:
    tape = booth.play(speed=1.0)
    began = time.monotonic()
    booth.stream()
    assert time.monotonic() - began >= tape.recorded[2].ended_at_ms / 1000


def test_a_replayed_call_costs_nothing_and_names_the_recorded_one(booth: Booth) -> None:
    tape = booth.play()
    answer = booth.anthropic.messages.with_raw_response.create(
        model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
    )
    sql = "select cost_nanousd, saved_nanousd, cache_reference_id, attempts from requests where request_id = $id"
    (row,) = wait_for(
        lambda: list(Lake(booth.data).ask(lambda it: fetch(it, sql, {"id": answer.headers["helicone-id"]})).records())
    )
    assert row["cost_nanousd"] == row["attempts"] == 0
    assert row["saved_nanousd"] > 0
    assert row["cache_reference_id"] == tape.recorded[3].id


def test_an_unknown_call_is_told_what_differs_in_the_providers_words(booth: Booth) -> None:
    tape = booth.play()
    with pytest.raises(openai.BadRequestError, match=r'the nearest is call 3.*\n  messages.0..content: .*now "Hallo"'):
        booth.openai.chat.completions.create(model=GPT, messages=[{"role": "user", "content": "Hallo"}], stream=True)
    with pytest.raises(anthropic.BadRequestError) as error:
        booth.claude("Hallo")
    assert error.value.body["type"] == "error"  # type: ignore[index]
    assert 'recorded "Hello", now "Hallo"' in str(error.value)
    assert len(tape.unmatched) == 2


def test_what_is_not_a_call_goes_nowhere(booth: Booth) -> None:
    tape = booth.play()
    with pytest.raises(openai.NotFoundError, match="not a call of a model, so the recording has no answer"):
        booth.openai.models.list()
    with (
        httpx.Client(proxy=booth.thread.url, trust_env=False, timeout=60) as client,
        pytest.raises(httpx.ProxyError, match="502"),
    ):
        client.get("https://example.org/")
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-version": "13"}
    refused = httpx.get(f"{booth.thread.url}/openai/v1/responses", headers=upgrade, trust_env=False, timeout=60)
    assert refused.status_code == 426
    assert tape.left_out == [
        "GET 127.0.0.1/v1/models",
        "example.org:443",
        "GET 127.0.0.1/v1/responses",
    ]


CALL = """
import sys, urllib.request
body = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "%s"}]}' % sys.argv[1].encode()
for _ in range(2):
    request = urllib.request.Request("https://api.openai.com/v1/chat/completions", body, {"content-type": "application/json"})
    try:
        print(len(urllib.request.urlopen(request).read()) > 100)
    except urllib.error.HTTPError as error:
        print(error.status)
sys.exit(int(sys.argv[2]))
"""


def test_the_commands_record_and_replay_a_program_and_pass_its_status_on(tmp_path: Path) -> None:
    def heliograph(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [HELIOGRAPH, *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env=environment(HELIOGRAPH_DATA=str(data)),
        )

    data = tmp_path / "data"
    program = ["--", sys.executable, "-c", CALL]
    with FakeProviders() as provider:
        made = heliograph("record", *to(provider), "shop", *program, "Hello", "3")
    assert (made.returncode, made.stdout) == (3, "True\nTrue\n"), made.stderr
    assert "2 calls recorded in recordings/shop.jsonl" in made.stderr
    shutil.rmtree(data)
    again = heliograph("replay", "--strict", "--speed", "0", "shop", *program, "Hello", "0")
    assert (again.returncode, again.stdout) == (0, "True\nTrue\n"), again.stderr
    assert "2 of 2 recorded calls replayed from recordings/shop.jsonl; nothing was sent" in again.stderr
    assert not data.exists()
    other = heliograph("replay", "--strict", "recordings/shop.jsonl", *program, "Hallo", "0")
    assert (other.returncode, other.stdout) == (1, "400\n400\n"), other.stderr
    assert 'messages[0].content: recorded "Hello", now "Hallo"' in other.stderr
    assert "2 of 2 recorded calls were not made: 1, 2" in other.stderr


def test_plain_mitmdump_records_and_replays(tmp_path: Path) -> None:
    file = tmp_path / "shop.jsonl"
    question = {"model": GPT, "messages": HELLO}
    with FakeProviders() as provider:
        upstream = f"heliograph_upstreams=openai={provider.url}"
        with run_mitmdump(tmp_path / "data", "--set", upstream, "--set", f"heliograph_record={file}") as proxy:
            made = plain(proxy).post("/openai/v1/chat/completions", json=question).content
        assert any(f"calls recorded in {file}: 1" in line for line in proxy.said), proxy.said
    options = ("--set", f"heliograph_replay={file}", "--set", "heliograph_replay_speed=0")
    with run_mitmdump(tmp_path / "data", *options) as proxy:
        assert plain(proxy).post("/openai/v1/chat/completions", json=question).content == made
        assert plain(proxy).post("/openai/v1/chat/completions", json={"model": "x"}).status_code == 400
