"""Cloudflare's AI Gateway passes calls on: `/v1/{account}/{gateway}/{provider}/...` in the provider's own words, `/compat` in OpenAI's.

Each call is read and priced as that provider's. https://developers.cloudflare.com/ai-gateway/usage/providers
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import (
    anthropic,
    azure,
    bedrock,
    cloudflare,
    cohere,
    gemini,
    groq,
    mistral,
    openai,
    openai_compatible,
    openrouter,
    perplexity,
    shapes,
    vertex,
    xai,
)
from addon.providers.model import Asked, Operation, Provider, Reading
from addon.providers.openai_shaped import operations

_GATEWAY: Final = "/v1/[^/]+/[^/]+/"
# An answer from the gateway's own cache cost nothing. https://developers.cloudflare.com/ai-gateway/features/caching
_CACHE: Final = "cf-aig-cache-status"
_COMPATIBLE: Final = {provider.name: provider for provider in openai_compatible.PROVIDERS}
_V1: Final = ("/v1", "(?:/v1|/backend-api/codex)")
# The gateway's name of a provider -> the provider, and the beginnings of its paths that the gateway leaves out.
_PASSED_ON: Final = {
    "anthropic": (anthropic.PROVIDER, ()),
    "aws-bedrock": (bedrock.PROVIDER, ()),
    "cerebras": (_COMPATIBLE["cerebras"], _V1),
    "cohere": (cohere.PROVIDER, ()),
    "deepseek": (_COMPATIBLE["deepseek"], ()),
    "google-ai-studio": (gemini.PROVIDER, ()),
    "google-vertex-ai": (vertex.PROVIDER, ()),
    "grok": (xai.PROVIDER, ()),
    "groq": (groq.PROVIDER, ("/openai/v1",)),
    "mistral": (mistral.PROVIDER, ()),
    "openai": (openai.PROVIDER, _V1),
    "openrouter": (openrouter.PROVIDER, ("/api(?:/v1|/alpha)", "/api/v1")),
    "perplexity-ai": (perplexity.PROVIDER, ()),
}
# In the path, or before the model's name at `/compat`.
_SELLERS: Final = {
    **{name: provider.name for name, (provider, _) in _PASSED_ON.items()},
    "azure-openai": "azure",
    "workers-ai": "cloudflare",
}
_REGION: Final = re.compile("/aws-bedrock/bedrock-runtime/([^/]+)/")


def seller(_host: str, path: str, model: str | None) -> str | None:
    """`openai` of `/v1/account/gateway/openai/...`; at `/compat` of a model `openai/gpt-5`."""
    named = path.split("/")[4:5]
    slug = (model or "").partition("/")[0] if named == ["compat"] else "".join(named)
    return _SELLERS.get(slug)


def region(host: str, path: str) -> str | None:
    return vertex.region(host, path) if "/google-vertex-ai/" in path else None


def _passed_on(slug: str, provider: Provider, left_out: tuple[str, ...]) -> Iterable[Operation]:
    prefix = _GATEWAY + slug + ("/bedrock-runtime/[^/]+" if slug == "aws-bedrock" else "")
    for operation in provider.operations:
        pattern = operation.path
        if begun := next((start for start in left_out if pattern.startswith(start)), None):
            pattern = f"(?:{begun}|/v1)?" + pattern.removeprefix(begun)
        yield _answered_by_gateway(operation, prefix + pattern)


def _answered_by_gateway(operation: Operation, path: str) -> Operation:
    complete = operation.with_request

    def with_request(reading: Reading, asked: Asked) -> Reading:
        if asked.answer_headers.get(_CACHE, "").upper() == "HIT":
            return replace(reading, is_free=True)
        return complete(reading, _as_called_there(asked)) if complete else reading

    return replace(
        operation,
        path=path,
        with_request=with_request,
        answer_headers=(*operation.answer_headers, _CACHE),
    )


def _as_called_there(asked: Asked) -> Asked:
    """Bedrock's region is in its host, which the gateway has in the path."""
    found = _REGION.search(asked.path)
    return replace(asked, host=f"bedrock-runtime.{found[1]}.amazonaws.com") if found else asked


def _operations() -> Iterable[Operation]:
    for slug, (provider, left_out) in _PASSED_ON.items():
        yield from _passed_on(slug, provider, left_out)
    in_openais_words = (
        *operations(_GATEWAY + "compat(?:/v1)?", "chat", "responses", "embeddings"),
        *operations(_GATEWAY + "azure-openai/[^/]+/(?P<model>[^/]+)", *azure.BY_DEPLOYMENT),
        *operations(_GATEWAY + "workers-ai/v1", "chat", "text_completion", "embeddings"),
        replace(cloudflare.RUN, path=_GATEWAY + "workers-ai/(?P<model>@.+?)/?"),
    )
    for operation in in_openais_words:
        yield _answered_by_gateway(operation, operation.path)
    # A provider of one's own: https://developers.cloudflare.com/ai-gateway/configuration/custom-providers
    for operation in shapes.OPERATIONS:
        yield _answered_by_gateway(operation, f"{_GATEWAY}custom-[^/]+{operation.path}")


PROVIDER: Final = Provider(
    name="cloudflare_gateway",
    origin="https://gateway.ai.cloudflare.com",
    hosts=("gateway.ai.cloudflare.com",),
    operations=tuple(_operations()),
    seller=seller,
    region=region,
    source="https://developers.cloudflare.com/ai-gateway/usage/providers",
)
