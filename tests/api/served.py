"""The API over a real socket, on a data folder of its own that a real settler settles."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from addon.config import settings
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from analysis.api.app import make_app
from analysis.api.sql_workers import SqlWorkers
from analysis.api.state import Api
from analysis.lake import Lake
from tests.stored_rows import Row, StoredRows
from tests.waiting import wait_for


@dataclass(frozen=True, slots=True)
class Server:
    """An API under test: where it listens, and what is recorded."""

    url: str
    data: Path
    stored: StoredRows

    def rows(self, where: str = "true", **values: object) -> list[Row]:
        """Settled rows by a condition over `$name`s."""
        return self.stored.ask(f"select * from requests where {where} order by started_at", values)

    def wait_rows(self, number: int, where: str, **values: object) -> list[Row]:
        """The rows of a condition, once there are so many."""
        return wait_for(lambda: found if len(found := self.rows(where, **values)) >= number else [])

    def row(self, request_id: str) -> Row:
        """The one row of a call, once it is settled."""
        (row,) = self.wait_rows(1, "request_id = $id", id=request_id)
        return row

    def body(self, request_id: str) -> Row:
        """What was said in a call, once it is settled."""
        self.row(request_id)
        (body,) = self.stored.ask("select * from bodies where request_id = $id", {"id": request_id})
        return body


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests: each looks for its own rows."""
    data = tmp_path_factory.mktemp("api")
    journal = Journal(Folders(data).journal)
    journal.open()
    loaded = settings.load(data)
    sql = SqlWorkers(data)
    api = Api(settings=loaded, secret=settings.secret(data), lake=Lake(data), sql=sql, journal=journal)
    listener = socket.create_server(("127.0.0.1", 0))
    uvicorn_server = uvicorn.Server(uvicorn.Config(make_app(api), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=uvicorn_server.run, args=([listener],), name="api")
    command = [sys.executable, "-m", "addon.settling.process", "--data", str(data), "--run", journal.run]
    settler = subprocess.Popen(command, stdin=subprocess.PIPE)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}", data, StoredRows(data))
    finally:
        uvicorn_server.should_exit = True
        thread.join(60)
        sql.end()
        journal.close()
        assert settler.stdin
        settler.stdin.close()
        assert settler.wait(60) == 0
        listener.close()
