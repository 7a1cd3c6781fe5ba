"""All providers, and how a host, a label or a path finds its own.

To add one: one file with its PROVIDER, one line here, one test file. The proxy imports this, so nothing below may
import what only the settler needs (price lists, tokenizers, Parquet).
"""

import re
from functools import lru_cache
from typing import Final

from addon.providers import (
    anthropic,
    azure,
    bedrock,
    cerebras,
    cohere,
    deepinfra,
    deepseek,
    firecrawl,
    fireworks,
    gemini,
    groq,
    huggingface,
    hyperbolic,
    llama,
    llamacpp,
    lmstudio,
    mistral,
    nebius,
    novita,
    nvidia,
    ollama,
    openai,
    openrouter,
    perplexity,
    predibase,
    qstash,
    together,
    vercel,
    vertex,
    vllm,
    xai,
)
from addon.providers.model import Operation, Provider

PROVIDERS: Final[tuple[Provider, ...]] = (
    openai.PROVIDER,
    anthropic.PROVIDER,
    gemini.PROVIDER,
    vertex.PROVIDER,
    bedrock.PROVIDER,
    azure.PROVIDER,
    mistral.PROVIDER,
    groq.PROVIDER,
    deepseek.PROVIDER,
    xai.PROVIDER,
    together.PROVIDER,
    fireworks.PROVIDER,
    cohere.PROVIDER,
    openrouter.PROVIDER,
    perplexity.PROVIDER,
    cerebras.PROVIDER,
    deepinfra.PROVIDER,
    nebius.PROVIDER,
    novita.PROVIDER,
    hyperbolic.PROVIDER,
    nvidia.PROVIDER,
    llama.PROVIDER,
    vercel.PROVIDER,
    huggingface.PROVIDER,
    ollama.PROVIDER,
    vllm.PROVIDER,
    lmstudio.PROVIDER,
    llamacpp.PROVIDER,
    predibase.PROVIDER,
    qstash.PROVIDER,
    firecrawl.PROVIDER,
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


@lru_cache(maxsize=4096)  # asked at every CONNECT; the hosts of one machine are few
def by_host(host: str) -> Provider | None:
    """The provider whose API lives at `host` (a name without port, in any case); None means: not ours to decrypt."""
    host = host.lower().removesuffix(".")
    return _EXACT.get(host) or next((provider for pattern, provider in _WILDCARDS if pattern.fullmatch(host)), None)


def by_label(label: str) -> Provider | None:
    """The provider that Helicone's host map gives to this first DNS label, e.g. `oai` of `oai.helicone.ai`."""
    return _LABELS.get(label.lower())


def operation(provider: Provider, method: str, path: str) -> tuple[Operation, str | None] | None:
    """The operation of a call, and the model that its path names. `path` is the provider's own, without query."""
    for candidate in provider.operations:
        if candidate.method == method.upper() and (match := candidate.path.fullmatch(path)):
            return candidate, match.groupdict().get("model")
    return None


def _host_pattern(host: str) -> re.Pattern[str]:
    """A `*` stands for one DNS label or a part of it: `*.api.openai.com`, `*-aiplatform.googleapis.com`."""
    return re.compile(re.escape(host).replace(r"\*", "[^.]+"))


_EXACT: Final = {host: provider for provider in PROVIDERS for host in provider.hosts if "*" not in host}
_WILDCARDS: Final = tuple(
    (_host_pattern(host), provider) for provider in PROVIDERS for host in provider.hosts if "*" in host
)
_LABELS: Final = {label: provider for provider in PROVIDERS for label in provider.labels}
