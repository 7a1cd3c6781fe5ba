"""Google Gemini (AI Studio). https://ai.google.dev/api; its OpenAI-shaped half: https://ai.google.dev/gemini-api/docs/openai"""

import re
from collections.abc import Iterable
from typing import Final

from addon.providers.fields import at, count, dumped, items, parse, string
from addon.providers.framing.table import JSON_ARRAY
from addon.providers.model import Event, Json, Operation, Provider, Reading, Terminal, Usage
from addon.providers.openai_shaped import operations

TERMINAL: Final = Terminal(anywhere=rb'"finishReason"\s*:\s*"')


def usage(raw: Json) -> Usage | None:
    """Thoughts are counted beside the candidates, the prompt of tools beside the prompt; ours have them in.

    https://ai.google.dev/api/generate-content#UsageMetadata
    """
    prompt, answer = count(at(raw, "promptTokenCount")), count(at(raw, "candidatesTokenCount"))
    tools, thoughts = count(at(raw, "toolUsePromptTokenCount")), count(at(raw, "thoughtsTokenCount"))
    if prompt is None and answer is None:
        return None
    has_output = answer is not None or thoughts is not None
    return Usage(
        input_tokens=None if prompt is None else prompt + (tools or 0),
        cache_read_input_tokens=count(at(raw, "cachedContentTokenCount")),
        output_tokens=(answer or 0) + (thoughts or 0) if has_output else None,
        reasoning_output_tokens=thoughts,
    )


def read_json(body: Json) -> Reading:
    """A `GenerateContentResponse`, or an error body."""
    return _read([body])


def read_stream(events: Iterable[Event]) -> Reading:
    """Responses in parts; the usage of the last one counts."""
    return _read([parse(event.data) for event in events])


def prompt(request: Json) -> str:
    """System instruction, contents, and the tools' declarations."""
    contents = [at(request, "systemInstruction"), *items(at(request, "contents"))]
    parts = [string(at(part, "text")) for content in contents for part in items(at(content, "parts"))]
    if tools := at(request, "tools"):
        parts.append(dumped(tools))
    return "\n".join(part for part in parts if part)


def _read(chunks: list[Json]) -> Reading:
    said: list[str] = []
    other: list[str] = []
    reasons: dict[int, str] = {}
    model = response_id = raw = failure = None
    for chunk in chunks:
        model, response_id = string(at(chunk, "modelVersion")) or model, string(at(chunk, "responseId")) or response_id
        raw = at(chunk, "usageMetadata") or raw
        failure = _error_type(chunk) or failure
        for candidate in items(at(chunk, "candidates")):
            if reason := string(at(candidate, "finishReason")):
                reasons[count(at(candidate, "index")) or 0] = reason
            for part in items(at(candidate, "content", "parts")):
                (other if at(part, "thought") is True else said).append(string(at(part, "text")) or "")
                if call := at(part, "functionCall"):
                    other.append(dumped(call))
    return Reading(
        response_model=model,
        response_id=response_id,
        finish_reasons=tuple(reasons[index] for index in sorted(reasons)),
        usage=usage(raw),
        usage_raw=raw,
        text="".join(said) or None,
        other_output="".join(other) or None,
        error_type=failure,
    )


def _error_type(body: Json) -> str | None:
    """`{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}`; a prompt that was blocked has a reason instead."""
    return string(at(body, "error", "status")) or string(at(body, "promptFeedback", "blockReason"))


# The model may be a tuned one: `/v1beta/tunedModels/...:generateContent`.
_MODEL: Final = r"/v1(?:alpha|beta)?/(?:models|tunedModels)/(?P<model>[^/:]+)"
NATIVE: Final = (
    Operation(
        name="chat",
        path=re.compile(_MODEL + ":generateContent"),
        read_json=read_json,
        prompt_text=prompt,
    ),
    Operation(
        name="chat",
        path=re.compile(_MODEL + ":streamGenerateContent"),
        json_framing=JSON_ARRAY,
        terminal=TERMINAL,
        read_json=read_json,
        read_stream=read_stream,
        prompt_text=prompt,
    ),
)
PROVIDER = Provider(
    name="gemini",
    origin="https://generativelanguage.googleapis.com",
    hosts=("generativelanguage.googleapis.com",),
    labels=("google",),
    operations=(*operations("/v1beta/openai", "chat", "embeddings"), *NATIVE),
    prices="google",
    source="https://ai.google.dev/api",
)
