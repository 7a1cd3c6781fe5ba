"""What the settler and the scan for a stream's end cost, by the form of the answer: milliseconds of CPU a call.

    python -m scripts.bench_settler [--calls 1000] [--rounds 3] [--form SSE]

All streams have 60 pieces and, but for those that keep their providers' own events, the same number of bytes within 2 %.
Each form gets a journal of its own, which is settled into Parquet in this process. "Copy and scan" is what the event loop
spends on the pieces of an answer that come within one tick of the journal: it copies them, writes them, and searches for
the terminal event or, on a WebSocket, reads each message's head. Prices, limits and settings are those of an empty data
folder.
"""

import argparse
import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters, digits
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson

from addon.demo import anthropic_answers, openai_answers
from addon.ids import uuid7
from addon.limits.sqlite_store import SqliteLimits
from addon.metering.price import PriceList
from addon.metering.terminal import terminal_scanner
from addon.providers import registry
from addon.providers.framing.aws_event_stream import encode
from addon.providers.framing.lines import websocket_line
from addon.providers.model import Operation
from addon.providers.sockets import said_by
from addon.settling.charging import Charger
from addon.settling.row_worker import RowMaker
from addon.settling.rows import bare_rows
from addon.settling.settler import Settler
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd, CallStart

WORDS: Final = 57  # with the events around them 60 pieces
QUESTION: Final = "Where is my parcel? It should have arrived on Tuesday, and nobody answers the telephone. " * 11
ASKED: Final = [{"role": "user", "content": QUESTION}]
CHAT: Final = {"model": "gpt-4o-mini", "messages": ASKED}
PADDING: Final = (ascii_letters + digits) * 10  # Bedrock's, of up to 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One kind of call: to whom it goes, and what its answer looks like."""

    name: str
    provider: str
    host: str
    path: str
    request: dict[str, Any]
    content_type: str
    pieces: tuple[bytes, ...]
    method: str = "POST"
    status: int = 200
    is_socket: bool = False

    @property
    def operation(self) -> Operation:
        found = registry.operation(registry.by_name(self.provider), self.method, self.path)
        assert found
        return found[0]


def forms() -> list[Form]:
    usage = {"stream_options": {"include_usage": True}}
    chat = openai_answers.chat_completions(CHAT | {"stream": True} | usage, WORDS).pieces
    size = sum(map(len, chat)) // len(chat)
    return [
        _openai("JSON", openai_answers.chat_completions(CHAT, 250).pieces, CHAT),
        _openai("SSE", chat, CHAT | {"stream": True} | usage),
        _openai(
            "SSE, no usage stated",
            openai_answers.chat_completions(CHAT | {"stream": True}, WORDS).pieces,
            CHAT | {"stream": True},
        ),
        _anthropic(),
        _ndjson(size),
        _event_stream(size),
        _wrapped_event_stream(size),
        _socket("WebSocket", size),
        _responses("SSE of responses"),
    ]


def _openai(name: str, pieces: tuple[bytes, ...], request: dict[str, Any]) -> Form:
    content_type = "text/event-stream; charset=utf-8" if request.get("stream") else "application/json"
    return Form(
        name=name,
        provider="openai",
        host="api.openai.com",
        path="/v1/chat/completions",
        request=request,
        content_type=content_type,
        pieces=pieces,
    )


def _anthropic() -> Form:
    request = {"model": "claude-sonnet-4-5", "max_tokens": 1000, "stream": True, "messages": ASKED}
    return Form(
        name="SSE of Anthropic",
        provider="anthropic",
        host="api.anthropic.com",
        path="/v1/messages",
        request=request,
        content_type="text/event-stream; charset=utf-8",
        pieces=anthropic_answers.messages(request, WORDS - 3).pieces,
    )


def _ndjson(size: int) -> Form:
    """Ollama's own API: each chunk has its own time."""

    def head(number: int) -> dict[str, Any]:
        return {"model": "llama3.2", "created_at": f"2026-11-21T12:00:{number:02d}.{number * 7919:06d}Z"}

    chunks: list[dict[str, Any]] = [
        {**head(number), "message": {"role": "assistant", "content": f" word{number}"}, "done": False}
        for number in range(59)
    ]
    chunks.append({**head(59), "done": True, "done_reason": "stop", "prompt_eval_count": 176, "eval_count": 59})
    return Form(
        name="NDJSON",
        provider="ollama",
        host="127.0.0.1",
        path="/api/chat",
        request=CHAT | {"model": "llama3.2"},
        content_type="application/x-ndjson",
        pieces=tuple(_padded(chunk, size - 1) + b"\n" for chunk in chunks),
    )


def _padded(value: dict[str, Any], size: int) -> bytes:
    """JSON of about that size, by the member `p`, as Bedrock pads its events."""
    return orjson.dumps(value | {"p": PADDING[: max(0, size - len(orjson.dumps(value)) - 7)]})


def _event_stream(size: int) -> Form:
    """Bedrock's ConverseStream."""
    events: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
    events += [
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": f" word{number}"}}) for number in range(56)
    ]
    events += [
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": {"inputTokens": 176, "outputTokens": 56, "totalTokens": 232}, "metrics": {}}),
    ]
    return _bedrock("AWS event stream", "converse-stream", [(name, _padded(told, size - 103)) for name, told in events])


def _wrapped_event_stream(size: int) -> Form:
    """Bedrock's InvokeModelWithResponseStream: the model's own events in base64. Llama's count their tokens."""
    chunk = {"generation": "", "prompt_token_count": None, "generation_token_count": 0, "stop_reason": None}
    metrics = {"inputTokenCount": 176, "outputTokenCount": 60}
    last = chunk | {"stop_reason": "stop", "amazon-bedrock-invocationMetrics": metrics}
    payloads = [
        _wrapped(told | {"generation": f" word{number}", "generation_token_count": number + 1}, size - 91)
        for number, told in enumerate([chunk] * 59 + [last])
    ]
    return _bedrock(
        "AWS event stream, wrapped", "invoke-with-response-stream", [("chunk", payload) for payload in payloads]
    )


def _wrapped(told: dict[str, Any], size: int) -> bytes:
    inner = base64.b64encode(orjson.dumps(told))
    return b'{"bytes":"%b","p":"%b"}' % (inner, PADDING[: size - len(inner) - 19].encode())


def _bedrock(name: str, verb: str, events: list[tuple[str, bytes]]) -> Form:
    def frame(event: str, payload: bytes) -> bytes:
        headers = {":event-type": event, ":content-type": "application/json", ":message-type": "event"}
        return encode(headers, payload)

    return Form(
        name=name,
        provider="bedrock",
        host="bedrock-runtime.us-east-1.amazonaws.com",
        path=f"/model/meta.llama3-1-8b-instruct-v1%3A0/{verb}",
        request={"messages": [{"role": "user", "content": [{"text": QUESTION}]}]},
        content_type="application/vnd.amazon.eventstream",
        pieces=tuple(frame(event, payload) for event, payload in events),
    )


def _responses(name: str) -> Form:
    request = {"model": "gpt-4o-mini", "input": QUESTION, "stream": True}
    return Form(
        name=name,
        provider="openai",
        host="api.openai.com",
        path="/v1/responses",
        request=request,
        content_type="text/event-stream; charset=utf-8",
        pieces=openai_answers.responses(request, WORDS - 5).pieces,
    )


def _socket(name: str, size: int) -> Form:
    """OpenAI's Responses over WebSocket: the same events as messages, padded to that size as OpenAI pads them."""
    sse = _responses(name)
    events = [orjson.loads(piece.partition(b"data: ")[2]) for piece in sse.pieces]
    long = [length for event in events if (length := len(orjson.dumps(event)) + 1) > size]  # the whole response, twice
    size = (size * len(events) - sum(long)) // (len(events) - len(long))
    return Form(
        name=name,
        provider="openai",
        host="api.openai.com",
        path="/v1/responses",
        request=sse.request | {"type": "response.create"},
        content_type="",
        pieces=tuple(websocket_line(_padded(event, size - 1)) for event in events),
        method="GET",
        status=101,
        is_socket=True,
    )


def write_journal(folder: Path, form: Form, calls: int) -> None:
    """A dead run of so many calls."""
    journal = Journal(folder)
    journal.open()
    request = orjson.dumps(form.request)
    for number in range(calls):
        call_id = uuid7()
        journal.start(call_id, _start(form, number))
        journal.piece(call_id, "request", request)
        for piece in form.pieces:
            journal.piece(call_id, "response", piece)
        journal.end(call_id, _end(form, request), True)
    journal.close()


def _start(form: Form, number: int) -> CallStart:
    return CallStart(
        request_id=uuid7(),
        started_at_us=1_795_262_400_000_000 + number * 1000,
        provider_name=form.provider,
        operation_name=form.operation.name,
        method=form.method,
        host=form.host,
        path=form.path,
        mode="reverse",
        content_type="application/json",
        api_key_hash="b0c4de",
        client="bench",
    )


def _end(form: Form, request: bytes) -> CallEnd:
    return CallEnd(
        status=form.status,
        content_type=form.content_type,
        duration_ms=12,
        time_to_first_token_ms=3,
        overhead_ms=1.2,
        request_bytes=len(request),
        response_bytes=sum(map(len, form.pieces)),
    )


def settle(data: Path) -> int:
    """Settles all that is there, as the settler's process does. Returns the number of calls."""
    folders = Folders(data)
    charger = Charger(data, SqliteLimits(folders.limits), (), print)
    settler = Settler(folders, RowMaker(PriceList(), data, None), bare_rows, charger=charger)
    settler.step()
    while settler.unsettled():
        settler.step()
    settler.clean_up()
    settler.close()
    return settler.calls_settled


def settler_ms(form: Form, calls: int) -> float:
    with TemporaryDirectory() as folder:
        write_journal(Folders(Path(folder)).journal, form, calls)
        took, settled = _cpu_s(lambda: settle(Path(folder)))
        assert settled == calls
    return took * 1000 / calls


def copy_ms(form: Form, calls: int) -> float:
    """The event loop's part."""
    copy = _copy_messages if form.is_socket else _copy_pieces
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder), segment_age_s=3600)

        def copy_all() -> None:
            for _ in range(calls):
                call_id = uuid7()
                journal.start(call_id, _start(form, 0))
                copy(journal, call_id, form)
                journal.flush()
                journal.end(call_id, _end(form, b""), True)

        def copy_nothing() -> None:
            for _ in range(calls):
                call_id = uuid7()
                journal.start(call_id, _start(form, 0))
                journal.flush()
                journal.end(call_id, _end(form, b""), True)

        took_s = _cpu_s(copy_all)[0] - _cpu_s(copy_nothing)[0]
        journal.close()
    return took_s * 1000 / calls


def _copy_pieces(journal: Journal, call_id: str, form: Form) -> None:
    scanner = terminal_scanner(form.operation, form.content_type, None)
    for piece in form.pieces:
        journal.piece(call_id, "response", piece)
        if scanner is not None:
            scanner.feed(piece)


def _copy_messages(journal: Journal, call_id: str, form: Form) -> None:
    protocol = form.operation.socket
    assert protocol
    for message in form.pieces:
        said_by(protocol, message, from_client=False)
        journal.piece(call_id, "response", websocket_line(message))


def _cpu_s[T](action: Callable[[], T]) -> tuple[float, T]:
    before = time.process_time()
    result = action()
    return time.process_time() - before, result


def measure(calls: int, rounds: int, names: list[str]) -> None:
    chosen = [form for form in forms() if not names or form.name in names]
    seen: dict[str, list[tuple[float, float]]] = {form.name: [] for form in chosen}
    for number in range(rounds + 1):
        for form in chosen:
            figures = settler_ms(form, calls if number else 100), copy_ms(form, calls if number else 100)
            if number:  # the first round loads price lists and vocabularies
                seen[form.name].append(figures)
    print("| answer | bytes | settler, CPU ms a call | x SSE | copy and scan, CPU ms a call | x SSE |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    # The shortest: other work on the machine only adds.
    shortest = {name: tuple(map(min, zip(*found, strict=True))) for name, found in seen.items()}
    base = shortest.get("SSE", (float("nan"), float("nan")))
    for form in chosen:
        settler, copy = shortest[form.name]
        size = sum(map(len, form.pieces))
        print(
            f"| {form.name} | {size} | {settler:.3f} | {settler / base[0]:.2f} | {copy:.3f} | {copy / base[1]:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--form", action="append", default=[], help="only this one, by its name in the table")
    options = parser.parse_args()
    measure(options.calls, options.rounds, options.form)


if __name__ == "__main__":
    main()
