"""Providers that differ from OpenAI's API only in data: one row each. A provider with behaviour of its own has a file.

`base` is a regular expression of the path before `/chat/completions`. `prices` is the provider's id in genai-prices.
"""

from collections.abc import Callable, Sequence
from typing import Final

from addon.providers.model import Json, Provider, Usage
from addon.providers.openai_shaped import operations, usage

CHAT: Final = ("chat",)
COMPLETIONS: Final = ("chat", "text_completion")
EMBEDDINGS: Final = ("chat", "text_completion", "embeddings")
ALL: Final = ("chat", "text_completion", "embeddings", "responses")


_CHINA: Final = frozenset({"api.moonshot.cn", "open.bigmodel.cn", "api.minimaxi.com", "api.minimax.chat"})


def in_china(host: str, _path: str) -> str | None:
    return "cn" if host in _CHINA else None


def row(
    name: str,
    source: str,
    origin: str,
    *more_hosts: str,
    base: str = "/v1",
    does: Sequence[str] = CHAT,
    labels: Sequence[str] = (),
    prices: str | None = None,
    read_usage: Callable[[Json], Usage | None] = usage,
    asks_usage: bool = True,
    below: str = "",
    region: Callable[[str, str], str | None] | None = None,
) -> Provider:
    """A provider whose first host is that of `origin`; a local one (http) has none that could be decrypted.

    `below`: the path of that host under which its API lives, where the host serves other things as well.
    """
    hosts = (origin.removeprefix("https://") + below, *more_hosts) if origin.startswith("https://") else more_hosts
    return Provider(
        name=name,
        origin=origin,
        hosts=hosts,
        labels=tuple(labels),
        operations=operations(base, *does, read_usage=read_usage, asks_usage=asks_usage) if does else (),
        prices=prices,
        region=region,
        source=source,
    )


# fmt: off
PROVIDERS: Final = (
    # It states the usage of every stream, and answers `stream_options.include_usage` with 422 (extra_forbidden):
    # https://github.com/openai/openai-agents-python/issues/442
    row("mistral", "https://docs.mistral.ai/api", "https://api.mistral.ai",
        does=("chat", "embeddings"), labels=("mistral",), prices="mistral", asks_usage=False),
    row("groq", "https://console.groq.com/docs/api-reference", "https://api.groq.com",
        base="/openai/v1", does=("chat", "responses", "embeddings"), labels=("groq",), prices="groq"),
    row("deepseek", "https://api-docs.deepseek.com", "https://api.deepseek.com",
        base="(?:/v1|/beta)?", does=COMPLETIONS, labels=("deepseek",), prices="deepseek"),
    # Regional hosts are us-east-1.api.x.ai and the like.
    row("xai", "https://docs.x.ai/docs/api-reference", "https://api.x.ai", "*.api.x.ai",
        does=ALL, labels=("x",), prices="x-ai"),
    row("together", "https://docs.together.ai/reference", "https://api.together.xyz", "api.together.ai",
        does=EMBEDDINGS, labels=("together",), prices="together"),
    row("fireworks", "https://docs.fireworks.ai/api-reference", "https://api.fireworks.ai",
        base="/inference/v1", does=ALL, labels=("fireworks",), prices="fireworks"),
    row("openrouter", "https://openrouter.ai/docs/api-reference", "https://openrouter.ai", "eu.openrouter.ai",
        base="/api/v1", does=ALL, labels=("openrouter",), prices="openrouter"),
    row("perplexity", "https://docs.perplexity.ai/api-reference", "https://api.perplexity.ai",
        base="", labels=("perplexity",), prices="perplexity"),
    row("cerebras", "https://inference-docs.cerebras.ai/api-reference", "https://api.cerebras.ai",
        does=COMPLETIONS, labels=("cerebras",), prices="cerebras"),
    row("deepinfra", "https://deepinfra.com/docs/openai_api", "https://api.deepinfra.com",
        base="/v1/openai", does=EMBEDDINGS, labels=("deepinfra",)),
    # Nebius Token Factory, once AI Studio.
    row("nebius", "https://docs.tokenfactory.nebius.com", "https://api.studio.nebius.ai",
        "api.studio.nebius.com", "api.tokenfactory.nebius.com", does=EMBEDDINGS, labels=("nebius",)),
    row("novita", "https://novita.ai/docs/api-reference", "https://api.novita.ai",
        base="(?:/v3/openai|/openai/v1)", does=EMBEDDINGS, labels=("novita",), prices="novita"),
    row("hyperbolic", "https://docs.hyperbolic.xyz", "https://api.hyperbolic.xyz",
        does=COMPLETIONS, labels=("hyperbolic",)),
    row("nvidia", "https://docs.api.nvidia.com/nim/reference", "https://integrate.api.nvidia.com",
        does=EMBEDDINGS, labels=("nvidia",)),
    # Meta's Llama API, its OpenAI-shaped half.
    row("llama", "https://llama.developer.meta.com/docs/features/compatibility", "https://api.llama.com",
        base="/compat/v1", labels=("llama",)),
    row("vercel", "https://vercel.com/docs/ai-gateway/openai-compat", "https://ai-gateway.vercel.sh",
        does=("chat", "embeddings", "responses"), labels=("vercel",)),
    # A path may name the provider that the router is to use.
    row("huggingface", "https://huggingface.co/docs/inference-providers", "https://router.huggingface.co",
        base="(?:/[^/]+)?/v1", does=("chat", "responses")),
    row("sambanova", "https://docs.sambanova.ai/docs/en/api-reference", "https://api.sambanova.ai",
        does=("chat", "embeddings")),
    # The hosts in China have price lists of their own, in yuan.
    row("moonshot", "https://platform.moonshot.ai/docs/api/chat", "https://api.moonshot.ai", "api.moonshot.cn",
        prices="moonshotai", region=in_china),
    row("zai", "https://docs.z.ai/api-reference", "https://api.z.ai", "open.bigmodel.cn",
        base="/api/(?:coding/)?paas/v4", does=("chat", "embeddings"), prices="zai", region=in_china),
    row("minimax", "https://platform.minimax.io/docs/api-reference", "https://api.minimax.io",
        "api.minimaxi.com", "api.minimax.chat", prices="minimax", region=in_china),
    row("dashscope", "https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api",
        "https://dashscope-intl.aliyuncs.com", "dashscope.aliyuncs.com", "dashscope-us.aliyuncs.com",
        base="/compatible-mode/v1", does=("chat", "embeddings", "responses")),
    row("github_models", "https://docs.github.com/rest/models/inference", "https://models.github.ai",
        base="(?:/orgs/[^/]+)?/inference", does=("chat", "embeddings")),
    row("cloudflare", "https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility",
        "https://api.cloudflare.com", below="/client/v4/accounts/", base="/client/v4/accounts/[^/]+/ai/v1",
        does=("chat", "embeddings", "responses"), prices="cloudflare"),
    # On this machine: no hosts, no price unless one is configured.
    row("ollama", "https://docs.ollama.com/api/openai-compatibility", "http://127.0.0.1:11434", does=ALL),
    row("vllm", "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html", "http://127.0.0.1:8000", does=ALL),
    row("sglang", "https://docs.sglang.ai/basic_usage/openai_api.html", "http://127.0.0.1:30000", does=ALL),
    row("lmstudio", "https://lmstudio.ai/docs/developer/openai-compat", "http://127.0.0.1:1234", does=ALL),
    row("llamacpp", "https://github.com/ggml-org/llama.cpp/tree/master/tools/server", "http://127.0.0.1:8080", does=ALL),
    # Of Helicone's host map: Upstash's LLM half, and two that are routed and not read.
    row("qstash", "https://upstash.com/docs/qstash", "https://qstash.upstash.io", base="/llm/v1", labels=("qstash",)),
    row("predibase", "https://docs.predibase.com", "https://api.app.predibase.com", does=(), labels=("predibase",)),
    row("firecrawl", "https://docs.firecrawl.dev", "https://api.firecrawl.dev", does=(), labels=("firecrawl",)),
)
# fmt: on
