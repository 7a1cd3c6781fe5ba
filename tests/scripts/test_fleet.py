"""scripts/fleet: when its verdict is not good, and what the provider's own account says."""

import asyncio
import socket
from pathlib import Path

import pytest

from addon.demo.answer import Answer
from addon.demo.openai_answers import chat_completions
from scripts.bench import free_port
from scripts.fleet import Compared, Ledger, answered, verdict
from scripts.fleet_parts import made
from scripts.soak import Counted
from scripts.soak_load import Seen
from scripts.tcp_relay import serve
from tests.serving import QuietHandler, serving
from tests.waiting import wait_for

SEEN = Seen(costs={"a": 5, "b": 0, "cut": None})


def test_only_calls_whose_answer_was_read_must_have_a_row() -> None:
    assert answered(SEEN) == {"a", "b"}
    assert verdict(SEEN, Counted(rows=2, missing=["cut"]), [], Compared()) == []
    assert verdict(Seen(), Counted(), [], Compared()) == ["no call was answered"]


@pytest.mark.parametrize(
    ("counted", "lost", "compared", "words"),
    [
        (Counted(), ["a"], Compared(), "1 answered calls without a row, e.g. a"),
        (Counted(doubled=2), [], Compared(), "2 rows doubled"),
        (Counted(unexpected=1), [], Compared(), "1 of calls that nobody made"),
        (Counted(wrong_costs=["x"]), [], Compared(), "1 rows with another cost, e.g. x"),
        (Counted(), [], Compared(wrong=["y"]), "1 rows differ from the provider, e.g. y"),
    ],
)
def test_what_is_not_exact_is_a_problem(counted: Counted, lost: list[str], compared: Compared, words: str) -> None:
    (problem,) = verdict(SEEN, counted, lost, compared)
    assert words in problem


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
