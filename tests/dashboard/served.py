"""A dashboard server of a test's own, for as long as a block."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from addon.config.settings import load, secret
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from analysis.api.sql_workers import SqlWorkers
from analysis.api.state import Api
from analysis.dashboard.state import dashboard_of
from analysis.lake import Lake
from analysis.serving.alone import application
from tests.waiting import wait_for


@contextlib.contextmanager
def serving(data: Path) -> Iterator[str]:
    """Its address, without a slash at the end."""
    journal = Journal(Folders(data).journal)
    sql = SqlWorkers(data)
    api = Api(settings=load(data), secret=secret(data), lake=Lake(data), sql=sql, journal=journal)
    config = uvicorn.Config(
        application(dashboard_of(api, has_proxy=False)), log_config=None, access_log=False, lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), name="dashboard")
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            api.questions.end()
            sql.end()
            server.should_exit = True
            thread.join()
            journal.close()
