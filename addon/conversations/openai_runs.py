"""Runs of OpenAI's Assistants API: what the request brings to the thread, and the words of the stream.

openai 3.54: types/beta/thread_create_and_run_params.py, types/beta/threads/run_create_params.py
"""

from collections.abc import Iterable
from typing import Final

from addon.conversations.model import Dialect, Message, Prompt
from addon.conversations.openai_chat import content_parts, tool_definitions
from addon.conversations.parts import answer, message, texts, tool_call, tool_result
from addon.providers.fields import at, items, parse
from addon.providers.model import Event, Json
from addon.providers.openai_runs import ENDED, run_of


def prompt(request: Json) -> Prompt:
    """The thread's earlier messages are in no request."""
    told = [*items(at(request, "thread", "messages")), *items(at(request, "additional_messages"))]
    found = [message(at(one, "role"), content_parts(at(one, "content"))) for one in told]
    results = [tool_result(at(one, "tool_call_id"), at(one, "output")) for one in items(at(request, "tool_outputs"))]
    said = [*texts(at(request, "instructions")), *texts(at(request, "additional_instructions"))]
    return Prompt(
        messages=tuple([*found, *([message("tool", results)] if results else [])]),
        system_instructions=tuple(said),
        tool_definitions=tool_definitions(request),
    )


def read_answer(body: Json) -> list[Message]:
    """A run waits for the results of its calls, where it has any."""
    calls = [
        tool_call(at(one, "id"), at(one, "function", "name"), at(one, "function", "arguments"))
        for one in items(at(body, "required_action", "submit_tool_outputs", "tool_calls"))
    ]
    status = at(body, "status")
    said = [*texts(at(body, "text")), *calls]
    return answer(said, status if status in ENDED and said else None)


def assemble(events: Iterable[Event]) -> Json:
    """The last state of the run, with the words of its messages."""
    run, said = run_of(parse(event.data) for event in events)
    return {**(run or {}), "text": said}


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
