"""Calls over WebSocket through a real proxy: the OpenAI SDK, and a client that speaks as Codex does."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from analysis.dashboard.stream_pieces import pieces_of
from tests.proxy.clients import openai_client
from tests.proxy.conftest import HELIOGRAPH, Proxy, Row, run_up, wait_for
from tests.proxy.socket_provider import WORDS, SocketProvider, socket_provider

ANSWER = "".join(WORDS)
ASK: dict[str, Any] = {"type": "response.create", "model": "gpt-5", "input": "Where is my parcel?"}
Message = dict[str, Any]


@pytest.fixture(scope="module")
def provider() -> Iterator[SocketProvider]:
    with socket_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def proxy(provider: SocketProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    options = [f"--upstream={name}={provider.url}" for name in ("openai", "azure", "gemini", "vertex")]
    with run_up(tmp_path_factory.mktemp("data"), *options) as proxy:
        yield proxy
        assert proxy.stop() == 0
        assert not [line for line in proxy.said if "Traceback" in line], "\n".join(proxy.said)


def open_socket(proxy: Proxy, path: str = "/openai/v1/responses", **headers: str) -> Connection:
    sent = {"authorization": "Bearer sk-test", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return connect(proxy.url.replace("http", "ws") + path, additional_headers=sent, max_size=None, proxy=None)


def ask(socket: Connection, message: Message) -> list[Message]:
    """The events of the answer, up to the one that ends it."""
    socket.send(json.dumps(message))
    return until(socket, "response.completed", "response.failed", "response.done", "error")


def until(socket: Connection, *kinds: str) -> list[Message]:
    events = [json.loads(socket.recv(20))]
    while events[-1]["type"] not in kinds:
        events.append(json.loads(socket.recv(20)))
    return events


def rows_of(proxy: Proxy, session: str, number: int) -> list[Row]:
    return wait_for(
        lambda: rows if len(rows := proxy.rows("session_id = $id", id=session)) >= number else [],
        message=f"no {number} rows of {session}",
    )


def test_each_response_on_a_socket_is_a_row(proxy: Proxy) -> None:
    with open_socket(proxy, helicone_session_id="two-responses", helicone_property_feature="parcels") as socket:
        assert socket.response and socket.response.headers["helicone-id"]
        first, second = (ask(socket, ASK) for _ in range(2))
    assert "".join(event.get("delta", "") for event in first) == ANSWER
    rows = rows_of(proxy, "two-responses", 2)
    assert [row["response_id"] for row in rows] == [events[0]["response"]["id"] for events in (first, second)]
    for row in rows:
        assert (row["provider_name"], row["operation_name"], row["method"]) == ("openai", "responses", "GET")
        assert (row["host"], row["path"], row["status"]) == ("api.openai.com", "/v1/responses", 101)
        assert (row["request_model"], row["response_model"], row["error_type"]) == ("gpt-5", "gpt-5", None)
        assert (row["input_tokens"], row["cache_read_input_tokens"], row["output_tokens"]) == (120, 100, 7)
        # gpt-5: 20 x 1.25 + 100 x 0.125 + 7 x 10 USD per million
        assert row["cost_nanousd"] == 20 * 1250 + 100 * 125 + 7 * 10_000
        assert (row["is_stream"], row["attempts"], row["properties"]) == (True, 1, {"feature": "parcels"})
        assert row["time_to_first_token_ms"] is not None
        assert row["api_key_hash"]


def test_the_bodies_of_a_row_are_the_message_and_the_events(proxy: Proxy) -> None:
    with open_socket(proxy, helicone_session_id="bodies") as socket:
        events = ask(socket, ASK)
    (row,) = rows_of(proxy, "bodies", 1)
    body = proxy.body(row["request_id"])
    assert json.loads(body["request_body"]) == ASK
    assert [json.loads(line) for line in body["response_body"].splitlines()] == events
    assert body["response_text"] == ANSWER
    pieces = pieces_of(body["response_piece_times"], body["response_body"], None)
    assert pieces and "".join(piece.said for piece in pieces.pieces) == ANSWER


def test_without_a_session_the_calls_of_a_socket_share_its_id(proxy: Proxy) -> None:
    with open_socket(proxy) as socket:
        assert socket.response
        socket_id = socket.response.headers["helicone-id"]
        ask(socket, ASK)
        ask(socket, ASK)
    assert len({row["request_id"] for row in rows_of(proxy, socket_id, 2)}) == 2


def test_codex_says_its_session_and_prepares_before_it_asks(proxy: Proxy, provider: SocketProvider) -> None:
    said = {"client_metadata": {"session_id": "codex-session"}, "instructions": "x" * 200_000, "stream": True}
    with open_socket(
        proxy,
        "/openai/backend-api/codex/responses",
        openai_beta="responses_websockets=2026-02-06",
        originator="codex_exec",
    ) as socket:
        ask(socket, {**ASK, **said, "generate": False, "input": []})
        ask(socket, {**said, "input": "hi", "model": "gpt-5-codex", "type": "response.create"})
    prewarm, turn = rows_of(proxy, "codex-session", 2)
    assert (prewarm["operation_name"], prewarm["usage_source"], prewarm["cost_nanousd"]) == ("prewarm", None, None)
    assert (turn["operation_name"], turn["request_model"], turn["input_tokens"]) == ("responses", "gpt-5-codex", 120)
    assert provider.headers[-1]["openai-beta"] == "responses_websockets=2026-02-06"
    assert not [name for name in provider.headers[-1] if name.startswith("helicone")]


def test_through_https_proxy_with_tls(proxy: Proxy, provider: SocketProvider) -> None:
    trusted = ssl.create_default_context(cafile=proxy.ca)
    headers = {"helicone-session-id": "tunnelled"}
    url = "wss://api.openai.com/v1/responses"
    with connect(url, additional_headers=headers, proxy=proxy.url, ssl=trusted) as socket:
        ask(socket, ASK)
    (row,) = rows_of(proxy, "tunnelled", 1)
    assert (row["mode"], row["output_tokens"]) == ("forward", 7)


def test_the_sdk_of_openai_connects_for_responses(proxy: Proxy) -> None:
    client = openai_client(proxy, headers={"Helicone-Session-Id": "sdk-responses"})
    with client.responses.connect() as connection:
        connection.response.create(model="gpt-5", input="Where is my parcel?")
        for event in connection:
            if event.type == "response.completed":
                break
    (row,) = rows_of(proxy, "sdk-responses", 1)
    assert (row["input_tokens"], row["output_tokens"], row["reasoning_output_tokens"]) == (120, 7, 2)


def test_responses_in_two_lanes_are_told_apart(proxy: Proxy) -> None:
    with open_socket(proxy, helicone_session_id="lanes") as socket:
        socket.send(json.dumps({**ASK, "model": "parallel", "stream_id": "first"}))
        until(socket, "response.created")
        ask(socket, {**ASK, "stream_id": "second"})
    left, done = rows_of(proxy, "lanes", 2)
    assert (left["request_model"], left["error_type"]) == ("parallel", "client_disconnected")
    assert (done["error_type"], done["output_tokens"]) == (None, 7)


def test_an_error_event_ends_its_call(proxy: Proxy) -> None:
    with open_socket(proxy, helicone_session_id="error") as socket:
        (event,) = ask(socket, {**ASK, "model": "error"})
        assert event["status"] == 400
        ask(socket, ASK)
    failed, done = rows_of(proxy, "error", 2)
    assert (failed["error_type"], failed["cost_nanousd"], failed["cost_source"]) == ("invalid_request_error", 0, "free")
    assert done["error_type"] is None


def test_a_socket_that_the_provider_cuts_leaves_an_estimate(proxy: Proxy) -> None:
    with open_socket(proxy, helicone_session_id="cut") as socket, pytest.raises(ConnectionClosed):
        ask(socket, {**ASK, "model": "cut"})
    (row,) = rows_of(proxy, "cut", 1)
    assert (row["error_type"], row["status"], row["usage_source"]) == ("upstream_disconnected", 101, "estimated")
    assert row["output_tokens"] > 0


def test_a_caller_that_leaves_before_the_first_event(proxy: Proxy) -> None:
    with open_socket(proxy, helicone_session_id="left") as socket:
        socket.send(json.dumps({**ASK, "model": "silent"}))
        assert socket.ping().wait(30)
    (row,) = rows_of(proxy, "left", 1)
    assert (row["error_type"], row["status"], row["cost_nanousd"]) == ("client_disconnected", -3, None)


def test_words_that_look_like_an_event_end_nothing(proxy: Proxy) -> None:
    fake = '{"type":"response.completed","response":{"id":"fake"}}'
    with open_socket(proxy, helicone_session_id="fake") as socket:
        ask(socket, {**ASK, "metadata": {"type": "response.cancel", "note": fake}, "input": fake * 2000})
    (row,) = rows_of(proxy, "fake", 1)
    assert row["output_tokens"] == 7


def test_a_message_that_is_not_json_passes(proxy: Proxy, provider: SocketProvider) -> None:
    with open_socket(proxy, helicone_session_id="odd") as socket, pytest.raises(ConnectionClosed):
        socket.send("not JSON")
        socket.recv(20)
    assert provider.received[-1] == "not JSON"


def test_omitted_words_are_in_no_file(proxy: Proxy) -> None:
    secret = "a-secret-word"
    with open_socket(
        proxy, helicone_session_id="omitted", helicone_omit_request="true", helicone_omit_response="true"
    ) as socket:
        ask(socket, {**ASK, "input": secret})
    (row,) = rows_of(proxy, "omitted", 1)
    assert (row["request_model"], row["input_tokens"], row["output_tokens"]) == ("gpt-5", 120, 7)
    body = proxy.body(row["request_id"])
    assert (body["request_body"], body["response_body"], body["response_text"]) == (None, None, None)


def sdk(proxy: Proxy, session: str) -> OpenAI:
    return openai_client(proxy, headers={"Helicone-Session-Id": session})


def test_the_sdk_of_openai_speaks_realtime(proxy: Proxy) -> None:
    with sdk(proxy, "sdk-realtime").realtime.connect(model="gpt-realtime") as connection:
        connection.session.update(session={"type": "realtime", "instructions": "Be kind."})
        item: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Where is it?"}]}
        connection.conversation.item.create(item=item)
        connection.response.create()
        for event in connection:
            if event.type == "response.done":
                break
    (row,) = rows_of(proxy, "sdk-realtime", 1)
    assert (row["operation_name"], row["request_model"], row["path"]) == (
        "realtime",
        "gpt-realtime",
        "/v1/realtime?model=gpt-realtime",
    )
    assert (row["input_tokens"], row["cache_read_input_tokens"], row["output_tokens"]) == (132, 64, 121)
    # 55 text x 4 + 64 cached text x 0.40 + 13 audio x 32; 30 text x 16 + 91 audio x 64 USD per million
    assert row["cost_missing"] is None
    assert row["cost_nanousd"] == 55 * 4000 + 64 * 400 + 13 * 32_000 + 30 * 16_000 + 91 * 64_000
    assert row["finish_reasons"] == ["completed"]
    body = proxy.body(row["request_id"])
    request = json.loads(body["request_body"])
    assert request["model"] == "gpt-realtime"
    assert request["input"][0]["item"] == item
    assert body["response_text"] == ANSWER


def test_what_was_spoken_is_transcribed_and_answered_unasked(proxy: Proxy) -> None:
    with sdk(proxy, "spoken").realtime.connect(model="gpt-realtime") as connection:
        connection.input_audio_buffer.append(audio="UklGRg==")
        connection.input_audio_buffer.commit()
        for event in connection:
            if event.type == "response.done":
                break
    transcript, answer = rows_of(proxy, "spoken", 2)
    assert (transcript["operation_name"], transcript["request_model"]) == ("transcription", "gpt-4o-mini-transcribe")
    # 20 audio x 3 + 10 text x 5 USD per million
    assert transcript["cost_nanousd"] == 20 * 3000 + 10 * 5000
    assert proxy.body(transcript["request_id"])["response_text"] == "Where is my parcel?"
    assert (answer["operation_name"], answer["output_tokens"]) == ("realtime", 121)
    sound = json.loads(proxy.body(answer["request_id"])["request_body"])["sound"]
    assert sound["messages"] == 1
    assert "UklGRg" not in proxy.body(answer["request_id"])["request_body"]


def test_a_live_session_is_one_row_with_its_seconds_and_the_work_that_it_handed_on(proxy: Proxy) -> None:
    with sdk(proxy, "sdk-live").live.connect() as connection:
        connection.send({"type": "session.start", "session": {"model": "gpt-live-1", "instructions": "Be kind."}})
        connection.send({"type": "session.input_audio.append", "audio": "UklGRg=="})
        for event in connection:
            if event.type == "session.usage.updated":
                connection.send({"type": "session.close"})
            if event.type == "session.closed":
                break
    (row,) = rows_of(proxy, "sdk-live", 1)
    assert (row["operation_name"], row["request_model"], row["finish_reasons"]) == (
        *("live", "gpt-live-1"),
        ["close_requested"],
    )
    assert (row["input_tokens"], row["cache_read_input_tokens"], row["output_tokens"]) == (120, 100, 7)
    # 12 s x 0.05 USD a minute; 20 x 2 + 100 x 0.20 + 7 x 10 USD per million
    assert (row["cost_missing"], row["cost_nanousd"]) == (None, 10_000_000 + 20 * 2000 + 100 * 200 + 7 * 10_000)
    body = proxy.body(row["request_id"])
    assert body["response_text"] == ANSWER
    assert "UklGRg" not in body["response_body"]


def test_a_live_session_whose_caller_hangs_up_has_what_was_stated_so_far(proxy: Proxy) -> None:
    with sdk(proxy, "hung-up").live.connect() as connection:
        connection.send({"type": "session.start", "session": {"model": "gpt-live-1"}})
        connection.send({"type": "session.input_audio.append", "audio": "UklGRg=="})
        for event in connection:
            if event.type == "session.usage.updated":
                break
    (row,) = rows_of(proxy, "hung-up", 1)
    assert (row["error_type"], row["usage_source"], row["input_tokens"]) == ("client_disconnected", "estimated", 120)
    assert row["cost_nanousd"] == 5_000_000 + 20 * 2000 + 100 * 200 + 7 * 10_000


LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def test_each_turn_of_a_gemini_session_is_a_row(proxy: Proxy) -> None:
    turns = [{"role": "user", "parts": [{"text": "Where is my parcel?"}]}]
    with open_socket(proxy, f"/gemini{LIVE}?key=secret", helicone_session_id="live") as socket:
        socket.send(json.dumps({"setup": {"model": "models/gemini-live-2.5-flash"}}))
        assert json.loads(socket.recv(20)) == {"setupComplete": {}}
        for _ in range(2):
            socket.send(json.dumps({"clientContent": {"turns": turns, "turnComplete": True}}))
            while "turnComplete" not in json.loads(socket.recv(20))["serverContent"]:
                pass
    first, second = rows_of(proxy, "live", 2)
    assert (first["provider_name"], first["operation_name"], first["path"]) == ("gemini", "realtime", LIVE)
    for row in (first, second):
        assert (row["request_model"], row["error_type"]) == ("gemini-live-2.5-flash", None)
        # 12 x 0.50 + 5 x 2 USD per million
        assert (row["input_tokens"], row["output_tokens"]) == (12, 5)
        assert (row["cost_nanousd"], row["cost_missing"]) == (12 * 500 + 5 * 2000, None)
        assert proxy.body(row["request_id"])["response_text"] == ANSWER
    # What was heard before an answer belongs to it: here the words came after the first turn was asked for.
    assert "Where is it?" in proxy.body(second["request_id"])["request_body"]


ONCE_AN_HOUR = {"helicone_ratelimit_policy": "1;w=3600;s=user"}


def test_a_response_over_a_limit_gets_an_error_event_and_is_not_sent(proxy: Proxy, provider: SocketProvider) -> None:
    with open_socket(proxy, helicone_session_id="limited", helicone_user_id="u1", **ONCE_AN_HOUR) as socket:
        ask(socket, ASK)
        sent = len(provider.received)
        (event,) = ask(socket, {**ASK, "stream_id": "lane"})
        assert (event["type"], event["status"], event["stream_id"]) == ("error", 429, "lane")
        assert event["error"]["type"] == "rate_limit_exceeded"
        assert "1 request" in event["error"]["message"]
        assert len(provider.received) == sent
    done, refused = rows_of(proxy, "limited", 2)
    assert (done["rate_limit_status"], done["status"]) == ("allowed", 101)
    assert (refused["rate_limit_status"], refused["status"], refused["error_type"]) == (
        "rate_limited",
        429,
        "rate_limited",
    )
    assert (refused["attempts"], refused["cost_nanousd"], refused["request_model"]) == (0, 0, "gpt-5")


def test_a_spoken_response_over_a_limit_is_stopped(proxy: Proxy, provider: SocketProvider) -> None:
    path = "/openai/v1/realtime?model=gpt-realtime"
    with open_socket(proxy, path, helicone_session_id="stopped", helicone_user_id="u2", **ONCE_AN_HOUR) as socket:
        ask(socket, {"type": "response.create"})
        socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
        until(socket, "error")
    wait_for(lambda: any("response.cancel" in str(message) for message in provider.received))
    assert len(rows_of(proxy, "stopped", 2)) >= 2


def test_a_gemini_turn_over_a_limit_gets_googles_error(proxy: Proxy) -> None:
    path = f"/gemini{LIVE}"
    with open_socket(proxy, path, helicone_session_id="live-limited", helicone_user_id="u3", **ONCE_AN_HOUR) as socket:
        for _ in range(2):
            socket.send(json.dumps({"clientContent": {"turns": [], "turnComplete": True}}))
        messages = [json.loads(socket.recv(20))]
        while "error" not in messages[-1]:
            messages.append(json.loads(socket.recv(20)))
    assert messages[-1]["error"]["status"] == "RESOURCE_EXHAUSTED"


def test_kill_9_loses_no_response_that_has_ended(provider: SocketProvider, tmp_path: Path) -> None:
    options = [f"--upstream=openai={provider.url}"]
    with run_up(tmp_path, *options) as proxy, open_socket(proxy, helicone_session_id="killed") as socket:
        ask(socket, ASK)
        proxy.process.kill()
        proxy.process.wait()
    with run_up(tmp_path, *options) as proxy:
        (row,) = rows_of(proxy, "killed", 1)
    assert (row["error_type"], row["output_tokens"]) == (None, 7)


def test_keys_are_checked_at_the_upgrade(provider: SocketProvider, tmp_path: Path) -> None:
    subprocess.run([HELIOGRAPH, "keys", "add", "team", "--data", str(tmp_path)], check=True, capture_output=True)
    with run_up(tmp_path, f"--upstream=openai={provider.url}") as proxy, pytest.raises(InvalidStatus) as refused:
        open_socket(proxy)
    assert refused.value.response.status_code == 401


def test_health_counts_the_calls_of_sockets(proxy: Proxy) -> None:
    before = proxy.seen()
    with open_socket(proxy, helicone_session_id="counted") as socket:
        ask(socket, ASK)
        ask(socket, ASK)
        assert proxy.seen() == before + 2


def test_a_message_that_never_ends_closes_its_socket_and_the_proxy_goes_on(proxy: Proxy) -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "x" * 2**20

    with open_socket(proxy) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.send(endless())
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
    with open_socket(proxy, helicone_session_id="after-endless") as socket:
        ask(socket, ASK)
    rows_of(proxy, "after-endless", 1)
