"""HAR of a session: the shape that browsers and HTTP tools read, and nothing that is secret."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from addon.commands.export import export
from addon.storage.record import BodyRow, RequestRow
from tests.analysis.conversing import answer, call, chat
from tests.analysis.writing import settle_bodies

STREAM = 'data: {"choices": []}\n\ndata: [DONE]\n\n'
# The required members of the HAR 1.2 schema and their types: https://github.com/ahmadnassri/har-schema (lib/*.json).
TEXT, NUMBER, LIST, OBJECT = str, int | float, list, dict
SHAPES: dict[str, dict[str, Any]] = {
    "log": {"version": TEXT, "creator": OBJECT, "entries": LIST},
    "page": {"startedDateTime": TEXT, "id": TEXT, "title": TEXT, "pageTimings": OBJECT},
    "entry": {
        "startedDateTime": TEXT,
        "time": NUMBER,
        "request": OBJECT,
        "response": OBJECT,
        "cache": OBJECT,
        "timings": OBJECT,
    },
    "request": {
        **{"method": TEXT, "url": TEXT, "httpVersion": TEXT, "cookies": LIST, "headers": LIST},
        **{"queryString": LIST, "headersSize": int, "bodySize": int},
    },
    "response": {
        **{"status": int, "statusText": TEXT, "httpVersion": TEXT, "cookies": LIST, "headers": LIST},
        **{"content": OBJECT, "redirectURL": TEXT, "headersSize": int, "bodySize": int},
    },
    "content": {"size": int, "mimeType": TEXT},
    "timings": {"send": NUMBER, "wait": NUMBER, "receive": NUMBER},
}


def har(data: Path, *options: str) -> Result:
    return CliRunner().invoke(export, ["har", "--data", str(data), *options])


def session(data: Path, *calls: tuple[RequestRow, BodyRow]) -> list[dict[str, Any]]:
    """The entries of the session s1, whose shape is that of the specification."""
    settle_bodies(data, list(calls), 1)
    result = har(data, "--session", "s1")
    assert result.exit_code == 0, result.output
    log = json.loads(result.stdout)["log"]
    has_shape("log", log)
    assert log["version"] == "1.2"
    for page in log["pages"]:
        has_shape("page", page)
    for entry in log["entries"]:
        has_shape("entry", entry)
        has_shape("request", entry["request"])
        has_shape("response", entry["response"])
        has_shape("content", entry["response"]["content"])
        has_shape("timings", entry["timings"])
        times = [time for name, time in entry["timings"].items() if time >= 0 and name != "ssl"]
        assert entry["time"] == sum(times)
        assert entry["pageref"] == log["pages"][0]["id"]
    entries: list[dict[str, Any]] = log["entries"]
    return entries


def has_shape(name: str, told: dict[str, Any]) -> None:
    for member, kind in SHAPES[name].items():
        assert isinstance(told[member], kind), (name, member)


def test_a_call_has_its_request_answer_times_and_cost(tmp_path: Path) -> None:
    row, body = call(
        1,
        chat(("user", "Hi")),
        STREAM,
        session_id="s1",
        session_name="Trip",
        path="/v1/chat/completions?trace=a%20b",
        is_stream=True,
        time_to_first_token_ms=300,
        cost_nanousd=1_250_000,
        request_bytes=70,
        response_bytes=40,
    )
    body = BodyRow(
        request_id=row.request_id,
        started_at=row.started_at,
        request_body=body.request_body,
        response_body=STREAM,
        request_headers={"content-type": "application/json"},
        response_headers={"content-type": "text/event-stream", "x-request-id": "req_1"},
        response_piece_times="[[300, 20], [1200, 20]]",
    )
    (entry,) = session(tmp_path, (row, body), call(2, chat(("user", "Hi")), answer("x"), session_id="s2"))
    request, response = entry["request"], entry["response"]
    assert request["url"] == "https://api.openai.com/v1/chat/completions?trace=a%20b"
    assert request["queryString"] == [{"name": "trace", "value": "a b"}]
    assert json.loads(request["postData"]["text"]) == chat(("user", "Hi"))
    assert request["postData"]["mimeType"] == "application/json"
    assert (response["status"], response["statusText"], response["content"]["text"]) == (200, "OK", STREAM)
    assert response["content"]["mimeType"] == "text/event-stream"
    assert {"name": "x-request-id", "value": "req_1"} in response["headers"]
    assert (entry["timings"]["wait"], entry["timings"]["receive"], entry["time"]) == (300, 1200, 1500)
    assert entry["_pieces"] == [[300, 20], [1200, 20]]
    assert entry["_cost"] == 0.00125
    assert entry["startedDateTime"] == "2026-11-19T00:01:00.000Z"


def test_calls_without_an_answer_without_bodies_and_with_bytes(tmp_path: Path) -> None:
    more: dict[str, Any] = {"session_id": "s1", "cost_nanousd": None}
    failed = call(1, chat(("user", "Hi")), None, status=-100, error_type="connection_failed", **more)
    without = call(2, None, None, **more)
    picture = call(3, "data:audio/wav;base64,UklGRg==", "data:image/png;base64,iVBORw0KGgo=", **more)
    entries = session(tmp_path, failed, without, picture)
    assert [entry["response"]["status"] for entry in entries] == [0, 200, 200]
    assert entries[0]["response"]["_error"] == "connection_failed"
    assert "postData" not in entries[1]["request"]
    assert "text" not in entries[1]["response"]["content"]
    content = entries[2]["response"]["content"]
    assert (content["mimeType"], content["encoding"], content["text"]) == ("image/png", "base64", "iVBORw0KGgo=")
    assert entries[2]["request"]["postData"] == {"mimeType": "audio/wav", "text": "UklGRg==", "_encoding": "base64"}
    assert {entry["_cost"] for entry in entries} == {None}


def test_entries_are_in_order_of_time(tmp_path: Path) -> None:
    calls = [call(number, chat(("user", str(number))), answer("x"), session_id="s1") for number in (7, 3, 250, 100)]
    times = [entry["startedDateTime"] for entry in session(tmp_path, *calls)]
    assert times == sorted(times)
    assert len(times) == 4


def test_a_session_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    result = har(tmp_path, "--session", "nobody")
    assert (result.exit_code, "no calls of a session 'nobody'" in result.stderr) == (1, True)


def test_the_file_is_new(tmp_path: Path) -> None:
    settle_bodies(tmp_path, [call(1, chat(("user", "Hi")), answer("x"), session_id="s1")], 1)
    target = tmp_path / "s1.har"
    result = har(tmp_path, "--session", "s1", "-o", str(target))
    assert (result.exit_code, f"{target}: 1 call" in result.stderr) == (0, True)
    assert json.loads(target.read_text())["log"]["entries"]
    assert har(tmp_path, "--session", "s1", "-o", str(target)).exit_code == 2
