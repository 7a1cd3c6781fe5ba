"""What happens when things break: what the caller sees, and what the row says."""

import gzip
import http.client
import json
import resource
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.ports import closed_port
from tests.proxy.clients import CHAT, CLAUDE, GPT, HELLO, anthropic_client, leaving, openai_client, plain
from tests.proxy.conftest import Proxy, run_up, to, wait_for
from tests.proxy.gathering import LONG

KEY = {"authorization": "Bearer sk-test"}
CHAT_PATH = "/openai/v1/chat/completions"
STREAM = {**CHAT, "stream": True}


def test_a_providers_error_passes_and_names_itself_in_the_row(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=429, headers=(("retry-after", "7"),)))
    with pytest.raises(openai.RateLimitError) as caught:
        openai_client(proxy).chat.completions.create(model=GPT, messages=HELLO)
    answer = caught.value.response
    assert answer.headers["retry-after"] == "7"
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["request_model"], row["input_tokens"]) == (429, GPT, None)
    assert row["error_type"] == answer.json()["error"]["type"]
    assert (row["cost_nanousd"], row["cost_source"]) == (0, "free")


def test_an_error_without_a_type_is_named_after_its_status(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(status=503, body=b"upstream is tired", content_type="text/plain"))
    answer = plain(proxy).post(CHAT_PATH, json=CHAT, headers=KEY)
    assert (answer.status_code, answer.text) == (503, "upstream is tired")
    assert proxy.row(answer.headers["helicone-id"])["error_type"] == "http_503"


def test_a_refused_connection_is_a_json_502_and_a_row(tmp_path: Path) -> None:
    with (
        closed_port() as port,
        run_up(tmp_path, *(f"--upstream={name}=http://127.0.0.1:{port}" for name in ("openai", "anthropic"))) as proxy,
    ):
        answer = plain(proxy).post(CHAT_PATH, json=CHAT, headers=KEY)
        assert answer.status_code == 502
        assert answer.json()["error"]["type"] == "connection_failed"
        assert "could not connect" in answer.json()["error"]["message"]
        row = proxy.row(answer.headers["helicone-id"])
        assert (row["status"], row["error_type"], row["request_model"]) == (-100, "connection_failed", GPT)
        dialect = plain(proxy).post("/anthropic/v1/messages", json={"model": CLAUDE}, headers=KEY).json()
        assert (dialect["type"], dialect["error"]["type"]) == ("error", "connection_failed")


def test_a_caller_that_keeps_its_connection_gets_through_when_the_provider_is_back(tmp_path: Path) -> None:
    with (
        closed_port() as port,
        run_up(tmp_path, f"--upstream=openai=http://127.0.0.1:{port}") as proxy,
        plain(proxy) as caller,
    ):
        assert caller.post(CHAT_PATH, json=CHAT, headers=KEY).status_code == 502
        with FakeProviders(port):
            assert caller.post(CHAT_PATH, json=CHAT, headers=KEY).status_code == 200


def test_a_provider_that_hangs_up_without_an_answer(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(no_answer=True))
    answer = plain(proxy).post(CHAT_PATH, json=CHAT, headers=KEY)
    assert answer.status_code == 502
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["cost_nanousd"]) == (-100, "upstream_disconnected", None)


@pytest.mark.parametrize("path", ["/healthz", "/nonsense", "/openai/v1/models"])
def test_head_is_answered_without_a_body_and_the_connection_goes_on(proxy: Proxy, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=30)
    connection.request("HEAD", path, headers={"x-fake": "no-answer=1"})
    head = connection.getresponse()
    assert (int(head.headers["content-length"]) > 0, head.read()) == (True, b"")
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200


def test_no_first_byte_in_time_is_a_json_504(shared_provider: FakeProviders, tmp_path: Path) -> None:
    with run_up(tmp_path, *to(shared_provider), "--upstream-timeout", "0.3") as proxy:
        headers = {**KEY, "x-fake": "delay=20"}
        answer = plain(proxy).post(CHAT_PATH, json=CHAT, headers=headers)
        assert (answer.status_code, answer.json()["error"]["type"]) == (504, "upstream_timeout")
        row = proxy.row(answer.headers["helicone-id"])
        assert (row["status"], row["error_type"], row["cost_nanousd"]) == (-2, "upstream_timeout", None)
        patient = {**KEY, "helicone-timeout": "first-byte=30"}
        assert plain(proxy).post(CHAT_PATH, json=CHAT, headers=patient).status_code == 200


def test_after_a_504_nothing_more_comes_that_the_next_call_would_take_for_its_answer(
    proxy: Proxy, provider: FakeProviders
) -> None:
    provider.script(Behaviour(delay_s=20), times=3)
    headers = {**KEY, "helicone-timeout": "first-byte=0.2", "content-type": "application/json"}
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=30)
    for _ in range(3):
        connection.request("POST", CHAT_PATH, json.dumps(CHAT), headers)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["type"]) == (504, "upstream_timeout")
        connection.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.sock.recv(1000)
        connection.sock.settimeout(30)


def test_a_stream_that_falls_silent_is_ended_and_keeps_its_status(
    shared_provider: FakeProviders, tmp_path: Path
) -> None:
    (tmp_path / "heliograph.toml").write_text("[timeouts]\nidle_s = 0.3\n")
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        with (
            plain(proxy).stream("POST", CHAT_PATH, json=STREAM, headers={**KEY, "x-fake": "chunk-delay=20"}) as answer,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            answer.read()
        row = proxy.row(answer.headers["helicone-id"])
        assert (row["status"], row["error_type"]) == (200, "upstream_timeout")


def test_a_stream_cut_by_the_provider_stays_cut_and_is_estimated(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(cut_after=6, words=40))
    with (
        plain(proxy).stream("POST", CHAT_PATH, json=STREAM, headers=KEY) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        answer.read()
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"]) == (200, "upstream_disconnected")
    assert row["usage_source"] == "estimated"
    assert row["output_tokens"] > 0
    assert row["cost_nanousd"] > 0
    assert "data:" in proxy.body(row["request_id"])["response_body"]


def test_an_error_event_inside_a_stream_is_the_rows_error(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(error_after=4))
    body = {"model": CLAUDE, "max_tokens": 9, "messages": HELLO, "stream": True}
    answer = plain(proxy).post("/anthropic/v1/messages", json=body, headers={"x-api-key": "k"})
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"]) == (200, "overloaded_error")


def test_a_caller_that_leaves_mid_stream_ends_the_call_upstream_at_once(proxy: Proxy, provider: FakeProviders) -> None:
    provider.script(Behaviour(chunk_delay_s=0.05, words=400))
    client = anthropic_client(proxy, "forward")
    with client.messages.with_streaming_response.create(
        model=CLAUDE,
        max_tokens=900,
        messages=HELLO,
        stream=True,
    ) as answer:
        lines = answer.iter_lines()
        for _ in range(12):
            next(lines)
    client.close()
    assert provider.wait_for(lambda: any(request.cancelled for request in provider.requests))
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["usage_source"]) == (-3, "client_disconnected", "estimated")
    assert row["input_tokens"] > 0
    assert row["cost_nanousd"] > 0


def test_a_caller_that_leaves_before_the_first_byte_is_a_row_too(proxy: Proxy, provider: FakeProviders) -> None:
    caller = leaving(proxy, CHAT_PATH, {**KEY, "x-fake": LONG, "helicone-user-id": "impatient"})
    assert provider.wait_for(lambda: bool(provider.requests))
    caller.close()
    (row,) = wait_for(lambda: proxy.rows("user_id = 'impatient'"))
    assert (row["status"], row["error_type"], row["cost_nanousd"]) == (-3, "client_disconnected", None)
    assert provider.wait_for(lambda: any(request.cancelled for request in provider.requests))


@pytest.mark.parametrize(
    ("path", "body"), [(CHAT_PATH, STREAM), ("/openai/v1/responses", {"model": GPT, "input": "Hi", "stream": True})]
)
def test_a_caller_that_leaves_after_the_terminal_event_has_had_the_answer(
    proxy: Proxy, provider: FakeProviders, path: str, body: dict[str, object]
) -> None:
    """SDKs stop reading at `[DONE]`, Codex resets its stream right after `response.completed`."""
    address = urlsplit(proxy.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.request("POST", path, json.dumps(body), {**KEY, "content-type": "application/json"})
    answer = connection.getresponse()
    request_id = answer.headers["helicone-id"]
    for line in answer:
        if line.startswith((b"data: [DONE]", b'data: {"type":"response.completed')):
            break
    assert connection.sock is None or connection.sock.close() is None
    answer.close()
    row = proxy.row(request_id)
    assert (row["status"], row["error_type"]) == (200, None)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"", None),
        (b"this is not JSON", None),
        (b"\xff\xfe\x00binary", None),
        (b"not gzip at all", "gzip"),
        (gzip.compress(json.dumps(CHAT).encode(), mtime=0)[:40], "gzip"),
    ],
)
def test_an_odd_request_body_passes_untouched(
    proxy: Proxy, provider: FakeProviders, content: bytes, encoding: str | None
) -> None:
    headers = {**KEY, "content-type": "application/json"} | ({"content-encoding": encoding} if encoding else {})
    provider.script(Behaviour(echo=True))
    answer = plain(proxy).post(CHAT_PATH, content=content, headers=headers)
    assert provider.requests[-1].body == content
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["request_model"], row["input_tokens"]) == (None, None)
    assert row["request_bytes"] == len(content)


@pytest.mark.parametrize("encoding", ["lie"])
def test_an_answer_whose_gzip_lies_passes_untouched(proxy: Proxy, provider: FakeProviders, encoding: str) -> None:
    provider.script(Behaviour(encoding=encoding))
    with plain(proxy).stream("POST", CHAT_PATH, json=CHAT, headers=KEY) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    row = proxy.row(answer.headers["helicone-id"])
    assert json.loads(raw)["object"] == "chat.completion"
    assert row["response_bytes"] == len(raw)
    assert row["status"] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer sk-\xe9"},
        {b"helicone-auth": b"Bearer sk-\xe9"},
        {b"helicone-user-id": b"Jos\xe9"},
        {b"proxy-authorization": b"Basic \xe9"},
    ],
    ids=lambda headers: next(iter(headers)).decode(),
)
def test_a_header_that_is_not_utf8_costs_neither_answer_nor_row(
    proxy: Proxy, provider: FakeProviders, headers: dict[bytes, bytes]
) -> None:
    """Python's http.client, and so requests, sends Latin-1."""
    answer = plain(proxy).post(CHAT_PATH, json=CHAT, headers=headers)
    assert answer.status_code == 200
    assert proxy.row(answer.headers["helicone-id"])["status"] == 200
    assert not any(
        name.lower() in ("helicone-auth", "proxy-authorization") for name, _ in provider.requests[-1].headers
    )


def test_a_path_that_is_not_utf8_is_refused_with_a_reason(proxy: Proxy) -> None:
    host, port = proxy.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(b"GET /caf\xe9 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = client.makefile("rb").read()  # until the proxy closes
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"ambiguous_path" in answer


def test_a_body_of_50_megabytes_passes_whole_and_is_kept_up_to_the_cap(proxy: Proxy, provider: FakeProviders) -> None:
    content = b'{"model": "gpt-4o-mini", "messages": "' + b"x" * 50_000_000 + b'"}'
    provider.script(Behaviour(echo=True))
    answer = plain(proxy).post(CHAT_PATH, content=content, headers={**KEY, "content-type": "application/json"})
    assert answer.content == content
    assert provider.requests[-1].body == content
    row = proxy.row(answer.headers["helicone-id"])
    assert (row["request_bytes"], row["response_bytes"]) == (len(content), len(content))
    body = proxy.body(row["request_id"])
    assert (body["request_truncated"], body["response_truncated"]) == (True, True)
    assert len(body["request_body"]) == 16 * 2**20
    provider.requests.clear()


def test_calls_go_on_when_the_journal_cannot_be_written(shared_provider: FakeProviders, tmp_path: Path) -> None:
    """A limit on the size of files refuses a write as a full disk does."""
    with run_up(tmp_path, *to(shared_provider)):
        pass  # makes the certificate and the secret

    def fill_the_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    with run_up(tmp_path, *to(shared_provider), preexec_fn=fill_the_disk) as proxy:
        long = {**CHAT, "messages": [{"role": "user", "content": "word " * 20_000}]}
        answers = [plain(proxy).post(CHAT_PATH, json=long, headers=KEY) for _ in range(60)]
        assert {answer.status_code for answer in answers} == {200}
        assert "journal" in answers[-1].headers["helicone-warning"]
        health = plain(proxy).get("/healthz").json()
        assert health["calls"]["unlogged"] > 0
        assert (health["status"], "journal" in health["problem"]) == ("degraded", True)
        wait_for(lambda: [line for line in proxy.said if "journal" in line and "not" in line])


def test_a_settled_call_survives_a_foreign_and_a_torn_file_beside_it(
    shared_provider: FakeProviders, tmp_path: Path
) -> None:
    for folder in ("journal", "lake/requests/date=2026-01-01", "settled/requests"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "notes.txt").write_text("mine")
    (tmp_path / "journal" / "20260101T000000-0123456789abcdef-000001.jsonl").write_text('{"t":"start","id":"x","ca')
    (tmp_path / "lake/requests/date=2026-01-01/torn.parquet").write_bytes(b"PAR1 and no more")
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        answer = plain(proxy).post(CHAT_PATH, json=CHAT, headers=KEY)
        assert proxy.row(answer.headers["helicone-id"])["status"] == 200
    assert (tmp_path / "lake/requests/date=2026-01-01/torn.parquet").exists()
    assert len(list(tmp_path.rglob("notes.txt"))) == 3
