"""APIs that take a prompt and give text: OpenAI's completions, and the own shapes of many models and servers.

OpenAI and vLLM (`choices[].text`), Anthropic's complete, Cohere's generate, Titan, Llama, Mistral, Jurassic and Pegasus on
Bedrock, TGI, SGLang, llama.cpp, DeepInfra and Cloudflare. Sources: those of their readers in addon/providers
(openai_shaped.py, bedrock_invoke.py, local_servers.py, deepinfra.py, cloudflare.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from addon.conversations import openai_chat
from addon.conversations.model import Dialect, Message, Prompt
from addon.conversations.parts import answer, blob, listed, message, text, texts
from addon.providers.fields import at, count, items, parse, string
from addon.providers.model import Event, Json

# What was asked, by API; the first that is there counts.
_PROMPTS: Final = (
    "prompt",
    "inputText",
    "inputPrompt",
    "input",
    "inputs",
    "text",
    "message",
    "input_prefix",
    "text_input",
    "instances",
)
# Where an answer says its words, by itself or in one of its results.
_WORDS: Final = (
    *("text", "generated_text", "outputText", "generation", "completion", "response", "content", "answer"),
    *("suggestion", "value"),  # of Writer
    *("text_output", "token"),  # of Triton, and of KoboldCpp's stream
)
_RESULTS: Final = ("choices", "results", "outputs", "generations", "completions", "responses", "predictions")
_REASONS: Final = ("finish_reason", "stop_reason", "completionReason", "finishReason", "stop_type")


def prompt(request: Json) -> Prompt:
    """Several prompts are parts of one message."""
    if at(request, "messages") is not None:
        return openai_chat.prompt(request)
    given = next((found for name in _PROMPTS if (found := at(request, name))), None)
    said = [part for one in listed(given) for part in texts(one)]
    after = string(at(request, "suffix")) or string(at(request, "input_suffix"))  # what comes after the gap to fill
    said += [text(after, suffix=True)] if after else []
    image = at(request, "mediaSource", "base64String")
    said += [blob("video", None, image)] if isinstance(image, str) else []
    return Prompt(
        messages=(message("user", said),) if said else (), system_instructions=tuple(texts(at(request, "system")))
    )


def read_answer(body: Json) -> list[Message]:
    inner = at(body, "result") if isinstance(at(body, "result"), dict) else body
    results = next((found for name in _RESULTS if (found := items(at(inner, name)))), None) or listed(inner)
    return [said for result in results for said in _result(result)]


def assemble(events: Iterable[Event]) -> Json:
    """Pieces, by their index."""
    chunks = list(chain.from_iterable(listed(parse(event.data)) for event in events))
    if any(at(chunk, "choices", 0, "delta") is not None for chunk in chunks):
        return openai_chat.gathered(chunks)
    said: dict[int, _Text] = {}
    for chunk in chunks:
        for result in next((found for name in _RESULTS if (found := items(at(chunk, name)))), None) or [chunk]:
            said.setdefault(_index(result), _Text()).add(result)
    return {"choices": [said[index].whole() for index in sorted(said)]}


def _index(result: Json) -> int:
    """Of the prompt or choice; TGI numbers the tokens instead."""
    return 0 if at(result, "token") is not None else count(at(result, "index")) or 0


@dataclass(slots=True)
class _Text:
    """One text of a stream."""

    pieces: list[str] = field(default_factory=list)
    whole_text: str | None = None  # said once more in the last piece
    finish_reason: str | None = None

    def add(self, result: Json) -> None:
        self.finish_reason = _reason(result) or self.finish_reason
        token = at(result, "token", "text")
        if isinstance(token, str):
            self.pieces.append(token)
            self.whole_text = string(at(result, "generated_text")) or self.whole_text
        elif at(result, "event_type") == "stream-end":  # of Cohere
            self.whole_text = string(at(result, "response", "text")) or self.whole_text
        elif at(result, "meta_info") is not None:  # SGLang: all words so far
            self.whole_text = _words(result) or self.whole_text
        elif words := string(at(result, "message", "content")):  # Reka: all words so far
            self.whole_text = words
        elif words := _words(result) or string(at(result, "delta", "content")):
            self.pieces.append(words)

    def whole(self) -> Json:
        words = "".join(self.pieces) if self.whole_text is None else self.whole_text
        return {"text": words, "finish_reason": self.finish_reason}


def _result(result: Json) -> list[Message]:
    """Words, or the message of a chat completion that a completion's path answered with."""
    if at(result, "message", "content") is not None:
        return openai_chat.read_answer({"choices": [result]})
    calls = openai_chat.message_parts({"tool_calls": items(at(result, "tool_calls"))})  # of Cloudflare
    return answer([*texts(_words(result)), *calls], _reason(result))


def _words(result: Json) -> str | None:
    if isinstance(result, str):
        return result
    if words := next((words for name in _WORDS if (words := string(at(result, name)))), None):
        return words
    if words := string(at(result, "data", "text")):  # Jurassic
        return words
    # Pegasus; without a reason to stop it is an error's message.
    return string(at(result, "message")) if string(at(result, "finishReason")) else None


def _reason(result: Json) -> str | None:
    for name in _REASONS:
        found = at(result, name)
        if reason := string(found) or string(at(found, "type")) or string(at(found, "reason")):
            return reason
    return string(at(result, "meta_info", "finish_reason", "type")) or string(at(result, "details", "finish_reason"))


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
