"""Google Gemini (AI Studio). https://ai.google.dev/api; its OpenAI-shaped half: https://ai.google.dev/gemini-api/docs/openai"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from addon.providers import gemini_batches, gemini_caches, gemini_interactions, gemini_live, gemini_media, google_grpc
from addon.providers.fields import at, count, dumped, error_type, items, json_of, prompt_of, string
from addon.providers.framing.table import JSON_ARRAY
from addon.providers.gemini_openai import openai_half
from addon.providers.gemini_usage import (
    Units,
    is_provisioned,
    own_data,
    per_prompt,
    price_factors,
    searches,
    service_tier,
    token_parts,
    usage,
)
from addon.providers.model import Asked, Event, Json, Operation, Provider, Reading, Terminal

__all__ = ["NATIVE", "PROVIDER", "generate_content", "prompt", "read_json", "read_stream", "usage"]

# A prompt that is blocked has no candidate that could finish.
TERMINAL: Final = Terminal(
    # The last: an error in an array that comes in one line. All begin with a quote: `re` looks for that first.
    anywhere=rb'"(?:(?:finishReason|blockReason)"\s*:\s*"|error"[ \t]*:[ \t]*\{[ \t]*"code"[ \t]*:[ \t]*\d)'
)
_MEDIA: Final = {"image": "output_image_tokens", "audio": "output_audio_tokens", "video": "output_video_tokens"}


def read_json(body: Json) -> Reading:
    """A `GenerateContentResponse`, a list of them, or an error body (of a stream it may stand in a list)."""
    return _read(body if isinstance(body, list) else [body])


def read_stream(events: Iterable[Event]) -> Reading:
    """Responses in parts, each with the usage so far; the last one counts, and what it leaves out an earlier one said."""
    return _read([json_of(event) for event in events])


def prompt(request: Json) -> str:
    """System instruction, contents, and the tools' declarations."""
    contents = [at(request, "systemInstruction"), *items(at(request, "contents"))]
    parts = [string(at(part, "text")) for content in contents for part in items(at(content, "parts"))]
    return prompt_of(parts, at(request, "tools"))


def with_request(reading: Reading, asked: Asked) -> Reading:
    """The tier that was asked for, where the answer's body names none: only a header of the answer does.

    https://ai.google.dev/gemini-api/docs/flex-inference, .../priority-inference
    """
    factors = dict(reading.price_factors)
    tier = service_tier(string(at(asked.body, "serviceTier")) or string(at(asked.body, "service_tier")))
    if tier and "service_tier" not in factors and not at(reading.usage_raw, "serviceTier"):
        factors["service_tier"] = tier
    units = per_prompt(reading.units, reading.response_model or asked.model)
    return replace(reading, units=units, price_factors=factors)


def without_own_data(reading: Reading, asked: Asked) -> Reading:
    """AI Studio searches files for nothing but the tokens. https://ai.google.dev/gemini-api/docs/file-search#pricing"""
    reading = with_request(reading, asked)
    return replace(reading, units={unit: n for unit, n in reading.units.items() if unit != "storage_searches"})


@dataclass(slots=True)
class _Said:
    """What the candidates of all parts said."""

    said: dict[int, list[str]] = field(default_factory=dict)  # the words of each candidate, by its index
    ended: set[int] = field(default_factory=set)  # candidates whose last part was something else than words
    other: list[str] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    groundings: list[Json] = field(default_factory=list)
    media: set[str] = field(default_factory=set)

    def add(self, candidate: Json) -> None:
        index = count(at(candidate, "index")) or 0
        if reason := string(at(candidate, "finishReason")):
            self.reasons[index] = reason
        if grounding := at(candidate, "groundingMetadata"):
            self.groundings.append(grounding)
        for part in items(at(candidate, "content", "parts")):
            text, is_thought = string(at(part, "text")), at(part, "thought") is True
            if text and is_thought:
                self.other.append(text)
            self._say(index, None if is_thought else text)
            self.other += [dumped(call) for key in ("functionCall", "executableCode") if (call := at(part, key))]
            kind = (string(at(part, "inlineData", "mimeType")) or "").partition("/")[0]
            if kind in _MEDIA and not is_thought:
                self.media.add(kind)

    def _say(self, index: int, words: str | None) -> None:
        """The next piece of a candidate's words; None: a part of another kind, after which other words begin."""
        told = self.said.setdefault(index, [])
        if words is None:
            self.ended.add(index)
        elif words:
            told.append("\n" + words if index in self.ended and told else words)
            self.ended.discard(index)

    def text(self) -> str | None:
        return "\n".join("".join(self.said[index]) for index in sorted(self.said) if self.said[index]) or None


def _read(chunks: list[Json]) -> Reading:
    said = _Said()
    raw: Json = None
    model = response_id = failure = None
    for chunk in chunks:
        model, response_id = string(at(chunk, "modelVersion")) or model, string(at(chunk, "responseId")) or response_id
        raw = _merged(raw, at(chunk, "usageMetadata"))
        failure = _error_type(chunk) or failure
        for candidate in items(at(chunk, "candidates")):
            said.add(candidate)
    return Reading(
        response_model=model,
        response_id=response_id,
        finish_reasons=tuple(said.reasons[index] for index in sorted(said.reasons)),
        usage=usage(raw),
        usage_raw=raw,
        units=_units(raw, said, model),
        price_factors=price_factors(raw),
        paid_by_plan=is_provisioned(raw),
        text=said.text(),
        other_output="".join(said.other) or None,
        error_type=failure,
    )


def _merged(earlier: Json, later: Json) -> Json:
    """A later part may leave out what an earlier one said."""
    if not isinstance(later, dict):
        return earlier
    return {**earlier, **later} if isinstance(earlier, dict) else later


def _units(raw: Json, said: _Said, model: str | None) -> Units:
    """An image or a sound without its tokens in the usage has a price of its own that we cannot tell."""
    parts = token_parts(raw)
    unknown: Units = {}
    if raw and not at(raw, "candidatesTokensDetails"):
        unknown = {_MEDIA[kind]: None for kind in said.media}
    return unknown | parts | searches(said.groundings, model) | own_data(said.groundings)


def _error_type(body: Json) -> str | None:
    """`{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}`; a prompt that was blocked has a reason instead."""
    return error_type(body) or string(at(body, "promptFeedback", "blockReason"))


def generate_content(model: str, complete: Callable[[Reading, Asked], Reading] = with_request) -> tuple[Operation, ...]:
    """The operations of a model's path, a regular expression with a group `model`. `complete`: by the request."""
    return (
        Operation(
            name="chat",
            path=model + ":generateContent",
            read_json=read_json,
            with_request=complete,
            prompt_text=prompt,
        ),
        Operation(
            name="chat",
            path=model + ":streamGenerateContent",
            json_framing=JSON_ARRAY,
            terminal=TERMINAL,
            read_json=read_json,
            read_stream=read_stream,
            with_request=complete,
            prompt_text=prompt,
        ),
    )


# The model may be a tuned one: `/v1beta/tunedModels/...:generateContent`.
_MODEL: Final = r"/v1(?:alpha|beta)?/(?:models|tunedModels|dynamic)/(?P<model>[^/:]+)"
NATIVE: Final = generate_content(_MODEL, without_own_data)
PROVIDER = Provider(
    name="gemini",
    origin="https://generativelanguage.googleapis.com",
    hosts=("generativelanguage.googleapis.com",),
    labels=("google",),
    operations=(
        *openai_half("/v1(?:alpha|beta)?/openai"),
        *NATIVE,
        *gemini_media.operations(_MODEL),
        *gemini_interactions.operations("/v1(?:alpha|beta)?"),
        *gemini_batches.operations("/v1(?:alpha|beta)?", read_json),
        *gemini_caches.operations("/v1(?:alpha|beta)?/"),
        *google_grpc.gemini_operations(
            google_grpc.Readers(
                read_json=read_json, read_stream=read_stream, prompt_text=prompt, complete=without_own_data
            )
        ),
        gemini_live.operation(
            r"/ws/google\.ai\.generativelanguage\.v1(?:alpha|beta)\.GenerativeService[./]BidiGenerateContent\w*"
        ),
    ),
    prices="google",
    source="https://ai.google.dev/api",
)
