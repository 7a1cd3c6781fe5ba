"""`scripts/agents` installs and runs programs, which is not for every day. Here: its table is well formed, and its checks
find what is wrong."""

import re
from pathlib import Path
from typing import Any

import pytest

from scripts.agent_cases.check import problems
from scripts.agent_cases.model import PRICES, Call, Client
from scripts.agent_cases.provider import NAMES, Received
from scripts.agent_cases.run import PROGRAMS
from scripts.agents import CLIENTS

FOLDER = Path("/home/ann/checkout")


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_can_be_installed_run_and_checked(client: Client) -> None:
    assert client.packages and client.calls
    program = next((word for word in client.command if word.endswith((".py", ".mjs", ".sh"))), None)
    if client.command[0] in ("python", "node", "sh"):
        assert program and (PROGRAMS / program).is_file()
    for pattern in (client.user_agent, client.process):
        re.compile(pattern)
    for call in client.calls:
        assert call.provider in NAMES
        assert (call.paid == "none") or PRICES[call.model].cost_nanousd > 0


def test_names_are_unique_and_each_program_is_used() -> None:
    names = [client.name for client in CLIENTS]
    assert len(set(names)) == len(names)
    assert {file.name for file in PROGRAMS.iterdir() if file.is_file()} <= {
        word for client in CLIENTS for word in client.command
    }


CLIENT = Client(
    name="one",
    packages=("one",),
    registry="pypi",
    command=("python", "one.py"),
    calls=(Call(provider="openai", operation="chat", model="gpt-4o-mini", is_stream=False),),
    user_agent=r"OpenAI/Python .*",
    process=r"python one\.py",
    session=lambda call: call.headers.get("session-id"),
)
ASKED = Received("openai", "/v1/chat/completions", {"session-id": "s1"}, {})
# 20 x 0.15 + 100 x 0.075 + 7 x 0.60 USD per million
ROW: dict[str, Any] = {
    **{"request_id": "1", "provider_name": "openai", "operation_name": "chat", "request_model": "gpt-4o-mini"},
    **{"input_tokens": 120, "cache_read_input_tokens": 100, "output_tokens": 7, "reasoning_output_tokens": 2},
    **{"usage_source": "provider", "usage_quality": None, "cost_nanousd": 14_700, "list_cost_nanousd": None},
    **{"status": 200, "error_type": None, "is_stream": False, "attempts": 1, "mode": "forward"},
    **{"client": "OpenAI/Python 3.52.0", "client_command": "python one.py", "client_cwd": str(FOLDER)},
    **{"client_repository": "shop", "properties": {"project": "checkout"}, "session_id": "s1", "session_path": None},
    **{"finish_reasons": ["stop"], "response_id": "chatcmpl-1", "response_model": "gpt-4o-mini", "duration_ms": 3},
    **{"request_bytes": 90, "response_bytes": 400, "time_to_first_token_ms": None, "path": "/v1/chat/completions"},
}


def test_a_right_row_has_no_problems() -> None:
    assert problems(CLIENT, [ROW], [ASKED], FOLDER) == []


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"cost_nanousd": None}, "cost_nanousd: expected 14700, came None"),
        ({"cost_nanousd": 14_701}, "cost_nanousd: expected 14700, came 14701"),
        ({"output_tokens": 0}, "output_tokens: expected 7, came 0"),
        ({"session_id": None}, "session_id: expected ['s1'], came [None]"),
        ({"session_path": "/sub"}, "session_path: expected [None], came ['/sub']"),
        ({"client_command": "MainThread"}, "client_command: expected a match of"),
        ({"status": -3}, "status: expected 200, came -3"),
        ({"finish_reasons": []}, "finish_reasons: expected at least one"),
        ({"response_model": None}, "response_model: expected a value"),
    ],
)
def test_a_wrong_column_is_named_with_what_came(changed: dict[str, Any], problem: str) -> None:
    (found,) = problems(CLIENT, [ROW | changed], [ASKED], FOLDER)
    assert problem in found


def test_missing_and_doubled_rows_are_told() -> None:
    assert "rows, one a call: expected 1, came 0" in problems(CLIENT, [], [ASKED], FOLDER)[0]
    doubled = problems(CLIENT, [ROW, ROW], [ASKED], FOLDER)
    assert "rows, one a call: expected 1, came 2" in doubled[0] and "one request_id" in doubled[1]
    assert "calls at the providers: expected 1, came 2" in problems(CLIENT, [ROW], [ASKED, ASKED], FOLDER)[0]
