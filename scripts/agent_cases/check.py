"""Compares the rows of a run with what the client's calls must have left. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from scripts.agent_cases.answers import INPUT_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS
from scripts.agent_cases.model import PRICES, Call, Client
from scripts.agent_cases.provider import Received

type Row = dict[str, Any]

REPOSITORY: Final = "shop"  # what the client's folder is a checkout of
# Reasoning is stated by the APIs that state cached tokens, but for Anthropic's.
_STATES_REASONING: Final = ("openai", "gemini")


def problems(client: Client, rows: Sequence[Row], received: Sequence[Received], folder: Path) -> list[str]:
    """Every difference, as `WHAT: expected X, came Y`. `received` has the calls that the providers answered.

    Calls that a client makes at the same time come in any order, so rows and calls are matched by what they are.
    """
    found = list(_counted(client, rows, received))
    if not found:
        for row, call in _matched(client, rows):
            told = f"{call.provider} {call.operation} {call.model}{', stream' if call.is_stream else ''}"
            found += [f"{told}: {problem}" for problem in _wrong(client, row, call, folder)]
        found += [*_sessions(client, rows, received), *_sub_agents(client, rows, received)]
    return found


def _matched(client: Client, rows: Sequence[Row]) -> Iterator[tuple[Row, Call]]:
    ordered = sorted(rows, key=lambda row: [str(row[name]) for name in _IDENTITY])
    calls = sorted(client.calls, key=lambda call: [call.provider, call.operation, call.model, str(call.is_stream)])
    return zip(ordered, calls, strict=True)


_IDENTITY: Final = ("provider_name", "operation_name", "request_model", "is_stream")


def _counted(client: Client, rows: Sequence[Row], received: Sequence[Received]) -> Iterator[str]:
    if len(received) != len(client.calls):
        came = Counter(f"{call.provider} {call.path}" for call in received)
        yield _difference("calls at the providers", len(client.calls), f"{len(received)}: {dict(came)}")
    if len(rows) != len(received):
        came = Counter(f"{row['provider_name']} {row['path']}" for row in rows)
        yield _difference("rows, one a call", len(received), f"{len(rows)}: {dict(came)}")
    if len({row["request_id"] for row in rows}) != len(rows):
        yield "two rows have one request_id"


def _wrong(client: Client, row: Row, call: Call, folder: Path) -> Iterator[str]:
    for column, expected in _columns(call, folder).items():
        if row[column] != expected:
            yield _difference(column, expected, row[column])
    for column, pattern in (("client", client.user_agent), ("client_command", client.process)):
        if not re.fullmatch(pattern, row[column] or ""):
            yield _difference(column, f"a match of {pattern!r}", row[column])
    if call.has_usage and not row["finish_reasons"]:
        yield _difference("finish_reasons", "at least one", row["finish_reasons"])
    for column in ("response_id", "response_model", "duration_ms", "request_bytes", "response_bytes"):
        if row[column] is None and not (column.startswith("response_") and call.provider in _SAYS_LITTLE):
            yield _difference(column, "a value", None)
    if call.is_stream and call.has_usage and row["time_to_first_token_ms"] is None:
        yield _difference("time_to_first_token_ms", "a value", None)


# Bedrock's Converse and Ollama name neither themselves nor their answers; Cohere names no model.
_SAYS_LITTLE: Final = ("bedrock", "cohere", "ollama")


def _columns(call: Call, folder: Path) -> dict[str, object]:
    by_tokens = PRICES[call.model].cost_nanousd if call.paid != "none" else None
    stated = call.has_usage
    reasoning = REASONING_TOKENS if stated and call.provider in _STATES_REASONING else None
    return {
        "provider_name": call.provider,
        "operation_name": call.operation,
        "request_model": call.model,
        "input_tokens": INPUT_TOKENS if stated else None,
        "cache_read_input_tokens": call.cached_tokens,
        "output_tokens": OUTPUT_TOKENS if stated else None,
        "reasoning_output_tokens": reasoning,
        "usage_source": "provider" if stated else None,
        "usage_quality": None,
        "cost_nanousd": by_tokens if call.paid == "tokens" else None,
        "list_cost_nanousd": by_tokens if call.paid == "plan" else None,
        "status": call.status,
        "error_type": None,
        "is_stream": call.is_stream,
        "attempts": 1,
        "mode": "forward",
        "client_cwd": str(folder),
        "client_repository": REPOSITORY,
        "properties": {"project": folder.name},
    }


def _sessions(client: Client, rows: Sequence[Row], received: Sequence[Received]) -> Iterator[str]:
    stated = [client.session(call) if client.session else None for call in received]
    if client.session and None in stated:
        yield _difference("session in the client's calls", "one in each", stated)
    came = [row["session_id"] for row in rows]
    if Counter(came) != Counter(stated):
        yield _difference("session_id", stated, came)


def _sub_agents(client: Client, rows: Sequence[Row], received: Sequence[Received]) -> Iterator[str]:
    stated = [client.sub_agent(call) if client.sub_agent else None for call in received]
    if client.sub_agent and not any(stated):
        yield _difference("sub-agent in the client's calls", "at least one", stated)
    came = [row["session_path"] for row in rows]
    if Counter(came) != Counter(f"/{name}" if name else None for name in stated):
        yield _difference("session_path", stated, came)


def _difference(what: str, expected: object, came: object) -> str:
    return f"{what}: expected {expected}, came {came}"
