"""Webhooks: a real receiver at the end of a socket, told of calls out of a real data folder."""

import asyncio
import dataclasses
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from addon.config.webhooks import Webhook
from addon.storage.record import RequestRow
from analysis.webhooks.dispatch import Dispatcher
from analysis.webhooks.message import LONGEST_BODY_BYTES, is_wanted, message, wait_s
from analysis.webhooks.queue import CLAIM_S
from tests.analysis.writing import made_up_rows, settle
from tests.config.sections import section

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
SECRET = "shared secret"


class Receiver:
    """Takes deliveries, and answers with the statuses of `script`, then 200."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.script: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.script.pop(0) if receiver.script else 200)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def ids(self) -> list[str]:
        return [json.loads(body)["request_id"] for _, body in self.taken]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def webhook(receiver: Receiver, **more: Any) -> Webhook:
    return Webhook(url=receiver.url, secret=SECRET, **more)


def calls_at(moment: float, count: int, first: int = 0) -> list[RequestRow]:
    """Calls that ended just before `moment`."""
    at = datetime.fromtimestamp(moment - 1, UTC)
    rows = made_up_rows(first + count)[first:]
    return [dataclasses.replace(row, started_at=at, duration_ms=500) for row in rows]


def step(dispatcher: Dispatcher, now: float) -> None:
    asyncio.run(dispatcher.step(now))


def test_each_finished_call_is_told_once_and_signed(tmp_path: Path, receiver: Receiver) -> None:
    dispatcher = Dispatcher(tmp_path, [webhook(receiver)])
    step(dispatcher, NOW)
    rows = calls_at(NOW + 5, 3)
    settle(tmp_path, rows, 1)
    step(dispatcher, NOW + 6)
    step(dispatcher, NOW + 7)
    assert sorted(receiver.ids()) == sorted(row.request_id for row in rows)
    for headers, body in receiver.taken:
        assert headers["helicone-signature"] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        told, row = json.loads(body), next(row for row in rows if row.request_id == json.loads(body)["request_id"])
        assert (told["request_body"], told["response_body"]) == ('{"messages": []}', "{}")
        assert (told["provider"], told["model"]) == (row.provider_name, row.response_model or row.request_model)
        assert told["metadata"]["latencyMs"] == 500
        assert told["metadata"]["promptTokens"] == row.input_tokens


def test_calls_from_before_the_first_start_are_no_news(tmp_path: Path, receiver: Receiver) -> None:
    settle(tmp_path, calls_at(NOW - 60, 3), 1)
    dispatcher = Dispatcher(tmp_path, [webhook(receiver)])
    step(dispatcher, NOW)
    settle(tmp_path, calls_at(NOW + 5, 1, first=9), 2)
    step(dispatcher, NOW + 6)
    assert len(receiver.taken) == 1


def test_calls_that_ended_while_the_api_was_down_are_delivered_after_a_restart(
    tmp_path: Path, receiver: Receiver
) -> None:
    step(Dispatcher(tmp_path, [webhook(receiver)]), NOW)
    rows = calls_at(NOW + 3600, 2)
    settle(tmp_path, rows, 1)
    step(Dispatcher(tmp_path, [webhook(receiver)]), NOW + 7200)
    assert sorted(receiver.ids()) == sorted(row.request_id for row in rows)
    step(Dispatcher(tmp_path, [webhook(receiver)]), NOW + 7300)
    assert len(receiver.taken) == 2


def test_a_failure_is_tried_again_after_a_growing_wait(tmp_path: Path, receiver: Receiver) -> None:
    moment = NOW
    dispatcher = Dispatcher(tmp_path, [webhook(receiver)], clock=lambda: moment)
    step(dispatcher, moment)
    settle(tmp_path, calls_at(NOW + 5, 1), 1)
    receiver.script = [500, 302, 404]
    moment = NOW + 6
    for failures in range(1, 4):
        step(dispatcher, moment)
        assert len(receiver.taken) == failures
        pause = wait_s(failures)
        assert pause
        step(dispatcher, moment + pause - 0.1)
        assert len(receiver.taken) == failures
        moment += pause
    step(dispatcher, moment)
    step(dispatcher, moment + 9999)
    assert len(receiver.taken) == 4  # the fourth was taken


def test_a_message_that_no_attempt_delivers_ends_in_a_file(tmp_path: Path, receiver: Receiver) -> None:
    moment = NOW
    dispatcher = Dispatcher(tmp_path, [webhook(receiver)], clock=lambda: moment)
    step(dispatcher, moment)
    (row,) = calls_at(NOW + 5, 1)
    settle(tmp_path, [row], 1)
    receiver.script = [503] * 99
    moment = NOW + 6
    for _ in range(12):
        step(dispatcher, moment)
        moment += 2000
    assert len(receiver.taken) == 7
    path = tmp_path / "webhooks-dead.jsonl"
    (letter,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert (letter["url"], letter["request_id"], letter["attempts"]) == (receiver.url, row.request_id, 7)
    assert letter["error"] == "HTTP 503"
    assert letter["message"]["request_id"] == row.request_id
    assert path.stat().st_mode & 0o777 == 0o600
    assert SECRET not in path.read_text()


def test_a_receiver_that_is_down_holds_up_no_other(tmp_path: Path, receiver: Receiver) -> None:
    down = Webhook(url="http://127.0.0.1:9/hook", secret=SECRET)
    dispatcher = Dispatcher(tmp_path, [down, webhook(receiver)])
    step(dispatcher, NOW)
    settle(tmp_path, calls_at(NOW + 5, 3), 1)
    step(dispatcher, NOW + 6)
    assert len(receiver.taken) == 3


def test_a_delivery_of_a_process_that_died_is_made_by_the_next(tmp_path: Path, receiver: Receiver) -> None:
    first = Dispatcher(tmp_path, [webhook(receiver)])
    step(first, NOW)
    settle(tmp_path, calls_at(NOW + 5, 1), 1)
    first._look(NOW + 6)
    assert first._queue.claim(NOW + 6, 8)  # and here it dies
    second = Dispatcher(tmp_path, [webhook(receiver)])
    step(second, NOW + 7)
    assert receiver.taken == []
    step(second, NOW + 7 + CLAIM_S)
    assert len(receiver.taken) == 1


def test_filters_and_samples() -> None:
    calls = [{"request_id": f"id-{number}", "properties": {"feature": "chat"}} for number in range(2000)]
    some = Webhook(url="http://x/", secret="s", sample_rate=25)
    drawn = [call for call in calls if is_wanted(some, call)]
    assert 400 < len(drawn) < 600
    assert drawn == [call for call in calls if is_wanted(some, call)]
    assert not any(is_wanted(Webhook(url="http://x/", secret="s", sample_rate=0), call) for call in calls)
    assert all(is_wanted(Webhook(url="http://x/", secret="s", properties={"feature": "chat"}), call) for call in calls)
    both = Webhook(url="http://x/", secret="s", properties={"feature": "chat", "tier": "gold"})
    assert not any(is_wanted(both, call) for call in calls)


def test_a_long_body_is_left_out_in_words() -> None:
    call = {
        "request_id": "i",
        "request_body": "x" * (LONGEST_BODY_BYTES + 1),
        "response_body": "x" * LONGEST_BODY_BYTES,
    }
    told = json.loads(message(Webhook(url="http://x/", secret="s", include_data=False), call))
    assert set(told) == {"request_id", "request_body", "response_body"}
    assert "longer than" in told["request_body"]
    assert told["response_body"] == call["response_body"]


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"url": "ftp://x", "secret": "s"}, "url"),
        ({"secret": "s"}, "url"),
        ({"url": "https://x"}, "secret"),
        ({"url": "https://x", "secret": "s", "sample_rate": 101}, "sample_rate"),
        ({"url": "https://x", "secret": "s", "sample_rate": True}, "sample_rate"),
        ({"url": "https://x", "secret": "s", "properties": {"a": 1}}, "properties"),
        ({"url": "https://x", "secret": "s", "include_data": "yes"}, "include_data"),
        ({"url": "https://x", "secret": "s", "rate": 1}, "rate"),
    ],
)
def test_settings_that_cannot_be_used_are_named(table: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=rf"webhooks\[0\]\.{named}"):
        section("webhooks", [table])


def test_a_secret_may_be_an_environment_variable() -> None:
    (hook,) = section("webhooks", [{"url": "https://x", "secret": "$HOOK"}])
    assert hook.signing_key({"HOOK": "s"}) == "s"
    with pytest.raises(ValueError, match="HOOK"):
        hook.signing_key({})
