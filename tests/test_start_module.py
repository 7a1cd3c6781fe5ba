"""Processes of ours whose starter has gone, or is told to end."""

import os
import subprocess
from pathlib import Path

import pytest

from addon.hooks.endpoint_headers import TOKEN_VARIABLE
from addon.start_module import module_command, module_environment
from addon.worker import Worker

QUESTION = b'{"id": 1, "caller": ["127.0.0.1", 1], "own": ["127.0.0.1", 2]}\n'


@pytest.mark.parametrize(
    ("module", "has_data", "asked"),
    [
        ("addon.settling.row_worker", True, b""),
        ("analysis.api.sql_workers", True, b""),
        ("analysis.serving", True, b""),
        ("addon.callers.process", False, QUESTION),
    ],
)
def test_a_process_whose_starter_has_gone_says_nothing_and_ends(
    module: str, has_data: bool, asked: bytes, tmp_path: Path
) -> None:
    arguments = ("--data", str(tmp_path)) if has_data else ()
    nobody_reads, answers = os.pipe()
    os.close(nobody_reads)
    ended = subprocess.run(
        module_command(module, *arguments),
        env=module_environment({TOKEN_VARIABLE: "x"}),
        input=asked,
        stdout=answers,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )
    os.close(answers)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_ctrl_c_at_a_terminal_is_for_the_starter_of_a_worker_alone(tmp_path: Path) -> None:
    """It reaches all processes of a group."""
    worker = Worker("addon.settling.row_worker", "--data", str(tmp_path))
    try:
        assert os.getpgid(worker.pid) != os.getpgid(0)
    finally:
        worker.close()
