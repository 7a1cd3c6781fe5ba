"""The tools that ran between the calls of a session: what each answer called, and how long it took until the next call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from analysis.conversations.messages import by_ids
from analysis.lake import Connection

MOST_READ: Final = 300  # answers of one page
LONGEST_BYTES: Final = 256 * 2**10  # of an answer that is read for the names of its tools


@dataclass(frozen=True, slots=True)
class Tools:
    """`wait_ms`: from the answer's end to the start of the next call on the same path; None: there is none after it."""

    names: tuple[str, ...]
    wait_ms: int | None


def tools_between(
    connection: Connection, session_id: str, rows: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]]
) -> dict[str, Tools]:
    """By request id, for those of the shown calls whose answer calls tools. `rows`: all calls, oldest first."""
    read = [row["request_id"] for row in shown if 0 < (row["response_bytes"] or 0) <= LONGEST_BYTES][:MOST_READ]
    waits = _waits(rows)
    found: dict[str, Tools] = {}
    for call in by_ids(connection, read, session_id):
        said = call.conversation
        names = tuple(
            str(part["name"])
            for message in (said.output_messages if said else ())
            for part in message["parts"]
            if part["type"] in ("tool_call", "server_tool_call")
        )
        if names:
            found[call.request_id] = Tools(names, waits.get(call.request_id))
    return found


def _waits(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Milliseconds until the next call of the same path that began after the answer had ended."""
    waits: dict[str, int] = {}
    next_start: dict[str | None, int] = {}
    for row in reversed(rows):
        ended = row["started_ms"] + (row["duration_ms"] or 0)
        after = next_start.get(row["session_path"])
        if after is not None and after >= ended:
            waits[row["request_id"]] = after - ended
        next_start[row["session_path"]] = row["started_ms"]
    return waits
