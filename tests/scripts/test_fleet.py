"""scripts/fleet: when its verdict is not good, and what the provider's own account says."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from addon.demo.answer import Answer
from addon.demo.openai_answers import chat_completions
from scripts.fleet import Compared, InSpark, Ledger, answered, verdict
from scripts.fleet_parts import made
from scripts.running import free_port
from scripts.soak_load import Seen
from scripts.soak_rows import Counted, counted_rows
from scripts.tcp_relay import serve
from tests.analysis.writing import made_up_rows, settle
from tests.serving import QuietHandler, serving
from tests.waiting import wait_for

SEEN = Seen(costs={"a": 5, "b": 0, "cut": None}, whole={"a"})
NO_SPARK = InSpark(missing="no Java here")
GOOD: dict[str, Any] = {"request_id": "a", "cost_nanousd": 5, "status": 200, "error_type": None}
REFUSED: dict[str, Any] = {"request_id": "b", "cost_nanousd": 0, "status": 429, "error_type": "requests"}


def test_only_calls_whose_answer_was_read_must_have_a_row() -> None:
    assert answered(SEEN) == {"a", "b"}
    assert verdict(SEEN, counted_rows([GOOD, REFUSED], SEEN), Compared(), NO_SPARK) == []
    assert verdict(Seen(), Counted(), Compared(), NO_SPARK) == ["no call was answered"]


@pytest.mark.parametrize(
    ("counted", "compared", "words"),
    [
        (Counted(missing=["a"]), Compared(), "1 answered calls without a row, e.g. a"),
        (Counted(doubled=2), Compared(), "2 rows doubled"),
        (Counted(unexpected=1), Compared(), "1 of calls that nobody made"),
        (Counted(wrong_costs=["x"]), Compared(), "1 rows with another cost, e.g. x"),
        (Counted(wrong_errors=["x"]), Compared(), "1 rows with an error of calls that were answered in whole, e.g. x"),
        (Counted(), Compared(wrong=["y"]), "1 rows differ from the provider, e.g. y"),
    ],
)
def test_what_is_not_exact_is_a_problem(counted: Counted, compared: Compared, words: str) -> None:
    (problem,) = verdict(SEEN, counted, compared, NO_SPARK)
    assert words in problem


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"request_id": "a", "cost_nanousd": 4}, "wrong_costs"),
        ({"error_type": "upstream_disconnected"}, "wrong_errors"),
        ({"status": -3}, "wrong_errors"),
    ],
)
def test_a_row_must_say_what_its_caller_saw(row: dict[str, Any], field: str) -> None:
    assert len(getattr(counted_rows([GOOD | row, REFUSED], SEEN), field)) == 1


def test_the_rows_in_spark_must_be_those_in_the_bucket() -> None:
    counted, both = counted_rows([GOOD], SEEN), InSpark(counted_rows([GOOD, REFUSED], SEEN))
    problems = verdict(SEEN, counted, Compared(), both)
    assert "1 rows in the bucket, 2 in Spark" in problems
    assert both.of(SEEN) == {
        "answered calls with their row in Spark, rows there": "2, 2",
        "cost of their rows in Spark, nano-dollars": "5",
    }
    fewer = verdict(SEEN, counted_rows([GOOD, REFUSED], SEEN), Compared(), InSpark(counted))
    assert "in Spark 1 answered calls without a row, e.g. b" in fewer
    assert NO_SPARK.of(SEEN) == {"in Spark": "not asked: no Java here"}


@pytest.mark.parametrize(("cache_status", "counts"), [("miss", 1), ("unavailable", 1), ("hit", 0), ("coalesced", 0)])
def test_a_call_that_the_cache_could_not_serve_is_in_the_account(
    tmp_path: Path, cache_status: str, counts: int
) -> None:
    row = replace(made_up_rows(1)[0], status=200, error_type=None, response_id="chatcmpl-1", cost_nanousd=7)
    settle(tmp_path, [replace(row, cache_status=cache_status)], 1)
    ledger = Ledger()
    ledger.costs["chatcmpl-1"] = 7
    compared = ledger.compared(tmp_path)
    assert (compared.rows, compared.stated_nanousd, compared.wrong) == (counts, 7 * counts, [])


@pytest.mark.parametrize("stream", [False, True])
def test_the_provider_keeps_an_account_of_whole_answers(stream: bool) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Where is it?"}], "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    ledger = Ledger()
    answer = chat_completions(body, 3)
    ledger(answer)
    (cost,) = ledger.costs.values()
    assert cost > 0
    ledger(Answer(status=500, pieces=answer.pieces))
    ledger(Answer(status=200, pieces=answer.pieces[:1] if stream else (b"{",)))
    assert list(ledger.costs.values()) == [cost]


def test_each_proxy_has_a_port_and_a_folder_of_its_own(tmp_path: Path) -> None:
    fleet = made(tmp_path, 4)
    assert len({part.command[2] for part in fleet.proxies}) == len(set(fleet.data())) == 4


def test_the_balancer_goes_on_to_a_backend_that_listens() -> None:
    class Hello(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

    port, nobody = free_port(), free_port()

    def answer() -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", port), 20) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return connection.recv(100)
        except OSError:
            return b""

    with serving(Hello) as url:
        backends = [nobody, int(url.rpartition(":")[2])]

        async def balanced() -> bytes:
            balancer = asyncio.create_task(serve(port, backends))
            first = await asyncio.to_thread(wait_for, answer)
            second = await asyncio.to_thread(answer)
            balancer.cancel()
            return first + second

        assert asyncio.run(balanced()).count(b" 204 ") == 2
