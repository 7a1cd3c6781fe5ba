"""Our own clients as programs take them: fetched from the proxy, run by themselves, their logs read back as rows."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from addon.demo.providers import FakeProviders
from tests.proxy.clients import plain
from tests.proxy.conftest import Proxy, environment, run_up, to, wait_for

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 10, "output_tokens": 7},
}
COST = 100 * 150 + 10 * 600

Run = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with FakeProviders() as provider, run_up(tmp_path_factory.mktemp("clients"), *to(provider)) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def folder(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user has after two `curl -O`."""
    folder = tmp_path_factory.mktemp("program")
    for name, kind in (("heliograph.mjs", "text/javascript"), ("heliograph_client.py", "text/x-python")):
        answer = plain(proxy).get(f"/{name}")
        assert answer.headers["content-type"].startswith(kind)
        (folder / name).write_bytes(answer.content)
    return folder


def python(folder: Path, url: str, program: str) -> subprocess.CompletedProcess[str]:
    head = f"from heliograph_client import HeliconeAsyncLogger\nANSWER = {ANSWER!r}\nMESSAGE = {MESSAGE!r}\n"
    head += "logger = HeliconeAsyncLogger(api_key='sk-helicone-xxxx')\nlogger.init()\n"
    return _run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.')\n{head}{program}"], folder, url)


def node(folder: Path, url: str, program: str) -> subprocess.CompletedProcess[str]:
    if not shutil.which("node"):
        pytest.skip("there is no node here")
    head = 'import { HeliconeAsyncLogger } from "./heliograph.mjs";\n'
    head += f"const ANSWER = {json.dumps(ANSWER)}, MESSAGE = {json.dumps(MESSAGE)};\n"
    head += 'const logger = new HeliconeAsyncLogger({ apiKey: "sk-helicone-xxxx" });\nlogger.init();\n'
    (folder / "program.mjs").write_text(head + program)
    return _run(["node", "program.mjs"], folder, url)


def _run(command: list[str], folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    variables = environment(HELIOGRAPH_URL=url)
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False)


# The same program in both languages, by name.
PROGRAMS: dict[str, dict[str, str]] = {
    "one log": {
        "python": "print(logger.log(ANSWER, user_id='user-123', session_id=SESSION, properties={'feature': 'chat', 'n': 3},"
        " request={'model': 'gpt-4o-mini', 'messages': [{'role': 'user', 'content': 'Hi'}]},"
        " start_time=1795262400.25, end_time=1795262401.75))",
        "node": "console.log(await logger.log(ANSWER, {userId: 'user-123', sessionId: SESSION,"
        " properties: {feature: 'chat', n: 3}, request: {model: 'gpt-4o-mini', messages: [{role: 'user', content: 'Hi'}]},"
        " startTime: new Date(1795262400250), endTime: 1795262401750}));",
    },
    "a message": {
        "python": "print(logger.log(MESSAGE, session_id=SESSION))",
        "node": "console.log(await logger.log(MESSAGE, {sessionId: SESSION}));",
    },
    "an error": {
        "python": "print(logger.log(ValueError('broken'), session_id=SESSION, request={'model': 'gpt-4o-mini'}))",
        "node": "console.log(await logger.log(new RangeError('broken'), {sessionId: SESSION, request: {model: 'gpt-4o-mini'}}));",
    },
    "rated": {
        "python": "import time\nid = logger.log(ANSWER, session_id=SESSION)\nlogger.flush()\nlogger.feedback(id, True)\n"
        "logger.score(id, accuracy=0.8)\nprint(id)",
        "node": "const id = await logger.log(ANSWER, {sessionId: SESSION});\nawait logger.flush();\n"
        "await logger.feedback(id, true);\nawait logger.score(id, {accuracy: 0.8});\nconsole.log(id);",
    },
    "many": {
        "python": "for _ in range(1000): logger.log(ANSWER, session_id=SESSION)\nprint('logged')\nlogger.flush(60)",
        "node": "for (let i = 0; i < 1000; i++) logger.log(ANSWER, {sessionId: SESSION});\nconsole.log('logged');",
    },
    "odd": {
        "python": "import datetime\ncircle = {}\ncircle['self'] = circle\n"
        "for odd in (None, circle, object(), float('nan'), {1: {2}}, datetime.datetime.now(), b'x', [], 3, 'text'):\n"
        "    logger.log(odd, session_id=SESSION)\nlogger.log(ANSWER, properties=7)\nprint('fine')",
        "node": "const circle = {}; circle.self = circle;\n"
        "for (const odd of [undefined, null, circle, 10n, {big: 10n}, Symbol('s'), () => 1, NaN, [], 3, 'text'])\n"
        "  await logger.log(odd, {sessionId: SESSION});\nawait logger.log(ANSWER, null);\nconsole.log('fine');",
    },
}
LANGUAGES = {"python": python, "node": node}


def program(name: str, language: str, session: str) -> str:
    return PROGRAMS[name][language].replace("SESSION", repr(session))


def logged(proxy: Proxy, folder: Path, language: str, name: str) -> tuple[str, dict[str, Any]]:
    """What the program printed, and its one row."""
    session = str(uuid.uuid4())
    done = LANGUAGES[language](folder, proxy.url, program(name, language, session))
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = wait_for(lambda: proxy.rows("session_id = $id", id=session))
    return done.stdout.strip(), row


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_log_becomes_a_row_with_everything(proxy: Proxy, folder: Path, language: str) -> None:
    printed, row = logged(proxy, folder, language, "one log")
    assert row["request_id"] == printed
    assert (row["mode"], row["provider_name"], row["operation_name"]) == ("async", "openai", "chat")
    assert (row["request_model"], row["response_model"]) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (100, 10, COST)
    assert (row["user_id"], row["properties"]) == ("user-123", {"feature": "chat", "n": "3"})
    assert row["started_at"].isoformat() == "2026-11-21T12:00:00.250000"
    assert (row["duration_ms"], row["status"]) == (1500, 200)
    assert proxy.body(printed)["response_text"] == "Hello."


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_of_anthropic_is_known_by_its_shape(proxy: Proxy, folder: Path, language: str) -> None:
    _, row = logged(proxy, folder, language, "a message")
    assert (row["provider_name"], row["path"]) == ("anthropic", "/v1/messages")
    assert row["cost_nanousd"] == 10 * 3000 + 7 * 15000


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_error_is_a_row_that_says_so(proxy: Proxy, folder: Path, language: str) -> None:
    _, row = logged(proxy, folder, language, "an error")
    assert (row["status"], row["request_model"]) == (500, "gpt-4o-mini")
    assert row["error_type"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_logged_call_can_be_rated(proxy: Proxy, folder: Path, language: str) -> None:
    printed, _ = logged(proxy, folder, language, "rated")
    sql = "select name, value from scores where request_id = $id order by name"
    told = wait_for(lambda: found if len(found := proxy.stored.ask(sql, {"id": printed})) == 2 else [])
    assert told == [{"name": "accuracy", "value": 0.8}, {"name": "helicone-score-feedback", "value": 1.0}]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_thousand_logs_at_once_all_arrive_without_blocking_the_program(
    proxy: Proxy, folder: Path, language: str
) -> None:
    session = str(uuid.uuid4())
    done = LANGUAGES[language](folder, proxy.url, program("many", language, session))
    assert (done.returncode, done.stderr) == (0, "")
    wait_for(lambda: len(proxy.rows("session_id = $id", id=session)) == 1000, 60)


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_is_logged_the_program_goes_on(proxy: Proxy, folder: Path, language: str) -> None:
    done = LANGUAGES[language](folder, proxy.url, program("odd", language, str(uuid.uuid4())))
    assert (done.returncode, done.stdout.strip()) == (0, "fine")


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_heliograph_the_program_ends_as_ever_and_is_told_once(folder: Path, language: str) -> None:
    done = LANGUAGES[language](folder, "http://127.0.0.1:9", program("one log", language, "s") * 1)
    assert done.returncode == 0
    assert uuid.UUID(done.stdout.strip())
    assert done.stderr.count("heliograph:") == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_heliograph_that_never_answers_keeps_no_program_from_ending(folder: Path, language: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=2000) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        text = program("many", language, "s").replace("flush(60)", "flush()")
        done = LANGUAGES[language](folder, url, text)
    assert done.returncode == 0
    assert done.stdout.strip() == "logged", "no log waited for an answer"


def test_what_is_on_its_way_arrives_when_a_signal_ends_the_program(proxy: Proxy, folder: Path) -> None:
    session = str(uuid.uuid4())
    done = node(
        folder,
        proxy.url,
        f"for (let i = 0; i < 50; i++) logger.log(ANSWER, {{sessionId: {session!r}}});\n"
        "process.kill(process.pid, 'SIGTERM');\nsetInterval(() => 0, 1000);",
    )
    assert done.returncode == -signal.SIGTERM
    wait_for(lambda: len(proxy.rows("session_id = $id", id=session)) == 50)


def test_the_async_snippet_of_the_seed_runs_with_its_import_changed(proxy: Proxy, folder: Path, tmp_path: Path) -> None:
    """`new HeliconeAsyncLogger({apiKey})`, `init()`, `await log(response, {userId, properties})`."""
    program = """
const response = ANSWER;
await logger.log(response, {
  userId: "user-123",
  properties: { feature: "chat", run: "RUN" },
});
"""
    run = str(uuid.uuid4())
    done = node(folder, proxy.url, program.replace("RUN", run))
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = wait_for(lambda: proxy.rows("properties['run'] = $run", run=run))
    assert (row["user_id"], row["cost_nanousd"], row["request_model"]) == ("user-123", COST, "gpt-4o-mini-2024-07-18")


def test_python_logs_from_asyncio_and_sdk_objects(proxy: Proxy, folder: Path) -> None:
    session = str(uuid.uuid4())
    program = f"""
import asyncio, sys
sys.path[:0] = {[path for path in sys.path if path.endswith("site-packages")]!r}
from openai.types.chat import ChatCompletion
answer = ChatCompletion.model_validate({{**ANSWER, "created": 1}})
asyncio.run(logger.alog(answer, session_id={session!r}))
"""
    done = python(folder, proxy.url, program)
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = wait_for(lambda: proxy.rows("session_id = $id", id=session))
    assert (row["output_tokens"], row["cost_nanousd"]) == (10, COST)
