"""Gemini over gRPC, at AI Studio and at Vertex AI, as Google's GAPIC clients call it (google-ai-generativelanguage 0.12,
google-cloud-aiplatform 2.7: `types` has the field numbers). Messages become what the REST API says, whose readers they have.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from addon.providers.fields import Json, at, string
from addon.providers.grpc_calls import call, stream
from addon.providers.model import Asked, Event, Operation, Reading
from addon.providers.protobuf import STRUCT, Schema, inside, number, text

_MODALITIES: Final = {1: "TEXT", 2: "IMAGE", 3: "VIDEO", 4: "AUDIO", 5: "DOCUMENT"}
_DETAILS: Final = Schema({1: number("modality", _MODALITIES), 2: number("tokenCount")})
_TRAFFIC: Final = {1: "ON_DEMAND", 2: "PROVISIONED_THROUGHPUT", 3: "ON_DEMAND_PRIORITY", 4: "ON_DEMAND_FLEX"}
_PLACE: Final = Schema({1: text("uri"), 2: text("title"), 3: text("text")})
_CHUNK: Final = Schema({1: inside("web", _PLACE), 2: inside("retrievedContext", _PLACE), 3: inside("maps", _PLACE)})
_COMMON_REASONS: Final = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER"}
_REASONS: Final = _COMMON_REASONS | {
    6: "LANGUAGE",
    7: "BLOCKLIST",
    8: "PROHIBITED_CONTENT",
    9: "SPII",
    10: "MALFORMED_FUNCTION_CALL",
    11: "IMAGE_SAFETY",
    12: "UNEXPECTED_TOOL_CALL",
    13: "TOO_MANY_TOOL_CALLS",
    14: "IMAGE_PROHIBITED_CONTENT",
    15: "IMAGE_OTHER",
    16: "NO_IMAGE",
    17: "IMAGE_RECITATION",
}
_VERTEX_REASONS: Final = _COMMON_REASONS | {
    6: "BLOCKLIST",
    7: "PROHIBITED_CONTENT",
    8: "SPII",
    9: "MALFORMED_FUNCTION_CALL",
    10: "MODEL_ARMOR",
}
_BLOCKED: Final = {1: "SAFETY", 2: "OTHER", 3: "BLOCKLIST", 4: "PROHIBITED_CONTENT", 5: "IMAGE_SAFETY"}
_VERTEX_BLOCKED: Final = _BLOCKED | {5: "MODEL_ARMOR", 6: "JAILBREAK"}
_DATA: Final = Schema({1: text("mimeType")})


_CALL: Final = Schema({1: text("name"), 2: inside("args", STRUCT), 3: text("id")})
_RESULT: Final = Schema({1: text("name"), 2: inside("response", STRUCT), 3: text("id")})
_PART: Final = Schema(
    {
        2: text("text"),
        3: inside("inlineData", _DATA),
        4: inside("functionCall", _CALL),
        5: inside("functionResponse", _RESULT),
        9: inside("executableCode", Schema({2: text("code")})),
        11: number("thought", {1: True}),
    }
)
_VERTEX_PART: Final = Schema(
    {
        1: text("text"),
        2: inside("inlineData", _DATA),
        5: inside("functionCall", _CALL),
        6: inside("functionResponse", _RESULT),
        8: inside("executableCode", Schema({2: text("code")})),
        10: number("thought", {1: True}),
    }
)
_CONTENT: Final = Schema({1: inside("parts", _PART, is_list=True), 2: text("role")})
_VERTEX_CONTENT: Final = Schema({1: text("role"), 2: inside("parts", _VERTEX_PART, is_list=True)})
_USAGE: Final = Schema(
    {
        1: number("promptTokenCount"),
        2: number("candidatesTokenCount"),
        3: number("totalTokenCount"),
        4: number("cachedContentTokenCount"),
        5: inside("promptTokensDetails", _DETAILS, is_list=True),
        6: inside("cacheTokensDetails", _DETAILS, is_list=True),
        7: inside("candidatesTokensDetails", _DETAILS, is_list=True),
        8: number("toolUsePromptTokenCount"),
        9: inside("toolUsePromptTokensDetails", _DETAILS, is_list=True),
        10: number("thoughtsTokenCount"),
    }
)
_VERTEX_USAGE: Final = Schema(
    {
        1: number("promptTokenCount"),
        2: number("candidatesTokenCount"),
        3: number("totalTokenCount"),
        5: number("cachedContentTokenCount"),
        8: number("trafficType", _TRAFFIC),
        9: inside("promptTokensDetails", _DETAILS, is_list=True),
        10: inside("cacheTokensDetails", _DETAILS, is_list=True),
        11: inside("candidatesTokensDetails", _DETAILS, is_list=True),
        12: inside("toolUsePromptTokensDetails", _DETAILS, is_list=True),
        13: number("toolUsePromptTokenCount"),
        14: number("thoughtsTokenCount"),
    }
)
_CANDIDATE: Final = Schema(
    {
        1: inside("content", _CONTENT),
        2: number("finishReason", _REASONS),
        3: number("index"),
        9: inside(
            "groundingMetadata",
            Schema({2: inside("groundingChunks", _CHUNK, is_list=True), 5: text("webSearchQueries", is_list=True)}),
        ),
    }
)
_VERTEX_CANDIDATE: Final = Schema(
    {
        1: number("index"),
        2: inside("content", _VERTEX_CONTENT),
        3: number("finishReason", _VERTEX_REASONS),
        7: inside(
            "groundingMetadata",
            Schema({1: text("webSearchQueries", is_list=True), 5: inside("groundingChunks", _CHUNK, is_list=True)}),
        ),
    }
)
_ANSWER: Final = Schema(
    {
        1: inside("candidates", _CANDIDATE, is_list=True),
        2: inside("promptFeedback", Schema({1: number("blockReason", _BLOCKED)})),
        3: inside("usageMetadata", _USAGE),
        4: text("modelVersion"),
        5: text("responseId"),
    }
)
_VERTEX_ANSWER: Final = Schema(
    {
        2: inside("candidates", _VERTEX_CANDIDATE, is_list=True),
        3: inside("promptFeedback", Schema({1: number("blockReason", _VERTEX_BLOCKED)})),
        4: inside("usageMetadata", _VERTEX_USAGE),
        11: text("modelVersion"),
        13: text("responseId"),
    }
)
_REQUEST: Final = Schema(
    {
        1: text("model"),
        2: inside("contents", _CONTENT, is_list=True),
        4: inside("generationConfig", Schema({4: number("maxOutputTokens")})),
        8: inside("systemInstruction", _CONTENT),
    }
)
_ANYTHING: Final = Schema({})
_VERTEX_TOOL: Final = Schema({2: inside("retrieval", _ANYTHING), 6: inside("enterpriseWebSearch", _ANYTHING)})
_VERTEX_REQUEST: Final = Schema(
    {
        2: inside("contents", _VERTEX_CONTENT, is_list=True),
        4: inside("generationConfig", Schema({5: number("maxOutputTokens")})),
        5: text("model"),
        6: inside("tools", _VERTEX_TOOL, is_list=True),
        8: inside("systemInstruction", _VERTEX_CONTENT),
    }
)
_BY_MODEL: Final = Schema({1: text("model")})
_EMBEDDED: Final = Schema({2: inside("usageMetadata", _VERTEX_USAGE)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Those of the REST API. `complete`: by the request."""

    read_json: Callable[[Json], Reading]
    read_stream: Callable[[Iterable[Event]], Reading]
    prompt_text: Callable[[Json], str]
    complete: Callable[[Reading, Asked], Reading]


def gemini_operations(readers: Readers) -> tuple[Operation, ...]:
    service = "google[.]ai[.]generativelanguage[.]v1(?:alpha|beta)?[.]GenerativeService"
    calls = (
        *_generating(service, _REQUEST, _ANSWER, readers),
        call("embeddings", f"{service}/(?:Batch)?EmbedContents?", _BY_MODEL, _ANYTHING, readers.read_json),
        call("count_tokens", f"{service}/CountTokens", _BY_MODEL, _ANYTHING, readers.read_json, is_free=True),
    )
    return tuple(map(_by_plain_name, calls))


def vertex_operations(readers: Readers) -> tuple[Operation, ...]:
    service = "google[.]cloud[.]aiplatform[.]v1(?:beta1)?[.]PredictionService"
    placed = replace(readers, complete=lambda reading, asked: _placed(readers.complete(reading, asked), asked))
    calls = (
        *_generating(service, _VERTEX_REQUEST, _VERTEX_ANSWER, placed),
        call("embeddings", f"{service}/EmbedContent", _BY_MODEL, _EMBEDDED, readers.read_json, placed.complete),
    )
    return tuple(map(_by_plain_name, calls))


def _generating(service: str, request: Schema, answer: Schema, readers: Readers) -> tuple[Operation, ...]:
    streamed = f"{service}/StreamGenerateContent"
    return (
        call("chat", f"{service}/GenerateContent", request, answer, readers.read_json, readers.complete),
        stream("chat", streamed, request, answer, readers.read_stream, readers.prompt_text, readers.complete),
    )


def _by_plain_name(operation: Operation) -> Operation:
    """The model without the resource that it is in, e.g. `models/` or `projects/p/locations/l/publishers/google/models/`,
    which stays as `resource`."""
    read_request = operation.read_request

    def named(body: bytes) -> Json:
        told: Json = read_request(body) if read_request else None
        resource = string(at(told, "model"))
        return {**told, "model": resource.rpartition("/")[2], "resource": resource} if resource else told

    return replace(operation, read_request=named)


def _placed(reading: Reading, asked: Asked) -> Reading:
    """The region that the model's resource names, as the path of a REST call does."""
    place = (string(at(asked.body, "resource")) or "").partition("/locations/")[2].partition("/")[0]
    if place in ("", "global"):
        return reading
    return replace(reading, price_factors=reading.price_factors | {"region": place})
