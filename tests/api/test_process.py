"""The API as the proxy starts it: a child process on a lifeline that only the proxy may talk to."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from addon.hooks import endpoint_headers
from addon.storage.folders import Folders
from analysis.serving.serve import MOST_RESIDENT_BYTES
from tests.processes import cpu_s
from tests.waiting import wait_for

TOKEN = "s3cret-of-this-run"


def start(data: Path, *options: str, token: str | None = TOKEN) -> subprocess.Popen[bytes]:
    environ = {name: value for name, value in os.environ.items() if name != endpoint_headers.TOKEN_VARIABLE}
    if token is not None:
        environ[endpoint_headers.TOKEN_VARIABLE] = token
    return subprocess.Popen(
        [sys.executable, "-m", "analysis.serving", "--data", str(data), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
    )


@contextmanager
def started(data: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process and its URL. It is gone after the block."""
    process = start(data, *options)
    try:
        assert process.stdout
        line = process.stdout.readline()
        yield process, f"http://127.0.0.1:{json.loads(line)['port']}"
    finally:
        process.kill()
        process.communicate()


def hang_up(process: subprocess.Popen[bytes]) -> None:
    """Ends the process's standard input, as the death of the proxy does."""
    assert process.stdin
    process.stdin.close()
    process.stdin = None  # so that `communicate` leaves it alone


def ended(process: subprocess.Popen[bytes]) -> str:
    """What it said on stderr; it must end by itself and well."""
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    return said.decode()


def can_be_locked(segment: Path) -> bool:
    with segment.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_it_answers_callers_that_have_the_token(data: Path) -> None:
    with started(data) as (process, url):
        count = f"{url}/v1/request/count/query"
        answer = httpx.post(count, json={}, headers={endpoint_headers.TOKEN: TOKEN}, timeout=60)
        assert (answer.status_code, answer.json()["data"]) == (200, 400)
        for headers in (
            {},
            {endpoint_headers.TOKEN: ""},
            {endpoint_headers.TOKEN: TOKEN[:-1]},
            {endpoint_headers.TOKEN: TOKEN + "x"},
        ):
            refused = httpx.post(count, json={}, headers=headers, timeout=60)
            assert refused.status_code == 401
            assert refused.json()["data"] is None and refused.json()["error"]
        assert httpx.get(f"{url}/openapi.json", timeout=60).status_code == 401
        hang_up(process)
        assert ended(process) == ""


def test_it_ends_with_the_proxy_and_leaves_its_run_to_the_settler(tmp_path: Path) -> None:
    with started(tmp_path) as (process, _):
        (segment,) = Folders(tmp_path).journal.glob("*.jsonl")
        assert not can_be_locked(segment)  # alive, to a settler
        assert process.poll() is None
        hang_up(process)
        assert ended(process) == ""
        assert can_be_locked(segment)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
def test_it_ends_by_sigterm_whatever_runs(data: Path) -> None:
    endless = {"sql": "select count(*) from range(100000000000) t(i) where i % 7 = 3"}
    with started(data) as (process, url):
        answers: list[int] = []

        def ask() -> None:
            headers = {endpoint_headers.TOKEN: TOKEN}
            path = f"{url}/v1/helicone-sql/execute"
            answers.append(httpx.post(path, json=endless, headers=headers, timeout=60).status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        idle_s = cpu_s(process.pid)
        wait_for(lambda: cpu_s(process.pid) > idle_s + 0.5)  # the question runs
        process.send_signal(signal.SIGTERM)
        assert ended(process) == ""
        asking.join()
        assert answers == [503]


def test_ctrl_c_in_the_terminal_is_the_proxys(data: Path) -> None:
    with started(data) as (process, url):
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        answer = httpx.get(f"{url}/v1/session/has-session", headers={endpoint_headers.TOKEN: TOKEN}, timeout=60)
        assert answer.json() == {"data": True, "error": None}


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_it_does_not_start(tmp_path: Path, token: str | None) -> None:
    process = start(tmp_path, token=token)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, endpoint_headers.TOKEN_VARIABLE in said.decode()) == (2, True)
    assert not list(tmp_path.iterdir())


def test_a_config_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("[timeouts]\nidle_s = -1\n")
    process = start(tmp_path, "--config", str(config))
    _, said = process.communicate(timeout=30)
    assert (process.returncode, "timeouts.idle_s" in said.decode()) == (2, True)


def most_resident_bytes(pid: int) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_its_memory_has_a_bound_whatever_is_asked(data: Path) -> None:
    """Values that DuckDB does not count towards its own limit, several at once, and a small question after them."""
    headers = {endpoint_headers.TOKEN: TOKEN}
    huge = [
        "select list_aggregate(range(1000000000), 'sum')",
        "select range(100000000) as a",
        "select repeat('x', 1000000) || i::varchar from range(5000) t(i)",
    ]
    with started(data) as (process, url):
        answers: list[httpx.Response] = []

        def ask(sql: str) -> None:
            path = f"{url}/v1/helicone-sql/execute"
            answers.append(httpx.post(path, json={"sql": sql}, headers=headers, timeout=60))

        threads = [threading.Thread(target=ask, args=[sql]) for sql in huge]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told = [(answer.status_code, "memory" in answer.text) for answer in answers]
        assert told == [(422, True)] * len(huge), [answer.text for answer in answers]
        ask("select 1 as a")
        assert answers[-1].json()["data"]["rows"] == [{"a": 1}]
        assert most_resident_bytes(process.pid) < MOST_RESIDENT_BYTES


def test_offline_it_tells_nobody(data: Path, tmp_path: Path) -> None:
    """A webhook without its secret ends the process, unless there is nothing to tell."""
    settings = tmp_path / "heliograph.toml"
    settings.write_text('[[webhooks]]\nurl = "http://127.0.0.1:9/"\nsecret = "$NOT_SET"\n')
    refused = start(data, "--config", str(settings))
    assert b"NOT_SET" in refused.communicate(timeout=30)[1]
    with started(data, "--config", str(settings), "--offline") as (_, url):
        count = f"{url}/v1/request/count/query"
        assert httpx.post(count, json={}, headers={endpoint_headers.TOKEN: TOKEN}, timeout=60).status_code == 200


def test_it_starts_without_arrow() -> None:
    """Only a download as Parquet needs it: 38 MB, and numpy with it."""
    program = (
        "import sys, analysis.serving.serve; print([name for name in ('pyarrow', 'numpy') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "[]\n"
