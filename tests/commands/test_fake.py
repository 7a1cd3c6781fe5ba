"""`heliograph fake`: what it answers, and what it refuses."""

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from addon.commands.fake import fake
from tests.proxy.conftest import HELIOGRAPH, environment


@contextmanager
def running(*options: str) -> Iterator[str]:
    """Its URL, until the block ends."""
    process = subprocess.Popen(
        [HELIOGRAPH, "fake", "--port", "0", *options], stderr=subprocess.PIPE, text=True, env=environment()
    )
    try:
        assert process.stderr
        first = process.stderr.readline()
        found = re.search(r"on (http://\S+)", first)
        assert found, first
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


def ask(url: str, path: str) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(url + path, json.dumps({"model": "m", "max_tokens": 9, "messages": []}).encode())
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_it_speaks_the_apis_of_both() -> None:
    with running() as url:
        assert ask(url, "/v1/chat/completions")[1]["object"] == "chat.completion"
        assert ask(url, "/v1/messages")[1]["type"] == "message"


def test_it_fails_as_it_is_told() -> None:
    with running("--answer", "status=503") as url:
        status, body = ask(url, "/v1/chat/completions")
    assert (status, "error" in body) == (503, True)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("statsu=503", "unknown setting 'statsu'; did you mean 'status'"),
        ("status=many", "'many' is not an HTTP status from 200 to 599"),
        ("status=99", "'99' is not an HTTP status"),
        ("delay=-1", "'-1' is not a number of seconds from 0 to 3600"),
        ("delay=nan", "'nan' is not a number of seconds"),
        ("cut=1.5", "'1.5' is not a whole number"),
    ],
)
def test_a_wish_that_cannot_be_read_is_wrong_usage(answer: str, says: str) -> None:
    ended = CliRunner().invoke(fake, ["--answer", answer])
    assert (ended.exit_code, says in ended.output) == (2, True), ended.output
