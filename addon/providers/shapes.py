"""Targets that are not a provider we know, read by the shape of their paths: OpenAI's, Anthropic's or Gemini's API below
any base path, ranking, and the APIs of clouds and servers that gateways pass on. They have the prices of the called host's
provider, or of the maker of the model (makers.py).
"""

from dataclasses import replace
from typing import Final

from addon.providers import (
    anthropic,
    bedrock,
    cohere,
    data_platforms,
    gateways,
    gemini,
    local_generate,
    local_pooling,
    local_servers,
    mistral,
    ollama,
    openai_shaped,
    openai_usage,
    vertex,
    watsonx,
)
from addon.providers.completed import with_stated_cost
from addon.providers.fields import at
from addon.providers.model import Asked, Json, Operation, Provider, Reading
from addon.remember import remember_short

ANY_BASE: Final = "(?:/[^/]+){0,6}?"


def _read_pooled(body: Json) -> Reading:
    """Cohere states its search units, and the tokens of its vectors, in `meta`."""
    billed = at(body, "meta", "billed_units")
    in_coheres_words = at(billed, "search_units") is not None or at(body, "response_type") is not None
    return cohere.read_json(body) if in_coheres_words else local_pooling.read_pooled(body)


_PUBLISHERS: Final = "/publishers/"
_SELLERS: Final = {
    _PUBLISHERS: "vertex",
    "/serving-endpoints/": "databricks",
    "/api/v2/cortex/": "snowflake",
    "/ml/v1/": "watsonx",
    # SAP's AI Core bills in units of its own, also for models that others list.
    "/inference/deployments/": "sap",
}
_PASSED_ON: Final[tuple[Operation, ...]] = (
    *(one for one in bedrock.PROVIDER.operations if one.path.startswith("/model/")),
    *(one for one in vertex.PROVIDER.operations if "publishers/" in one.path),
    *(one for one in ollama.PROVIDER.operations if one.path.startswith("/api/")),
    *(one for one in cohere.PROVIDER.operations if one.path.startswith("/v[12]/chat")),
    *(one for one in mistral.PROVIDER.operations if one.name == "ocr"),
    *local_servers.VLLM_OWN,
    *data_platforms.OPERATIONS,
    *watsonx.OPERATIONS,
)

# Azure's path of a deployment, which LiteLLM's proxy has as well, and an older one of OpenAI's.
_NAMED: Final = ANY_BASE + "/(?:deployments|engines)/(?P<model>[^/]+)"

_SHAPED: Final[tuple[Operation, ...]] = (
    *openai_shaped.operations(_NAMED, "chat", "text_completion", "embeddings"),
    *openai_shaped.operations(ANY_BASE),
    *(operation.below(ANY_BASE) for operation in anthropic.PROVIDER.operations),
    *(operation.below(ANY_BASE) for operation in gemini.NATIVE),
    replace(local_pooling.pooled("rerank", f"{ANY_BASE}/(?:reranks?|reranking|ranking)"), read_json=_read_pooled),
    local_generate.LMSTUDIOS_CHAT,
    local_generate.LLAMACPPS,
    *(operation.below(ANY_BASE) for operation in _PASSED_ON),
    *(operation.below(ANY_BASE) for operation in local_generate.OPERATIONS),
    replace(local_pooling.pooled("embeddings", f"{ANY_BASE}/embed"), read_json=_read_pooled),
)


def _priced_by_gateway(operation: Operation) -> Operation:
    """An operation in the words of a gateway that is not known: the cost that it states, and the tokens that it may leave out."""
    complete = operation.with_request

    def with_request(reading: Reading, asked: Asked) -> Reading:
        reading = complete(reading, asked) if complete else reading
        is_claude = "claude" in (reading.response_model or asked.model or "").lower()
        if reading.usage is None or not (is_claude and openai_usage.may_lack_cached(reading.usage_raw)):
            return reading
        odd = "whether the cached tokens are part of the prompt is not told"
        return replace(reading, usage=replace(reading.usage, input_tokens=None), usage_quality=odd)

    answer_headers = (*operation.answer_headers, gateways.LITELLMS_SIGN)
    shaped = replace(operation, with_request=with_request, answer_headers=answer_headers)
    return with_stated_cost(shaped, gateways.LITELLMS_COST, gateways.cost_in_usage)


OPERATIONS: Final = tuple(_priced_by_gateway(operation) for operation in _SHAPED)


def seller(_host: str, path: str, _model: str | None) -> str | None:
    """The company that bills, where a path is like no other company's. Snowflake bills in credits, also for models that others list."""
    return next((name for part, name in _SELLERS.items() if part in path), None)


def region(host: str, path: str) -> str | None:
    return vertex.region(host, path) if _PUBLISHERS in path else None


@remember_short(1024)
def unknown(name: str) -> Provider:
    """The provider for a name of the user's own, or for a target that is named after its host."""
    return Provider(name=name, origin=f"https://{name}", hosts=(), operations=OPERATIONS, seller=seller, region=region)


def _own_account(name: str, source: str, *own: Operation, prices: str | None = None) -> Provider:
    """A platform whose hosts are one account's each, so that there is none to send a call to unless the user names it: a
    host of this kind never resolves (RFC 2606)."""
    return Provider(
        name=name,
        origin=f"https://{name}.invalid",
        hosts=(),
        operations=(
            *openai_shaped.operations(ANY_BASE, "chat", "text_completion", "embeddings", "responses"),
            anthropic.MESSAGES[0].below(ANY_BASE),
            *(operation.below(ANY_BASE) for operation in own),
        ),
        prices=prices,
        source=source,
    )


PROVIDERS: Final = (
    _own_account(
        "databricks",
        data_platforms.DATABRICKS,
        data_platforms.INVOCATIONS,
        *gemini.generate_content(r"/gemini/v1beta/models/(?P<model>[^/:]+)"),
        prices="databricks",
    ),
    _own_account("snowflake", data_platforms.SNOWFLAKE, data_platforms.COMPLETE, data_platforms.EMBED),
)
