"""All providers, and how a host, a label, a name or a path finds its own.

To add one that speaks OpenAI's API: a row in openai_compatible.py. One with behaviour of its own: a file with its
PROVIDER and a line here. Both: cases in tests/providers/cases. The proxy imports this, so nothing below may import
what only the settler needs (price lists, tokenizers, Parquet).
"""

from typing import Final
from urllib.parse import unquote

from addon.providers import (
    anthropic_batches,
    azure,
    bedrock,
    cloudflare,
    cloudflare_gateway,
    cohere,
    companies,
    dashscope,
    deepinfra,
    gateways,
    gemini,
    groq,
    huggingface,
    llama,
    local_servers,
    minimax,
    mistral,
    ollama,
    openai,
    openai_compatible,
    openrouter,
    perplexity,
    reka,
    shapes,
    vercel,
    vertex,
    volcengine,
    watsonx,
    writer,
    xai,
)
from addon.providers.hosts import host_and_path, labels_of, matches
from addon.providers.makers import maker_of
from addon.providers.model import Operation, Provider
from addon.remember import remember_short

PROVIDERS: Final[tuple[Provider, ...]] = (
    openai.PROVIDER,
    anthropic_batches.PROVIDER,
    gemini.PROVIDER,
    vertex.PROVIDER,
    bedrock.PROVIDER,
    azure.PROVIDER,
    cohere.PROVIDER,
    mistral.PROVIDER,
    groq.PROVIDER,
    xai.PROVIDER,
    openrouter.PROVIDER,
    perplexity.PROVIDER,
    deepinfra.PROVIDER,
    vercel.PROVIDER,
    huggingface.PROVIDER,
    llama.PROVIDER,
    minimax.PROVIDER,
    dashscope.PROVIDER,
    cloudflare.PROVIDER,
    cloudflare_gateway.PROVIDER,
    *openai_compatible.PROVIDERS,
    reka.PROVIDER,
    volcengine.PROVIDER,
    writer.PROVIDER,
    watsonx.PROVIDER,
    *shapes.PROVIDERS,
    *gateways.PROVIDERS,
    *companies.PROVIDERS,
    # On this machine.
    ollama.PROVIDER,
    *local_servers.PROVIDERS,
)

BY_NAME: Final[dict[str, Provider]] = {
    name: provider for provider in PROVIDERS for name in (provider.name, *provider.aliases)
}

# Labels of Helicone's host map that have no one fixed target, and what to do instead.
UNSERVED_LABELS: Final[dict[str, str]] = {
    "ai-gateway": "a provider's own label or path, e.g. oai.<domain>/v1 or /openai/v1",
    "generate": "the provider's own API with the prompt in the body, e.g. /openai/v1/chat/completions",
    "llmmapper": "the provider's own API, e.g. /anthropic/v1/messages",
    "portal": "a provider's own label or path, e.g. oai.<domain>/v1 or /openai/v1",
}


@remember_short(4096)  # asked at every CONNECT; the hosts of one machine are few
def by_host(host: str) -> Provider | None:
    """The provider whose API lives at `host` (a name without port, in any case); None means: not ours to decrypt."""
    host = host.lower().removesuffix(".")
    if found := _EXACT.get(host):
        return found
    labels = labels_of(host)
    return next((provider for pattern, provider in _PATTERNS if matches(pattern, labels)), None)


def by_label(label: str) -> Provider | None:
    """The provider that Helicone's host map gives to this first DNS label, e.g. `oai` of `oai.helicone.ai`."""
    return _LABELS.get(label.lower())


def by_name(name: str) -> Provider:
    """The provider of this name. One that is not known is named by a user or after its host: it is read by its shape."""
    return BY_NAME.get(name) or shapes.unknown(name)


def seller_of(provider: Provider, *models: str | None) -> Provider:
    """Whose prices a call may have: at a name of a user's own those of the company that alone makes such a model. `models`:
    names of the call's model, best first."""
    if provider.name in BY_NAME:
        return provider
    return next((BY_NAME[maker] for model in models if (maker := maker_of(model))), provider)


def operation(provider: Provider, method: str, path: str, host: str = "") -> tuple[Operation, str | None] | None:
    """The operation of a call, and the model that its path names, decoded. `path` is the provider's own, without
    query.

    `host` is the one that the caller named: a part of some hosts only is the provider's.
    """
    if not path.startswith(path_of_host(host)):
        return None
    if BY_NAME.get(provider.name) is provider:
        return _known_operation(f"{provider.name} {method} {path}")
    return _operation(provider, method, path)


@remember_short(2048)  # most calls of a machine go to a few paths, and some providers have many patterns to try
def _known_operation(call: str) -> tuple[Operation, str | None] | None:
    """`call`: the name of one of PROVIDERS, the method and the path."""
    name, method, path = call.split(" ", 2)
    return _operation(BY_NAME[name], method, path)


def _operation(provider: Provider, method: str, path: str) -> tuple[Operation, str | None] | None:
    method = method.upper()
    for candidate in provider.operations:
        if candidate.method == method and (match := candidate.match(path)):
            model = match.groupdict().get("model")
            return candidate, model and unquote(model)
    return None


def path_of_host(host: str) -> str:
    """The part of a shared host that is the provider's; "" where all of it is."""
    return _PATHS.get(host.lower(), "")


_HOSTS: Final = tuple((*host_and_path(entry), provider) for provider in PROVIDERS for entry in provider.hosts)
_EXACT: Final = {host: provider for host, _, provider in _HOSTS if "*" not in host}
_PATHS: Final = {host: path for host, path, _ in _HOSTS if path}
_PATTERNS: Final = tuple((labels_of(host), provider) for host, _, provider in _HOSTS if "*" in host)
_LABELS: Final = {label: provider for provider in PROVIDERS for label in provider.labels}
