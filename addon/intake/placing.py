"""Which call of which provider is meant, where a log or a span has only names and shapes to tell. Pure.

What is placed gets the host and path of the provider's own API, so that the settler reads, counts and prices it like a
proxied call. What cannot be placed keeps the name it was given.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from addon.providers import registry
from addon.providers.fields import at, items, string
from addon.providers.makers import maker_of
from addon.providers.model import Json, Operation, Provider
from addon.routing.router import is_helicone, label_of, without_secrets

CUSTOM: Final = "custom"  # the provider of what nobody else is named for
UNKNOWN: Final = "unknown"  # the operation of what has no shape that we know
LONGEST_NAME: Final = 100

# Other people's names of providers: OpenTelemetry's, OpenLLMetry's, Vercel's, Helicone's.
_OTHER_NAMES: Final = {
    **dict.fromkeys(("google", "gcp.gemini", "gcp.gen_ai", "google_generativeai", "googleapis"), "gemini"),
    **dict.fromkeys(("gcp.vertex_ai", "vertexai", "vertex_ai", "google_vertexai"), "vertex"),
    **dict.fromkeys(("aws.bedrock", "aws_bedrock", "amazon-bedrock", "aws"), "bedrock"),
    **dict.fromkeys(
        ("azure.ai.openai", "azure.ai.inference", "az.ai.openai", "az.ai.inference", "azure_openai"), "azure"
    ),
    **dict.fromkeys(("mistral_ai", "mistralai"), "mistral"),
    **dict.fromkeys(("togetherai", "together_ai", "together ai"), "together"),
    "fireworks_ai": "fireworks",
    "x_ai": "xai",
    "x": "xai",
}
# Below which base a provider has its operations: one of these, or none that we can tell.
_BASES: Final = (
    *("/v1", "/openai/v1", "/api/v1", "/inference/v1", "/v1/openai", "/v1beta/openai", "/compatibility/v1"),
    *("/compat/v1", "/llm/v1", "/v3/openai", ""),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """In whose words a body speaks, and which operation it belongs to."""

    dialect: str  # openai | anthropic | gemini
    operation: str  # as in the column operation_name

    @property
    def path_end(self) -> str | None:
        return _PATH_ENDS.get(self)


_PATH_ENDS: Final = {
    Shape("openai", "chat"): "/chat/completions",
    Shape("openai", "text_completion"): "/completions",
    Shape("openai", "embeddings"): "/embeddings",
    Shape("openai", "responses"): "/responses",
    Shape("anthropic", "chat"): "/messages",
}
_READERS: Final = {
    **{Shape("openai", operation.name): operation for operation in registry.BY_NAME["openai"].operations},
    Shape("anthropic", "chat"): registry.BY_NAME["anthropic"].operations[0],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The columns that say what was called. `host` and `path` are "" where nobody knows them."""

    provider_name: str
    operation_name: str
    host: str = ""
    path: str = ""
    path_model: str | None = None

    @property
    def operation(self) -> Operation | None:
        """The one that the settler reads it with."""
        provider = registry.BY_NAME.get(self.provider_name)
        found = registry.operation(provider, "POST", self.path.partition("?")[0]) if provider else None
        return found[0] if found else None


def reader_of(shape: Shape | None) -> Operation | None:
    """The operation that reads an answer of this shape, from any provider."""
    return _READERS.get(shape) if shape else None


def provider_named(name: str | None) -> Provider | None:
    """The provider that somebody calls so: `OPENAI`, `gcp.gemini`, `anthropic.messages`."""
    lower = (name or "").strip().lower()
    for spelled in (lower, lower.partition(".")[0]):
        if provider := registry.BY_NAME.get(_OTHER_NAMES.get(spelled, spelled)):
            return provider
    return None


def provider_of_model(model: str | None) -> Provider | None:
    """The one company whose models are named so; None where several serve it."""
    maker = maker_of(model)
    return registry.BY_NAME[maker] if maker else None


def short_name(name: str | None) -> str | None:
    """A name of somebody's own as `provider_name` has it."""
    return (name or "").strip().lower()[:LONGEST_NAME] or None


def place_of_url(url: str, shape: Shape | None) -> Place | None:
    """What a URL names; None where it is none (`custom-model-nopath`). An unknown host is a provider of its own name."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    path = without_secrets(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    operation_name = shape.operation if shape else UNKNOWN
    provider = registry.by_host(host)
    if provider is None and is_helicone(host) and (provider := registry.by_label(label_of(host) or "")):
        host = own_host(provider)
    if provider is None:
        return Place(provider_name=host[:LONGEST_NAME], operation_name=operation_name, host=host, path=path)
    found = registry.operation(provider, "POST", parts.path)
    return Place(
        provider_name=provider.name,
        operation_name=found[0].name if found else operation_name,
        host=host,
        path=path,
        path_model=found[1] if found else None,
    )


def place_at(provider: Provider, shape: Shape | None, operation_name: str | None = None) -> Place:
    """The provider's usual place for an operation."""
    return Place(
        provider_name=provider.name,
        operation_name=operation_name or (shape.operation if shape else UNKNOWN),
        host=own_host(provider),
        path=_own_path(provider, shape) or "",
    )


def own_host(provider: Provider) -> str:
    """The one host of a provider; "" where each customer or region has another."""
    return provider.hosts[0] if provider.hosts and "*" not in provider.hosts[0] else ""


def place_of_log(url: str, stated: str | None, endpoint: str | None, shape: Shape | None, model: str | None) -> Place:
    """Where a logged call belongs: the URL knows best, then the provider that is stated, then that of the endpoint, then
    the model's name. `endpoint` is the provider that the log was sent to, as `oai` of `/oai/v1/log`."""
    named = place_of_url(url, shape)
    if named and named.provider_name in registry.BY_NAME:
        return named
    provider = provider_named(stated) or provider_named(endpoint)
    if provider is None and not stated and named is None and shape:
        provider = provider_of_model(model)
    if provider is None:
        unplaced = named or Place(provider_name=CUSTOM, operation_name=shape.operation if shape else UNKNOWN)
        return replace(unplaced, provider_name=short_name(stated) or unplaced.provider_name)
    return place_at(provider, shape)


def shape_of(request: Json, answer: Iterable[Json], speaks: Provider | None = None) -> Shape | None:
    """`answer`: the one body, or the events of a stream. What an error answer does not tell, the request may; then
    `speaks` is the provider who was asked."""
    for body in answer:
        if found := _shape_of_answer(body):
            return found
    found = _shape_of_request(request)
    is_message = speaks is not None and speaks.name == "anthropic" and found == Shape("openai", "chat")
    return Shape("anthropic", "chat") if is_message else found


def _shape_of_answer(body: Json) -> Shape | None:
    kind, of = string(at(body, "type")) or "", string(at(body, "object")) or ""
    if of == "response" or kind.startswith("response."):
        return Shape("openai", "responses")
    if kind in ("message_start", "content_block_delta", "message_delta") or (
        kind == "message" and isinstance(at(body, "content"), list)
    ):
        return Shape("anthropic", "chat")
    if choice := at(body, "choices", 0):
        return Shape("openai", "text_completion" if "text" in choice else "chat") if isinstance(choice, dict) else None
    if of.startswith("chat.completion"):
        return Shape("openai", "chat")
    if string(at(body, "data", 0, "object")) == "embedding":
        return Shape("openai", "embeddings")
    return Shape("gemini", "generate_content") if items(at(body, "candidates")) else None


def _shape_of_request(request: Json) -> Shape | None:
    if not isinstance(request, dict):
        return None
    if items(request.get("messages")):
        return Shape("openai", "chat")
    if "contents" in request:
        return Shape("gemini", "generate_content")
    if "input" in request:
        is_embedding = "embed" in (string(request.get("model")) or "")
        return Shape("openai", "embeddings" if is_embedding else "responses")
    return Shape("openai", "text_completion") if "prompt" in request else None


def _own_path(provider: Provider, shape: Shape | None) -> str | None:
    if shape is None or shape.path_end is None:
        return None
    for path in (base + shape.path_end for base in _BASES):
        found = registry.operation(provider, "POST", path)
        if found and found[0].name == shape.operation:
            return path
    return None
