"""Providers that differ from OpenAI's API only in data: one row each. A provider with behaviour of its own has a file.

`base` is a regular expression of the path before `/chat/completions`. `prices` is the provider's id in genai-prices.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import (
    anthropic_shaped,
    diffusion,
    local_pooling,
    media,
    openai_shaped,
    openai_usage,
    openai_videos,
    voyage,
    zai,
)
from addon.providers.completed import Complete
from addon.providers.fields import at, error_type, items
from addon.providers.model import Json, Operation, Provider, Reading, Usage

CHAT: Final = ("chat",)
COMPLETIONS: Final = ("chat", "text_completion")
EMBEDDINGS: Final = ("chat", "text_completion", "embeddings")
ALL: Final = ("chat", "text_completion", "embeddings", "responses")
# In addon/providers/media.py.
MEDIA: Final = ("images", "speech", "transcription", "translation", "rerank")
_OWN: Final = (*MEDIA, "videos")  # not in the shape of a chat

_CHINA: Final = frozenset({"api.moonshot.cn", "open.bigmodel.cn"})


def in_china(host: str, _path: str) -> str | None:
    return "cn" if host in _CHINA else None


def moonshots_searches(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """A call of the built-in `$web_search` costs a fee. https://platform.moonshot.ai/docs/pricing/tools"""
    called = sum(
        at(call, "function", "name") == "$web_search"
        for chunk in chunks
        for choice in items(at(chunk, "choices"))
        for side in ("message", "delta")
        for call in items(at(choice, side, "tool_calls"))
    )
    return replace(reading, units=reading.units | {"web_searches": Decimal(called)}) if called else reading


def row(
    name: str,
    source: str,
    origin: str,
    *more_hosts: str,
    base: str = "/v1",
    does: Sequence[str] = CHAT,
    labels: Sequence[str] = (),
    prices: str | None = None,
    read_usage: Callable[[Json], Usage | None] = openai_usage.usage,
    asks_usage: bool = True,
    below: str = "",
    region: Callable[[str, str], str | None] | None = None,
    messages: str = "",
    complete: Complete | None = None,
    plan_hosts: Sequence[str] = (),
    plan_paths: Sequence[str] = (),
    price_list: Callable[[str, str, str | None], str | None] | None = None,
    others: Sequence[Operation] = (),
) -> Provider:
    """A provider whose first host is that of `origin`; a local one (http) has none that could be decrypted.

    `does`: what is known to be served there. The other shapes of OpenAI's API are read as well where a call has one: what a
    provider adds tomorrow has a row at once, and a call that it refuses is an error.

    `below`: the path of that host under which its API lives, where the host serves other things as well. `messages`: the
    path, a regular expression, where it speaks Anthropic's API.
    """
    hosts = (origin.removeprefix("https://") + below, *more_hosts) if origin.startswith("https://") else more_hosts
    does = tuple(dict.fromkeys((*does, *ALL, *MEDIA)))
    shaped = tuple(operation for operation in does if operation not in _OWN)
    sold = media.operations(base, *(operation for operation in does if operation in _OWN), complete=complete)
    chat = openai_shaped.operations(base, *shaped, read_usage=read_usage, asks_usage=asks_usage, complete=complete)
    return Provider(
        name=name,
        origin=origin,
        hosts=hosts,
        labels=tuple(labels),
        operations=(
            *chat,
            *sold,
            *others,
            *((anthropic_shaped.messages(messages, complete),) if messages else ()),
        ),
        prices=prices,
        region=region,
        plan_hosts=frozenset(plan_hosts),
        plan_paths=tuple(plan_paths),
        price_list=price_list,
        source=source,
    )


# together/resources/videos.py; its answer is that of OpenAI's videos (together/types/video_job.py).
TOGETHERS_VIDEOS: Final = Operation(name="video_generation", path="/v2/videos/?", read_json=openai_videos.read_json)

# https://platform.moonshot.ai/docs/api/estimate
MOONSHOTS_COUNT: Final = Operation(
    name="count_tokens",
    path="/v1/tokenizers/estimate-token-count/?",
    is_free=True,
    read_json=lambda body: Reading(usage_raw=at(body, "data"), error_type=error_type(body)),
)

# fmt: off
PROVIDERS: Final = (
    row("deepseek", "https://api-docs.deepseek.com", "https://api.deepseek.com",
        base="(?:/v1|/beta)?", does=("chat", "text_completion", "responses"), labels=("deepseek",), prices="deepseek",
        messages="/anthropic/v1/messages"),
    row("together", "https://docs.together.ai/reference", "https://api.together.xyz", "api.together.ai",
        does=(*EMBEDDINGS, *MEDIA, "batch_results"), labels=("together",), prices="together", others=(TOGETHERS_VIDEOS,)),
    # Sound has hosts of its own: https://docs.fireworks.ai/api-reference/audio-transcriptions
    row("fireworks", "https://docs.fireworks.ai/api-reference", "https://api.fireworks.ai",
        "audio-prod.us-virginia-1.direct.fireworks.ai", "audio-turbo.us-virginia-1.direct.fireworks.ai",
        base="(?:/inference)?/v1", does=(*ALL, "rerank", "transcription", "translation"), labels=("fireworks",),
        prices="fireworks", messages="/inference/v1/messages", others=diffusion.FIREWORKS),
    row("cerebras", "https://inference-docs.cerebras.ai/api-reference", "https://api.cerebras.ai",
        does=COMPLETIONS, labels=("cerebras",), prices="cerebras", messages="/v1/messages"),
    # Nebius Token Factory, once AI Studio.
    row("nebius", "https://docs.tokenfactory.nebius.com", "https://api.studio.nebius.ai",
        "api.studio.nebius.com", "api.tokenfactory.nebius.com", "*.api.tokenfactory.nebius.com", "api.tokenfactory.*.nebius.com",
        does=(*EMBEDDINGS, "images", "rerank", "batch_results"), labels=("nebius",)),
    row("novita", "https://novita.ai/docs/api-reference", "https://api.novita.ai",
        base="(?:/v3/openai(?:/v1)?|/openai/v1|/openai)", does=(*EMBEDDINGS, "rerank"), labels=("novita",),
        prices="novita", messages="/anthropic/v1/messages", others=diffusion.NOVITA),
    row("hyperbolic", "https://docs.hyperbolic.xyz", "https://api.hyperbolic.xyz",
        does=COMPLETIONS, labels=("hyperbolic",), others=diffusion.HYPERBOLIC),
    # Free trial credits, or a licence of its own: no price by the token. The retrieval models have hosts' paths below ai.api.
    row("nvidia", "https://docs.api.nvidia.com/nim/reference", "https://integrate.api.nvidia.com", "ai.api.nvidia.com",
        base="(?:/v1|/v1/retrieval/[^/]+(?:/[^/]+)?|/v1/gr/[^/]+/[^/]+)", does=(*EMBEDDINGS, "rerank"), labels=("nvidia",)),
    row("sambanova", "https://docs.sambanova.ai/docs/en/api-reference", "https://api.sambanova.ai",
        does=(*ALL, "transcription", "translation"), messages="/v1/messages"),
    # The hosts in China have price lists of their own, in yuan.
    row("moonshot", "https://platform.moonshot.ai/docs/api/chat", "https://api.moonshot.ai", "api.moonshot.cn",
        does=("chat", "batch_results"), prices="moonshotai", region=in_china, messages="/anthropic/v1/messages",
        complete=moonshots_searches, others=(MOONSHOTS_COUNT,)),
    # The Kimi Code plan.
    row("kimi_code", "https://www.kimi.com/code/docs", "https://api.kimi.com", base="/coding/v1",
        prices="moonshotai", messages="/coding/v1/messages", plan_hosts=("api.kimi.com",)),
    row("zai", "https://docs.z.ai/api-reference", "https://api.z.ai", "open.bigmodel.cn",
        base="/api/(?:coding/)?paas/v4", does=("chat", "embeddings", "images", "speech", "transcription", "rerank", "videos"),
        prices="zai", region=in_china, messages="/api/(?:coding/)?anthropic/v1/messages", complete=zai.complete,
        others=zai.OPERATIONS, plan_paths=("/api/coding/",)),
    row("github_models", "https://docs.github.com/rest/models/inference", "https://models.github.ai",
        "models.inference.ai.azure.com", base="(?:(?:/orgs/[^/]+)?/inference|/v1)?", does=("chat", "embeddings")),
    # A subscription: https://docs.github.com/en/copilot/reference/copilot-billing/models-and-pricing
    row("github_copilot", "https://docs.github.com/en/copilot", "https://api.githubcopilot.com",
        "api.individual.githubcopilot.com", "api.business.githubcopilot.com", "api.enterprise.githubcopilot.com",
        base="(?:/v1)?", does=("chat", "responses", "embeddings"), messages="/v1/messages", prices="github-copilot",
        plan_hosts=("api.githubcopilot.com", "api.individual.githubcopilot.com", "api.business.githubcopilot.com",
                    "api.enterprise.githubcopilot.com")),
    # genai-prices knows these as well, and they differ in nothing.
    row("arcee", "https://docs.arcee.ai", "https://api.arcee.ai", base="/api/v1", prices="arcee"),
    row("avian", "https://avian.io/docs/", "https://api.avian.io", does=COMPLETIONS, prices="avian"),
    row("baseten", "https://docs.baseten.co/inference/model-apis/overview", "https://inference.baseten.co",
        prices="baseten", messages="/v1/messages"),
    row("doubleword", "https://docs.doubleword.ai/inference-api/models", "https://api.doubleword.ai",
        does=("chat", "embeddings", "responses"), prices="doubleword"),
    row("meta", "https://dev.meta.ai/docs/protocols/chat-completions", "https://api.meta.ai",
        does=("chat", "responses"), prices="meta"),
    row("ovhcloud", "https://help.ovhcloud.com/csm/en-public-cloud-ai-endpoints-capabilities",
        "https://oai.endpoints.kepler.ai.cloud.ovh.net", does=EMBEDDINGS, prices="ovhcloud"),
    row("voyage", "https://docs.voyageai.com/reference/embeddings-api", "https://api.voyageai.com", "ai.mongodb.com",
        does=("embeddings", "rerank"), prices="voyageai", others=voyage.OPERATIONS),
    # Read, without a price list.
    row("ai21", "https://docs.ai21.com/reference", "https://api.ai21.com", base="/studio/v1"),
    row("inception", "https://docs.inceptionlabs.ai", "https://api.inceptionlabs.ai", does=COMPLETIONS),
    row("jina", "https://jina.ai/embeddings/", "https://api.jina.ai", does=("embeddings", "rerank"),
        others=(local_pooling.CLASSIFY,)),
    row("lambda", "https://docs.lambda.ai/public-cloud/lambda-inference-api", "https://api.lambda.ai",
        "api.lambdalabs.com", does=COMPLETIONS),
    # Of Helicone's host map: Upstash's LLM half, and two that are routed and not read.
    row("qstash", "https://upstash.com/docs/qstash", "https://qstash.upstash.io", base="/llm/v1", labels=("qstash",)),
    row("predibase", "https://docs.predibase.com", "https://api.app.predibase.com", does=(), labels=("predibase",)),
    row("firecrawl", "https://docs.firecrawl.dev", "https://api.firecrawl.dev", does=(), labels=("firecrawl",)),
)
# fmt: on
