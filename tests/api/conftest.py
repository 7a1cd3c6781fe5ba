"""The API over a real socket, on a real data folder."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from addon.config.settings import load, secret
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.record import RequestRow
from analysis.api.app import make_app
from analysis.api.asking import Questions
from analysis.api.sql_workers import SqlWorkers
from analysis.api.state import Api
from analysis.lake import Lake
from tests.analysis.writing import made_up_rows, settle, to_parquet
from tests.api.served import server

__all__ = ["server"]


class Client:
    """Asks the API as a script does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=60)

    def post(self, path: str, body: object, status: int = 200) -> Any:
        """The `data` of the answer; of another status than 200 the `error`."""
        return _told(self.http.post(path, json=body), status)

    def get(self, path: str, status: int = 200) -> Any:
        return _told(self.http.get(path), status)


def _told(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert set(told) == {"data", "error"}
    assert told["data" if status >= 400 else "error"] is None
    return told["error" if status >= 400 else "data"]


@contextlib.contextmanager
def serving(
    data: Path, lake: Lake | None = None, questions: Questions | None = None, sql: SqlWorkers | None = None
) -> Iterator[Client]:
    """The app on a port of its own, for as long as the block runs."""
    journal = Journal(Folders(data).journal)
    api = Api(
        settings=load(data),
        secret=secret(data),
        lake=lake or Lake(data),
        sql=sql or SqlWorkers(data),
        journal=journal,
        questions=questions or Questions(),
    )
    journal.open()
    server = uvicorn.Server(uvicorn.Config(make_app(api), log_config=None, access_log=False, lifespan="off", ws="none"))
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            deadline = time.monotonic() + 30
            while not server.started:
                assert time.monotonic() < deadline and thread.is_alive()
                time.sleep(0.01)
            client = Client(f"http://127.0.0.1:{listener.getsockname()[1]}")
            with client.http:
                yield client
        finally:
            api.questions.end()
            api.sql.end()
            server.should_exit = True
            thread.join()
            journal.close()


@pytest.fixture(scope="session")
def rows() -> list[RequestRow]:
    """What is in `data`, in order of time."""
    return made_up_rows()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, rows: list[RequestRow]) -> Path:
    """Two days: Parquet files, and segments that are only settled."""
    data = tmp_path_factory.mktemp("data")
    to_parquet(data, rows[:150], 1)
    to_parquet(data, rows[150:250], 2)
    settle(data, rows[250:330], 3)
    settle(data, rows[330:], 4)
    return data


@pytest.fixture(scope="session")
def api(data: Path) -> Iterator[Client]:
    with serving(data) as client:
        yield client
