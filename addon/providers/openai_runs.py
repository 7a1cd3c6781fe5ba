"""Runs of OpenAI's Assistants API, at OpenAI and at Azure. https://platform.openai.com/docs/api-reference/runs

A run works in the background: the answer that finds it at its end states what it used. A stream has that run among its last
events. openai 3.54: types/beta/threads/run.py, types/beta/assistant_stream_event.py
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import openai_usage
from addon.providers.fields import at, error_type, items, json_of, stream_failure, string
from addon.providers.model import Event, Json, Operation, Reading
from addon.providers.openai_shaped import DONE
from addon.providers.polled import found_done, under_way

# The last three: of Azure's agents, whose other tools search the web, or are agents that no usage here counts.
# azure-ai-agents 1.1, models/_models.py
_WITHOUT_FEE: Final = frozenset({"function", "file_search", "mcp", "openapi", "azure_ai_search", "azure_function"})
_FEES: Final = {"code_interpreter": "container_sessions", "bing_grounding": "web_searches"}
ENDED: Final = frozenset({"completed", "failed", "cancelled", "expired", "incomplete"})


def read_run(run: Json) -> Reading:
    """One that has not ended is only looked at."""
    raw, status = at(run, "usage"), string(at(run, "status"))
    name = string(at(run, "id"))
    reason = string(at(run, "incomplete_details", "reason")) or status
    kinds = (string(at(tool, "type")) or "unnamed" for tool in items(at(run, "tools")))
    is_over = status in ENDED
    reading = Reading(
        response_model=string(at(run, "model")),
        response_id=name,
        finish_reasons=(reason,) if is_over and reason else (),
        usage=openai_usage.usage(raw),
        usage_raw=raw,
        # Whether a tool with a fee was used the run's steps tell. Code has one by its session.
        units={_FEES.get(kind, kind): None for kind in kinds if kind not in _WITHOUT_FEE} if raw else {},
        error_type=error_type(run) or string(at(run, "last_error", "code")),
    )
    if raw is None and status is not None:
        return under_way(reading)
    return found_done(reading, f"run {name}") if raw and name else reading


def read_stream(events: Iterable[Event]) -> Reading:
    """`event: thread.run.completed`, with the run; its words in `thread.message.delta`."""
    seen = [json_of(event) for event in events]
    run, said = run_of(seen)
    reading = read_run(run)
    reading = replace(reading, text=said or None, error_type=reading.error_type or stream_failure(seen))
    return under_way(reading) if reading.goes_on else reading


def run_of(seen: Iterable[Json]) -> tuple[Json, str]:
    """The last state of the run that a stream tells, and the words of its messages."""
    run: Json = None
    said: list[str] = []
    for data in seen:
        if at(data, "object") == "thread.run":
            run = data
        said += (string(at(part, "text", "value")) or "" for part in items(at(data, "delta", "content")))
    return run, "".join(said)


def operations(base: str) -> tuple[Operation, ...]:
    """`base`: a regular expression such as `/v1`."""
    run = f"{base}/threads/[^/]+/runs/[^/]+"
    started = Operation(
        name="assistant_run",
        path=f"{base}/threads/(?:[^/]+/)?runs/?",
        terminal=DONE,
        read_json=read_run,
        read_stream=read_stream,
        source="https://platform.openai.com/docs/api-reference/runs",
    )
    return (
        started,
        replace(started, path=f"{run}/submit_tool_outputs/?"),
        replace(started, path=f"{run}/?", method="GET", terminal=None, read_stream=None),
    )
