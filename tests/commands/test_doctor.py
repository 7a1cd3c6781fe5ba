"""The doctor on data folders and shells, good ones and bad ones."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import pytest

from addon import descriptors
from addon.commands.doctor import descriptor_findings
from addon.commands.doctor_shell import shell_findings
from analysis.health.data_folder import data_findings
from analysis.health.finding import BAD, GOOD, NOTE
from tests.analysis.writing import made_up_rows, to_parquet


def said(data: Path, subject: str) -> list[tuple[str, str]]:
    return [(each.level, each.says) for each in data_findings(data, None) if each.subject == subject]


def a_parquet_file(data: Path) -> Path:
    return to_parquet(data, made_up_rows(20), 1)[0]


def test_a_folder_that_does_not_exist_is_named_and_not_made(tmp_path: Path) -> None:
    ((level, says),) = said(tmp_path / "typo", "data")
    assert level == NOTE
    assert f"{tmp_path}/typo does not exist" in says
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ((level, says),) = said(tmp_path / "file" / "data", "data")
    assert level == BAD
    assert "cannot be made" in says


def test_a_file_in_the_place_of_the_folder_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    ((level, says),) = said(tmp_path / "data", "data")
    assert (level, "not a folder" in says) == (BAD, True)


def test_readable_files_are_counted(tmp_path: Path) -> None:
    a_parquet_file(tmp_path)
    ((level, says),) = said(tmp_path, "files")
    assert level == GOOD
    assert "readable" in says


def test_calls_of_a_clock_that_was_ahead_are_told(tmp_path: Path) -> None:
    in_two_days = datetime.now(UTC) + timedelta(days=2)
    rows = [replace(row, started_at=in_two_days) for row in made_up_rows(3)]
    a_parquet_file(tmp_path)
    assert said(tmp_path, "times") == []
    to_parquet(tmp_path, rows, 2)
    ((level, says),) = said(tmp_path, "times")
    assert level == NOTE
    assert says.startswith(f"3 calls are dated later than now, up to {in_two_days:%Y-%m-%d %H:%M} UTC")


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def cut_in_the_middle(file: Path) -> None:
    """The foot is there, and what it points to is not."""
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + whole[-60:])


def of_another_schema(file: Path) -> None:
    file.unlink()
    duckdb.execute(f"copy (select 1 as a) to '{file}' (format parquet)")


def with_another_type(file: Path) -> None:
    fresh = file.with_suffix(".fresh")
    duckdb.read_parquet(str(file), hive_partitioning=False).project(
        "* replace (12 as duration_ms, 7 as request_id)"
    ).write_parquet(str(fresh))
    fresh.rename(file)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda file: file.write_bytes(b""), "empty"),
        (lambda file: file.write_text("a,b\n1,2\n"), "not Parquet"),
        (cut_off, "cut off"),
        (cut_in_the_middle, ""),
        (of_another_schema, "has no column"),
        (with_another_type, "request_id is INTEGER, not VARCHAR"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, spoil: Callable[[Path], object], why: str
) -> None:
    file = a_parquet_file(tmp_path)
    spoil(file)
    ((level, says),) = said(tmp_path, "file")
    assert level == BAD
    assert says.startswith(f"{file}: ")
    assert why in says
    assert said(tmp_path, "files") == []


def test_a_shell_without_a_proxy_is_told_how_to_get_one() -> None:
    (found,) = shell_findings({})
    assert (found.level, "heliograph env" in found.says) == (NOTE, True)


def test_a_shell_whose_proxy_is_gone_is_told_how_to_get_out() -> None:
    (found,) = shell_findings({"HTTPS_PROXY": "http://127.0.0.1:1"})
    assert found.level == BAD
    assert "--unset" in found.says


@pytest.mark.parametrize("url", ["http://[::1", "http://host:99999", "http://:8787", "127.0.0.1:0"])
def test_a_proxy_that_is_not_a_url_is_told(url: str) -> None:
    (found,) = shell_findings({"https_proxy": url})
    assert (found.level, found.says.startswith("HTTPS_PROXY is not a URL")) == (BAD, True)


class OtherProxy(BaseHTTPRequestHandler):
    """Answers like a proxy that is not heliograph, or, at the right port, like one whose TLS nobody trusts."""

    def do_GET(self) -> None:
        self.send_response(400)
        self.end_headers()
        self.wfile.write(b"Invalid request")

    def log_message(self, *_: object) -> None:
        return


class Heliograph(OtherProxy):
    """Says that it is a heliograph, and tunnels nothing."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "ok", "calls": {}}).encode())


def answered(handler: type[BaseHTTPRequestHandler]) -> list[tuple[str, str, str]]:
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        shell = {"PATH": os.environ["PATH"], "HTTPS_PROXY": f"http://127.0.0.1:{server.server_port}"}
        return [(found.level, found.subject, found.says) for found in shell_findings(shell)]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_another_proxy_is_not_taken_for_ours() -> None:
    ((level, _, says),) = answered(OtherProxy)
    assert (level, "another proxy" in says) == (NOTE, True)


def test_programs_that_do_not_get_through_are_named() -> None:
    (shell, *programs) = answered(Heliograph)
    assert shell[:2] == (GOOD, "this shell")
    assert {subject for _, subject, _ in programs} >= {name for name in ("curl", "python3") if shutil.which(name)}
    assert {level for level, _, _ in programs} == {BAD}


def test_fewer_descriptors_than_calls_need_are_told(tmp_path: Path) -> None:
    (finding,) = descriptor_findings(tmp_path, None)
    assert f"{descriptors.reachable():,} open" in finding.says
    (tmp_path / "heliograph.toml").write_text("[overload]\nmax_calls = 1000000\n")
    (finding,) = descriptor_findings(tmp_path, None)
    assert finding.level == NOTE
    assert f"set max_calls = {descriptors.calls_at_once(descriptors.reachable())}" in finding.says


def test_the_limit_of_descriptors_is_raised_to_what_may_be_had() -> None:
    """In a process of its own, whose limit is low at first."""
    script = (
        "import resource; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))\n"
        "from addon import descriptors\n"
        "descriptors.raise_limit()\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == descriptors.reachable())"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"
