"""A conversation as a training example, before it takes the form of a provider. Pure.

Reasoning is left out: providers send it hidden, signed or in summary, and none of the forms has a place for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from addon.conversations.model import Conversation, Message, Part, dumped
from addon.providers.model import Json
from analysis.conversations.blocks import readable
from analysis.exports.fine_tuning.tool_schemas import Tool

# Words for an answer that is whole: OpenAI, Anthropic and Bedrock, Gemini, Cohere, OpenAI's responses, Hugging Face.
COMPLETE: Final = frozenset(
    {
        *("stop", "tool_calls", "function_call"),
        *("end_turn", "tool_use", "stop_sequence"),
        *("complete", "tool_call"),
        *("completed", "eos", "eos_token"),
    }
)
_LEFT_OUT: Final = ("reasoning", "compaction")


class LeftOut(Exception):
    """The call is not an example. The message is the reason, for a person, the same for all calls of its kind."""


@dataclass(frozen=True, slots=True)
class Image:
    """`url`: http(s), or a data: URL."""

    url: str
    mime_type: str | None  # of a data: URL


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool. `arguments`: JSON; text where the model's JSON was broken."""

    id: str
    name: str
    arguments: Json


def arguments_text(call: Call) -> str:
    """As JSON text. Raises LeftOut."""
    if isinstance(call.arguments, str):
        raise LeftOut("a tool call whose arguments are not JSON")
    return dumped(call.arguments).decode()


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool gave, as text."""

    id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said at a time. `role`: user, assistant or tool. A tool's turn has results alone."""

    role: str
    content: tuple[str | Image, ...] = ()
    calls: tuple[Call, ...] = ()
    results: tuple[Result, ...] = ()

    @property
    def text(self) -> str:
        return "\n\n".join(part for part in self.content if isinstance(part, str))

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(part for part in self.content if isinstance(part, Image))


@dataclass(frozen=True, slots=True)
class Example:
    """It begins with a user's turn, ends with an assistant's, and no two turns of one role follow each other."""

    system: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    parallel_tool_calls: bool | None = None  # as the request said

    @property
    def images(self) -> int:
        return sum(len(turn.images) for turn in self.turns)


def example_of(conversation: Conversation, tools: Sequence[Tool] = (), parallel: bool | None = None) -> Example:
    """Of several answers (`n`) the first. Raises LeftOut."""
    if not conversation.output_messages:
        raise LeftOut("no answer in the stored body")
    answer = conversation.output_messages[0]
    if str(answer.get("finish_reason") or "").lower() not in COMPLETE:
        raise LeftOut("the answer is not complete (its finish reason is not stop, tool_calls or the like)")
    system = [_text(part) for part in conversation.system_instructions]
    messages = list(conversation.input_messages)
    while messages and messages[0]["role"] in ("system", "developer"):
        system += [_text(part) for part in messages.pop(0)["parts"]]
    turns = list(_joined([*_turns(messages), *_turns([answer])]))
    if not turns or turns[0].role != "user":
        raise LeftOut("the conversation does not begin with a user's message")
    if not (turns[-1].text.strip() or turns[-1].calls) or turns[-1].role != "assistant":
        raise LeftOut("the answer has neither words nor a tool call")
    return Example("\n\n".join(filter(None, system)), tuple(_with_ids(turns)), tuple(tools), parallel)


def _turns(messages: Sequence[Message]) -> Iterator[Turn]:
    for message in messages:
        role, parts = message["role"], message["parts"]
        if role not in ("user", "assistant", "tool"):
            raise LeftOut(f"a {role} message in the middle of the conversation")
        results = tuple(_result(part) for part in parts if part["type"] == "tool_call_response")
        if results:  # Anthropic's results may stand beside words of the user
            yield Turn("tool", results=results)
        content = tuple(said for part in parts for said in _content(part))
        calls = tuple(_call(part) for part in parts if part["type"] == "tool_call")
        if content or calls:
            yield Turn("user" if role == "tool" else role, content, calls)


def _joined(turns: Sequence[Turn]) -> Iterator[Turn]:
    """Messages of one role in a row are one turn: Anthropic's API joins them itself, ShareGPT's readers refuse them."""
    before: Turn | None = None
    for turn in turns:
        if before and before.role == turn.role:
            before = Turn(
                turn.role, before.content + turn.content, before.calls + turn.calls, before.results + turn.results
            )
            continue
        if before:
            yield before
        before = turn
    if before:
        yield before


def _content(part: Part) -> Iterator[str | Image]:
    kind = part["type"]
    if kind == "text":
        if part["content"]:
            yield str(part["content"])
    elif kind == "refusal":
        raise LeftOut("the model refused")
    elif part.get("modality") == "image" and kind == "blob":
        mime_type = str(part.get("mime_type") or "image/png")
        yield Image(f"data:{mime_type};base64,{part['content']}", mime_type)
    elif part.get("modality") == "image" and kind == "uri":
        yield Image(str(part["uri"]), None)
    elif kind not in ("tool_call", "tool_call_response", *_LEFT_OUT):
        raise LeftOut(_why_not(part))


def _why_not(part: Part) -> str:
    kind = str(part["type"])
    if kind.startswith("server_tool_call"):
        return "a tool that the provider ran (search, code, MCP)"
    if kind == "unreadable_body":
        return "a body that cannot be read"
    return f"a {part.get('modality') or kind} in the conversation"


def _text(part: Part) -> str:
    if part["type"] != "text":
        raise LeftOut(f"a system message with {_why_not(part).removesuffix(' in the conversation')}")
    return str(part["content"])


def _call(part: Part) -> Call:
    arguments = part.get("arguments")
    return Call(str(part.get("id") or ""), str(part["name"]), {} if arguments in (None, "") else arguments)


def _result(part: Part) -> Result:
    return Result(str(part.get("id") or ""), str(part.get("name") or ""), _result_text(part["response"]))


def _result_text(response: Json) -> str:
    if isinstance(response, list) and any(isinstance(one, Mapping) and one.get("modality") for one in response):
        raise LeftOut("an image or a file in a tool's result")
    return readable(response)


def _with_ids(turns: Sequence[Turn]) -> Iterator[Turn]:
    """Every call has an id, and every result that of its call: Gemini and Ollama state none, their results come in the order
    of the calls. Raises LeftOut where one is without the other: the next request would be refused."""
    open_calls: list[Call] = []
    number = 0
    for turn in turns:
        if open_calls and turn.role != "tool":
            raise LeftOut("a tool call without its result")
        calls = []
        for call in turn.calls:
            number += 1
            calls.append(call if call.id else Call(f"call_{number}", call.name, call.arguments))
        results = [_answering(result, open_calls) for result in turn.results]
        open_calls += calls
        yield Turn(turn.role, turn.content, tuple(calls), tuple(results))


def _answering(result: Result, open_calls: list[Call]) -> Result:
    found = next((call for call in open_calls if result.id and call.id == result.id), None)
    found = found or next((call for call in open_calls if not result.id and result.name in ("", call.name)), None)
    if found is None:
        raise LeftOut("a tool's result without its call")
    open_calls.remove(found)
    return Result(found.id, found.name, result.text)
