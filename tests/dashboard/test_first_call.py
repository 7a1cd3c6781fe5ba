"""The page before the first call, and the made-up call that its button makes."""

import shutil
from pathlib import Path

import httpx

from addon.config.settings import load, secret
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from analysis.api.sql_workers import SqlWorkers
from analysis.api.state import Api
from analysis.dashboard.first_call import make_call
from analysis.lake import Lake
from tests.api.served import Server, server
from tests.dashboard.served import serving

__all__ = ["server"]


def test_an_empty_folder_says_how_to_make_the_first_call(tmp_path: Path) -> None:
    with serving(tmp_path) as url, httpx.Client(base_url=url, timeout=60) as http:
        text = http.get("/ui/overview").text
        assert "heliograph run -- python your_program.py" in text
        assert "/openai/v1" in text
        assert http.get("/ui/first-call/-/waiting").status_code == 204


def test_the_page_is_loaded_again_once_there_is_a_call(http: httpx.Client) -> None:
    assert http.get("/ui/first-call/-/waiting").headers["hx-refresh"] == "true"


def test_the_button_makes_a_call_without_a_price(server: Server) -> None:
    """A real settler makes its row."""
    journal = Journal(Folders(server.data).journal)
    journal.open()
    api = Api(
        settings=load(server.data),
        secret=secret(server.data),
        lake=Lake(server.data),
        sql=SqlWorkers(server.data),
        journal=journal,
    )
    make_call(api)
    journal.close()
    (row,) = server.wait_rows(1, "user_id = 'you'")
    assert (row["status"], row["response_model"], row["cost_nanousd"]) == (200, "house-model-7b", None)
    assert row["properties"] == {"made-up": "yes"}
    assert row["output_tokens"] > 0


def test_pages_say_that_the_data_folder_vanished_and_go_on_once_it_is_back(demo: Path, tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    shutil.copytree(demo, data)
    with serving(data) as url, httpx.Client(base_url=url, timeout=30) as http:
        assert "200" in http.get("/ui/requests/-/summary").text
        data.rename(elsewhere)
        text = http.get("/ui/requests").text
        assert "does not exist" in text and str(data) in text
        assert http.get("/ui/requests/-/summary").status_code == 200
        elsewhere.rename(data)
        assert "does not exist" not in http.get("/ui/requests").text
        assert "200" in http.get("/ui/requests/-/summary").text
