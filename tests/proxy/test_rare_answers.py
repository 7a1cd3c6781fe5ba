"""Rare answers of many providers through a real proxy, in pieces of odd sizes and every encoding: their rows are those of the
same bytes read at once."""

import contextlib
import http.client
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import IO

from addon.demo.behaviour import compressed
from addon.metering.price import PriceList
from addon.settling.rows import make_rows
from tests.providers.cases.reading import FOLDER, Case, read_case
from tests.proxy.conftest import Proxy, run_up
from tests.waiting import wait_for

CASES = (
    *("anthropic/messages_two_caches_and_thinking", "anthropic/messages_three_searches_two_fetches"),
    *("anthropic/stream_without_event_names", "anthropic/agent_session_events", "anthropic/stream_error_at_once"),
    *("azure/chat_stream_filter_after_usage", "azure/ocr_annotated", "bedrock/converse_stream_metadata_first"),
    *("bedrock/invoke_jamba_stream", "bedrock/converse_stream_exception", "cerebras/stream_error"),
    *("cloudflare/run_in_200_error", "cohere/chat_v2_stream_tool_call", "cohere/parse", "dashscope/cached_as_asked"),
    *("dashscope/stream_inspected", "fireworks/embeddings", "gemini/create_cache", "gemini/two_candidates"),
    *("gemini/stream_usage_in_the_first_part", "gemini/stream_array_error_after_words", "gemini/unexpected_call"),
    *("groq/stream_error_in_x_groq", "minimax/image", "mistral/chat_model_length", "mistral/ocr_invalid"),
    *("openai/agent_session_stream", "openai/assistant_run_stream", "openai/chat_content_filter_cached"),
    *("openai/chat_stream_audio", "openai/chat_stream_choices_null", "openai/chat_stream_crlf_comments"),
    *("openai/chat_stream_refusal", "openai/chat_stream_two_calls_alone", "openai/chat_usage_null"),
    *("openai/responses_priority", "openai/responses_search_opened_pages", "openai/responses_stream_error_midway"),
    *("openai/responses_stream_incomplete_filtered", "openrouter/stream_comments_and_cost", "sglang/generate_stream"),
    *("vertex/claude_stream_regional", "vertex/create_cache", "vertex/priority", "zai/web_search"),
)
ENCODINGS = (None, "gzip", "br", "zstd", "deflate")
SIZES = (1, 2, 3, 7, 64, 1000)
MOST_PIECES = 200
COLUMNS = (
    *("provider_name", "operation_name", "status", "is_stream", "request_model", "response_model", "response_id"),
    *("finish_reasons", "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens"),
    *("cache_creation_1h_input_tokens", "reasoning_output_tokens", "usage_source", "usage_units", "usage_quality"),
    *("cost_nanousd", "cost_source", "cost_missing", "error_type"),
)


def pieces_of(number: int, case: Case) -> tuple[bytes, str | None]:
    """The answer's bytes as they go over the wire, chunked, and their encoding."""
    body, encoding = case.response, ENCODINGS[number % len(ENCODINGS)]
    if encoding:
        body = b"".join(compressed((body[: len(body) // 3], body[len(body) // 3 :]), encoding))
    size = max(SIZES[number % len(SIZES)], len(body) // MOST_PIECES + 1)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n", encoding


class Provider(threading.Thread):
    """Answers each request with the case that its header `x-case` names."""

    def __init__(self, cases: list[Case]) -> None:
        super().__init__(daemon=True)
        self.cases = cases
        self.server = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def run(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self.server.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as asked, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (number := self.asked_for(asked)) is not None:
                self.answer(connection, number)

    def asked_for(self, asked: IO[bytes]) -> int | None:
        """The number of the case, once the whole request is read; None at the end of the connection."""
        if not asked.readline():
            return None
        head = http.client.parse_headers(asked)
        asked.read(int(head.get("content-length", "0")))
        return int(head["x-case"])

    def answer(self, connection: socket.socket, number: int) -> None:
        told = self.cases[number].told.get("answer", {})
        chunked, encoding = pieces_of(number, self.cases[number])
        head = [
            f"HTTP/1.1 {told.get('status', 200)} Told",
            f"content-type: {told.get('content_type', 'application/json')}",
        ]
        head += ["transfer-encoding: chunked", *([f"content-encoding: {encoding}"] if encoding else [])]
        head += [f"{name}: {value}" for name, value in told.get("headers", {}).items()]
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
        for start in range(0, len(chunked), 5):
            connection.sendall(chunked[start : start + 5])


@contextmanager
def provider_of(cases: list[Case]) -> Iterator[Provider]:
    provider = Provider(cases)
    provider.start()
    try:
        yield provider
    finally:
        provider.server.close()


def send(proxy: Proxy, trusted: ssl.SSLContext, number: int, case: Case) -> str:
    """The request's id. Providers with a host of their own are called there, others by the proxy's path."""
    asked = case.told["request"]
    host, _, port = proxy.url.removeprefix("http://").partition(":")
    if "provider" in asked:
        connection, path = (
            http.client.HTTPConnection(host, int(port), timeout=120),
            f"/{case.provider.name}{asked['path']}",
        )
    else:
        connection, path = http.client.HTTPSConnection(host, int(port), context=trusted, timeout=120), asked["path"]
        connection.set_tunnel(asked["host"], 443)
    request_id = str(uuid.uuid4())
    headers = {
        "content-type": asked.get("content_type", "application/json"),
        "authorization": "Bearer sk-test",
        "accept-encoding": "gzip, br, zstd, deflate",
        "helicone-request-id": request_id,
        "x-case": str(number),
    }
    with contextlib.closing(connection):
        connection.request(asked.get("method", "POST"), path, asked.get("body", "").encode(), headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == case.told.get("answer", {}).get("status", 200), case.path
    return request_id


def test_answers_in_odd_pieces_have_the_rows_of_the_same_bytes_read_at_once(tmp_path: Path) -> None:
    cases = [read_case(FOLDER / f"{name}.toml") for name in CASES]
    with provider_of(cases) as provider:
        options = [f"--upstream={name}={provider.url}" for name in sorted({case.provider.name for case in cases})]
        with run_up(tmp_path / "data", *options) as proxy:
            trusted = ssl.create_default_context(cafile=str(proxy.ca))
            sent = [send(proxy, trusted, number, case) for number, case in enumerate(cases)]
            wait_for(lambda: len(proxy.rows()) == len(cases))
            rows = {row["request_id"]: row for row in proxy.rows()}
    prices = PriceList()
    for request_id, case in zip(sent, cases, strict=True):
        row = rows[request_id]
        case.told["started_at"] = row["started_at"].replace(tzinfo=UTC)
        at_once, _ = make_rows(case.call(), prices)
        expected = {name: getattr(at_once, name) for name in COLUMNS}
        found = {name: row[name] for name in COLUMNS}
        assert {name: plain(value) for name, value in found.items()} == {
            name: plain(value) for name, value in expected.items()
        }, case.path


def plain(value: object) -> object:
    """Lists and tuples, and empty and absent ones, are the same."""
    return (list(value) if isinstance(value, tuple | list) else value) or (value if value == 0 else None)
