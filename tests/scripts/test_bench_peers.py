"""scripts/bench --peer: another proxy is started with our port and provider, and measured beside us."""

import http.client
import sys

import pytest

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from scripts.bench_peers import DIRECT, Measured, Row, cell, measure_row, peers_of
from scripts.running import CHAT, free_port, started

COMMAND = "Other=other --port={port} --to {upstream}/v1 'two words'"


def test_port_and_provider_are_filled_in() -> None:
    (peer,) = peers_of([COMMAND], ["Other=x-host: {upstream}", "Other=x-key: a=b"])
    assert peer.started_as(9, "http://p") == ["other", "--port=9", "--to", "http://p/v1", "two words"]
    assert (peer.name, peer.headers) == ("Other", ("x-host: {upstream}", "x-key: a=b"))


@pytest.mark.parametrize("wrong", ["Other", "Other=other --port 9", "=other {port}"])
def test_a_command_without_a_name_or_a_port_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="write NAME=COMMAND"):
        peers_of([wrong], [])


@pytest.mark.parametrize("wrong", ["x-host: a", "Nobody=x-host: a", "Other=x-host"])
def test_a_header_needs_the_name_of_a_peer(wrong: str) -> None:
    with pytest.raises(ValueError, match="write NAME=HEADER: VALUE"):
        peers_of([COMMAND], [wrong])


def test_a_row_is_the_median_of_its_rounds() -> None:
    port = free_port()
    command = [sys.executable, "-m", "addon.demo.providers", "--port", str(port), "--usual", "words=5"]
    with started(command, port) as process:
        place = Measured(DIRECT, f"http://127.0.0.1:{port}", CHAT, process.pid)
        row = Row("JSON, new connections", 1, {"connections": 2, "fresh": True})
        figures = measure_row(row, [place], rounds=1, calls=20)[DIRECT]
    assert not isinstance(figures, str)
    assert figures["rate"] > 0
    assert figures["p50_ms"] > 0
    told = {"rate": 99.6, "cpu_ms": 1.234, "p50_ms": 5.0}
    assert cell(row, told, {"p50_ms": 2.0}) == "100; 1.23"
    assert cell(Row("", 1, {}, ("p50_ms",)), told, {"p50_ms": 2.0}) == "3.0; 1.23"


def test_a_proxy_that_does_not_answer_is_left_out_and_the_reason_is_told() -> None:
    with FakeProviders() as good, FakeProviders(usual=Behaviour(status=500)) as bad:
        row = Row("JSON", 1, {"connections": 2})
        places = [Measured("good", good.url, CHAT, 1), Measured("bad", bad.url, CHAT, 1)]
        table = measure_row(row, places, rounds=1, calls=20)
        assert bad.hits <= 2
    assert isinstance(table["good"], dict)
    assert "unexpected answer" in str(table["bad"])
    assert "500" in str(table["bad"])
    assert cell(row, table["bad"], {}) == "-"


def test_a_fake_provider_answers_as_usual_where_no_header_says_how() -> None:
    with FakeProviders(usual=Behaviour(status=503)) as provider:
        client = http.client.HTTPConnection("127.0.0.1", provider.port)
        client.request("POST", CHAT, b"{}")
        assert client.getresponse().status == 503
