"""Feedback, scores and properties over a real socket, with a real settler beside a journal that stands for the proxy's."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from addon.config.settings import load
from addon.ids import uuid7
from addon.intake.events import NAME_CHARS, VALUE_CHARS
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from analysis.api.app import make_app
from analysis.api.sql_workers import SqlWorkers
from analysis.api.state import Api
from analysis.lake import Lake
from analysis.table import fetch
from tests.data_files import files_with
from tests.storage.calls import OK, call_start, journal_call
from tests.waiting import wait_for


@dataclass(frozen=True, slots=True)
class Running:
    """The API and the settler at work on one data folder."""

    data: Path
    proxy: Journal
    http: httpx.Client

    def call(self) -> str:
        """A call that has ended; its id."""
        call_id = uuid7()
        assert journal_call(self.proxy, call_id)
        return call_id

    def call_in(self, session_id: str, started_at_us: int = 1_795_262_400_000_000) -> str:
        """A call of a session that is still under way."""
        call_id = uuid7()
        self.proxy.start(call_id, replace(call_start(call_id, started_at_us), session_id=session_id))
        self.proxy.flush()
        return call_id

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return list(Lake(self.data).ask(lambda connection: fetch(connection, statement)).rows)

    def shows(self, statement: str, expected: list[tuple[Any, ...]]) -> None:
        """Waits until the views answer so; the wait is for slow machines, it takes a fraction of a second."""
        wait_for(lambda: self.rows(statement) == expected)

    def names_anywhere(self, text: str) -> bool:
        """Whether a file under the data folder has this text."""
        return bool(files_with(self.data, text.encode()))


@contextlib.contextmanager
def serving(api: Api) -> Iterator[httpx.Client]:
    """The app on a port of its own, for as long as the block runs."""
    server = uvicorn.Server(uvicorn.Config(make_app(api), log_config=None, access_log=False, lifespan="off", ws="none"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_for(lambda: server.started)
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60) as http:
                yield http
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("data")
    proxy, journal = Journal(Folders(data).journal), Journal(Folders(data).journal)
    proxy.open()
    journal.open()
    settler = subprocess.Popen(
        [sys.executable, "-m", "addon.settling.process", "--data", str(data), "--run", proxy.run], stdin=subprocess.PIPE
    )
    try:
        with serving(
            Api(settings=load(data), secret=b"secret", lake=Lake(data), sql=SqlWorkers(data), journal=journal)
        ) as http:
            yield Running(data, proxy, http)
    finally:
        journal.close()
        proxy.close()
        settler.communicate(timeout=60)
    assert settler.returncode == 0


def answered(answer: httpx.Response, status: int = 200) -> Any:
    """The `data` of a success, the `error` of anything else."""
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert set(told) == {"data", "error"}
    assert told["data" if status >= 400 else "error"] is None
    return told["error" if status >= 400 else "data"]


def test_a_rating_is_the_calls_feedback_and_a_score_and_the_newest_counts(running: Running) -> None:
    call_id = running.call()
    for rating in (True, False):
        assert answered(running.http.post(f"/v1/request/{call_id}/feedback", json={"rating": rating})) is None
        running.shows(f"select rating from feedback where request_id = '{call_id}'", [(rating,)])
    expected = [("helicone-score-feedback", 0.0)]
    running.shows(f"select name, value from scores where request_id = '{call_id}'", expected)


def test_scores_keep_their_fractions_and_merge_by_name(running: Running) -> None:
    call_id = running.call()
    for scores in ({"accuracy": 0.875, "polite": True, "depth": -3}, {"polite": False, "ünï cödé": 1e-300}):
        assert answered(running.http.post(f"/v1/request/{call_id}/score", json={"scores": scores}), 201) is None
    running.shows(
        f"select name, value from scores where request_id = '{call_id}' order by name",
        [("accuracy", 0.875), ("depth", -3.0), ("polite", 0.0), ("ünï cödé", 1e-300)],
    )


def test_a_property_is_among_the_calls_own_by_its_lower_case_name(running: Running) -> None:
    call_id = running.call()
    change = {"key": "Release-Stage", "value": "beta; drop view requests"}
    assert answered(running.http.put(f"/v1/request/{call_id}/property", json=change)) is None
    running.shows(
        f"select properties from requests where request_id = '{call_id}'",
        [({"feature": "test", "release-stage": "beta; drop view requests"},)],
    )


@pytest.mark.parametrize(
    ("path", "body", "status", "score"),
    [
        ("/v1/webhook/request/{}/score", {"scores": {"accuracy": 0.5}}, 201, ("accuracy", 0.5)),
        ("/v1/evals/{}", {"name": "depth", "score": 4}, 200, ("depth", 4.0)),
        ("/v1/feedback", {"helicone-id": "{}", "rating": True}, 200, ("helicone-score-feedback", 1.0)),
    ],
)
def test_older_paths_do_the_same(
    running: Running, path: str, body: dict[str, Any], status: int, score: tuple[str, float]
) -> None:
    call_id = running.call()
    if "helicone-id" in body:
        body = body | {"helicone-id": call_id.upper()}
    assert answered(running.http.post(path.format(call_id), json=body), status) is None
    running.shows(f"select name, value from scores where request_id = '{call_id}'", [score])


def test_a_call_may_be_rated_from_its_first_moment_on(running: Running) -> None:
    call_id = uuid7()
    running.proxy.start(call_id, call_start(call_id))  # not flushed: it waits in the proxy's memory
    answered(running.http.post(f"/v1/request/{call_id}/feedback", json={"rating": True}))
    running.shows(f"select rating from feedback where request_id = '{call_id}'", [(True,)])
    assert running.rows(f"from requests where request_id = '{call_id}'") == []
    assert running.proxy.end(call_id, OK, final=True)
    rated = f"select rating from requests join feedback using (request_id) where request_id = '{call_id}'"
    running.shows(rated, [(True,)])


def test_feedback_on_a_session_is_a_property_of_its_first_call(running: Running) -> None:
    session_id = f"a/b c?{uuid7()}"
    path = f"/v1/session/{session_id.replace('?', '%3F')}"
    later, first = running.call_in(session_id, 1_795_262_400_000_001), running.call_in(session_id)
    assert answered(running.http.get(f"{path}/tag")) is None
    answered(running.http.post(f"{path}/feedback", json={"rating": True}))
    answered(running.http.post(f"{path}/tag", json={"tag": "draft"}))
    answered(running.http.post(f"{path}/tag", json={"tag": "good one"}))
    for call_id in (later, first):
        running.proxy.end(call_id, OK, final=True)
    running.shows(
        f"select properties from requests where request_id in ('{first}', '{later}') order by started_at",
        [
            ({"feature": "test", "helicone-session-feedback": "1", "helicone-session-tag": "good one"},),
            ({"feature": "test"},),
        ],
    )
    assert answered(running.http.get(f"{path}/tag")) == "good one"
    answered(running.http.post(f"{path}/feedback", json={"rating": False}))
    running.shows(
        f"select properties['helicone-session-feedback'] from requests where request_id = '{first}'", [("0",)]
    )


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/request/{}/feedback", {"rating": True}),
        ("POST", "/v1/request/{}/score", {"scores": {"accuracy": 1}}),
        ("PUT", "/v1/request/{}/property", {"key": "a", "value": "b"}),
        ("POST", "/v1/evals/{}", {"name": "a", "score": 1}),
        ("POST", "/v1/feedback", {"helicone-id": "{}", "rating": True}),
        ("POST", "/v1/session/{}/feedback", {"rating": True}),
        ("POST", "/v1/session/{}/tag", {"tag": "a"}),
    ],
)
def test_nothing_is_written_about_what_is_unknown(
    running: Running, method: str, path: str, body: dict[str, Any]
) -> None:
    unknown = uuid7()
    sent = {name: value.format(unknown) if isinstance(value, str) else value for name, value in body.items()}
    error = answered(running.http.request(method, path.format(unknown), json=sent), 404)
    assert unknown in error
    assert not running.names_anywhere(unknown)


@pytest.mark.parametrize(
    "bad_id", ["x", "1", "%2e%2e%2f%2e%2e", "*", "' or true --", "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeee%00", "é" * 500]
)
def test_an_id_that_is_not_a_uuid_is_not_found(running: Running, bad_id: str) -> None:
    answered(running.http.post(f"/v1/request/{bad_id}/feedback", json={"rating": True}), 404)
    answered(running.http.post(f"/v1/session/{bad_id}/feedback", json={"rating": True}), 404)


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("feedback", {}, "rating: "),
        ("feedback", {"rating": 1}, "rating: "),
        ("feedback", {"rating": "true"}, "rating: "),
        ("feedback", {"rating": None}, "rating: "),
        ("feedback", [True], "not a JSON object"),
        ("feedback", b"rating", "not JSON"),
        ("feedback", b"", "not JSON"),
        ("feedback", b'{"rating": tr', "not JSON"),
        ("feedback", b"\xff", "not JSON"),
        ("feedback", b'{"rating": true, "x": "%b"}' % (b"x" * 2**16), "longer than 65536 bytes"),
        ("score", {}, "scores: "),
        ("score", {"scores": [1]}, "scores: "),
        ("score", {"scores": {"accuracy": "0.5"}}, "scores.accuracy: "),
        ("score", {"scores": {"accuracy": None}}, "scores.accuracy: "),
        ("score", {"scores": {"fine": 1, "accuracy": {"a": 1}}}, "scores.accuracy: "),
        ("score", {"scores": {"": 1}}, "scores: a name"),
        ("score", {"scores": {"x" * (NAME_CHARS + 1): 1}}, "scores: the name"),
        ("score", {"scores": {"a\nb": 1}}, "control character"),
        ("score", b'{"scores": {"accuracy": NaN}}', "not JSON"),
        ("score", b'{"scores": {"accuracy": Infinity}}', "not JSON"),
        ("score", b'{"scores": {"accuracy": 1e999}}', ""),
        ("property", {"value": "a"}, "key: "),
        ("property", {"key": " ", "value": "a"}, "key: "),
        ("property", {"key": 1, "value": "a"}, "key: "),
        ("property", {"key": "x" * (NAME_CHARS + 1), "value": "a"}, "key: "),
        ("property", {"key": "a"}, "value: "),
        ("property", {"key": "a", "value": 1}, "value: "),
        ("property", {"key": "a", "value": "x" * (VALUE_CHARS + 1)}, "value: "),
    ],
)
def test_what_cannot_be_used_is_a_400_that_names_the_field(running: Running, kind: str, body: Any, field: str) -> None:
    call_id = running.call()
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    method = "PUT" if kind == "property" else "POST"
    assert field in answered(running.http.request(method, f"/v1/request/{call_id}/{kind}", **content), 400)
    for view in ("feedback", "scores", "property_changes"):
        assert running.rows(f"from {view} where request_id = '{call_id}'") == []


def test_a_wrong_session_body_or_legacy_id_is_a_400(running: Running) -> None:
    assert "rating: " in answered(running.http.post("/v1/session/s/feedback", json={}), 400)
    assert "tag: " in answered(running.http.post("/v1/session/s/tag", json={"tag": 1}), 400)
    assert "helicone-id: " in answered(running.http.post("/v1/feedback", json={"rating": True}), 400)


def test_a_journal_that_cannot_be_written_is_said(tmp_path: Path, running: Running) -> None:
    folder = tmp_path / "journal"
    folder.write_text("a file is in the way")
    journal = Journal(folder, on_trouble=lambda _: None)
    call_id = running.call()
    with serving(
        Api(
            settings=load(running.data),
            secret=b"",
            lake=Lake(running.data),
            sql=SqlWorkers(running.data),
            journal=journal,
        )
    ) as http:
        error = answered(http.post(f"/v1/request/{call_id}/feedback", json={"rating": True}), 503)
    assert "the journal cannot be written" in error
    assert str(tmp_path) not in error  # a caller on another machine need not know our paths
