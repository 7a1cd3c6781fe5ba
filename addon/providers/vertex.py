"""Google Vertex AI: Gemini, Claude and models of others, at the global endpoint, of a region or of several.

Paths: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models; hosts: google-genai 3.4,
_api_client.py, and anthropic's SDK, lib/vertex.
"""

import re
from dataclasses import replace
from typing import Final

from addon.providers import anthropic, gemini, gemini_caches, gemini_live, gemini_media, google_grpc, mistral
from addon.providers.fields import at, error_type, items, the_one
from addon.providers.gemini import generate_content
from addon.providers.gemini_openai import openai_half
from addon.providers.model import Asked, Json, Operation, Provider, Reading
from addon.providers.openai_shaped import operations

_PLACE: Final = r"/v1(?:alpha1|beta1)?/(?:projects/[^/]+/locations/[^/]+/)?"
_LOCATION: Final = re.compile(r"/locations/([^/]+)/")


def region(_host: str, path: str) -> str | None:
    """The location of the path, unless it is the global one (or none: the express mode)."""
    found = _LOCATION.search(path)
    return None if found is None or found[1] == "global" else found[1]


def read_own(body: Json) -> Reading:
    """A prediction of a model of one's own: whatever its shape, its machine is paid by the hour."""
    return Reading(error_type=error_type(the_one(body)), paid_by_plan=True)


def with_tools(reading: Reading, asked: Asked) -> Reading:
    """Tools with fees that no answer counts: data of the caller's own, and the search for enterprises.

    https://cloud.google.com/vertex-ai/generative-ai/pricing (grounding); types.Tool of google-genai 3.4
    """
    reading = gemini.with_request(reading, asked)
    units = dict(reading.units)
    tools = items(at(asked.body, "tools"))
    if any(at(tool, "retrieval") is not None for tool in tools):
        units["storage_searches"] = None
    if any(at(tool, name) is not None for tool in tools for name in ("enterpriseWebSearch", "enterprise_web_search")):
        units |= {"web_searches": None} if "web_searches" in units else {}
    if reading.error_type and not (reading.usage and reading.usage.output_tokens):
        units = dict(reading.units)
    return replace(reading, units=units)


def _hourly(operation: Operation) -> Operation:
    """The same where the machine is paid by the hour."""
    read_json, read_stream = operation.read_json, operation.read_stream
    return replace(
        operation,
        read_json=read_json and (lambda body: replace(read_json(the_one(body)), paid_by_plan=True)),
        read_stream=read_stream and (lambda events: replace(read_stream(events), paid_by_plan=True)),
    )


def _publisher(name: str, model: str = "[^/:]+") -> str:
    return f"{_PLACE}publishers/{name}/models/(?P<model>{model})"


def _claude() -> Operation:
    """Anthropic's Messages API, whose model is in the path; an error may be Google's, in a list."""
    return replace(
        next(one for one in anthropic.PROVIDER.operations if one.match("/v1/messages")),
        path=_publisher("anthropic") + ":(?:rawPredict|streamRawPredict)",
        read_json=lambda body: anthropic.read_json(the_one(body)),
    )


PROVIDER = Provider(
    name="vertex",
    origin="https://aiplatform.googleapis.com",
    hosts=(
        *("aiplatform.googleapis.com", "*-aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com"),
        # Endpoints with hosts of their own: https://cloud.google.com/vertex-ai/docs/predictions/choose-endpoint-type
        "*.*.prediction.vertexai.goog",
    ),
    operations=(
        *openai_half(_PLACE + "endpoints/openapi"),
        *generate_content(_publisher("google"), with_tools),
        *gemini_media.operations(_publisher("google")),
        *gemini_caches.operations(_PLACE),
        # A tuned Gemini answers with the name of its base, whose price it has.
        *generate_content(_PLACE + "endpoints/(?P<model>[^/:]+)", with_tools),
        Operation(name="count_tokens", path=_publisher("anthropic", "count-tokens") + ":rawPredict", is_free=True),
        _claude(),
        replace(mistral.OCR, path=_publisher("mistralai", "mistral-ocr[^/:]*") + ":rawPredict"),
        mistral.chat_at(_publisher("(?:mistralai|ai21)") + ":(?:rawPredict|streamRawPredict)"),
        # https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview: self-deployed models
        *map(_hourly, operations(_PLACE + r"endpoints/\d+(?:/v1)?", "chat", "text_completion", "embeddings")),
        Operation(
            name="predict",
            path=_PLACE + "endpoints/[^/:]+:(?:predict|rawPredict|streamRawPredict)",
            read_json=read_own,
        ),
        *google_grpc.vertex_operations(
            google_grpc.Readers(
                read_json=gemini.read_json,
                read_stream=gemini.read_stream,
                prompt_text=gemini.prompt,
                complete=with_tools,
            )
        ),
        gemini_live.operation(r"/ws/google\.cloud\.aiplatform\.v1(?:beta1)?\.LlmBidiService/BidiGenerateContent"),
    ),
    prices="google",
    region=region,
    source="https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models",
)
