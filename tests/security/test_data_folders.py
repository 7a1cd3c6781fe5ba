"""Readers refuse a data folder that others can write to, as the proxy does, and nothing odd in a folder hangs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from addon.storage.folders import NotOurs
from analysis.lake import Lake
from tests.analysis.writing import made_up_rows, settle, to_parquet
from tests.api.conftest import serving
from tests.proxy.conftest import HELIOGRAPH, environment

READERS = [
    ["report"],
    ["sql", "select count(*) from requests"],
    ["explain", "01a1fc4a-9fe6-7f76-966e-0ee58dcd5c44"],
    ["doctor", "--listen", "127.0.0.1:1"],
    ["feedback", "01a1fc4a-9fe6-7f76-966e-0ee58dcd5c44", "up"],
]
# Every kind of place in a data folder.
PLACES = [
    *(
        "heliograph.toml",
        "secret",
        "cache.sqlite",
        "limits.sqlite",
        "charged.sqlite",
        "chains.sqlite",
        "settle.lock",
        "anything",
    ),
    *("heliograph-ca-bundle.pem", "ca/mitmproxy-ca-cert.pem", "journal", "lake", "settled"),
    *("lake/requests", "lake/requests/date=2026-11-19/x.parquet", "lake/requests/date=2026-11-19/c-x.replaces"),
    *("lake/requests/x", "settled/requests", "settled/requests/x.jsonl", "settled/x"),
    *("journal/20261121T000000-0123456789abcdef-000001.jsonl", "journal/20261121T000000-0123456789abcdef-000001.done"),
]


def told(data: Path, *arguments: str) -> tuple[int, str, str]:
    """Status, stdout and stderr; a command that hangs fails the test."""
    done = subprocess.run(
        [HELIOGRAPH, *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def make_data(data: Path) -> Path:
    rows = made_up_rows()[:20]
    to_parquet(data, rows[:10], 1)
    settle(data, rows[10:], 2)
    return data


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader[0])
def test_every_reader_refuses_a_folder_that_others_can_write(tmp_path: Path, reader: list[str]) -> None:
    make_data(tmp_path)
    (tmp_path / "lake" / "requests").chmod(0o777)
    status, out, err = told(tmp_path, *reader)
    assert status == 1
    assert "lake/requests: other users can write to it; take that away with chmod" in out + err
    assert "gpt" not in out  # nothing of it was read


def test_tail_refuses_it_too(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    status, _, err = told(tmp_path, "tail")
    assert status == 1
    assert "chmod -R go-w" in err


def test_the_api_refuses_it_and_names_no_path(tmp_path: Path) -> None:
    make_data(tmp_path)
    with serving(tmp_path) as api:
        assert api.post("/v1/request/count/query", {}) == 20
        tmp_path.chmod(0o777)
        answers = [
            api.post("/v1/request/count/query", {}, 503),
            api.post("/v1/helicone-sql/execute", {"sql": "from requests"}, 503),
        ]
        tmp_path.chmod(0o700)
        assert api.post("/v1/request/count/query", {}) == 20
    assert all("other users" in answer and str(tmp_path) not in answer for answer in answers)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_not_read(tmp_path: Path) -> None:
    make_data(tmp_path)
    os.chown(tmp_path / "settled", 12345, -1)
    with pytest.raises(NotOurs, match="belongs to another user"):
        Lake(tmp_path).is_empty()


def test_a_fifo_hangs_no_question(tmp_path: Path) -> None:
    """All are asked in one process, since each command takes a second to start; it says where it is."""
    for number, place in enumerate(PLACES):
        data = make_data(tmp_path / str(number))
        fifo = data / place
        fifo.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if fifo.exists():
            fifo.rename(data / ".away")
        os.mkfifo(fifo)
    script = """
import sys
from click.testing import CliRunner
from addon.commands.cli import main
for data in sys.argv[1:]:
    for reader in (["report"], ["sql", "select count(*) from requests"], ["doctor", "--listen", "127.0.0.1:1"]):
        print(data, reader[0], file=sys.stderr, flush=True)
        done = CliRunner().invoke(main, [*reader, "--data", data])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
"""
    folders = [str(tmp_path / str(number)) for number in range(len(PLACES))]
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, *folders], capture_output=True, env=environment(), timeout=300, check=False
        )
    except subprocess.TimeoutExpired as hung:
        last = Path((hung.stderr or b"").decode().splitlines()[-1].partition(" ")[0]).name
        pytest.fail(f"a fifo as {PLACES[int(last)]}: a question hangs")
    assert done.returncode == 0, done.stderr.decode()
