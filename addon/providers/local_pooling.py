"""What servers on one's own machine do with models that write no words: vectors, rankings, scores and labels.

vLLM (https://docs.vllm.ai/en/latest/models/pooling_models.html), Infinity (https://github.com/michaelfeil/infinity) and
llama.cpp state an OpenAI-shaped usage; SGLang (srt/entrypoints/openai/protocol.py) a `meta_info` for each document; Hugging
Face's TEI (router/src/http/server.rs) a header.
"""

from dataclasses import replace
from typing import Final

from addon.providers.fields import at, count, error_type, items, string
from addon.providers.model import Asked, Json, Operation, Reading, Usage

# Hugging Face's TEI answers with bare lists.
TOKENS_HEADER: Final = "x-compute-tokens"


def read_pooled(body: Json) -> Reading:
    """There is no output, so that all tokens are the input's."""
    raw = at(body, "usage")
    if raw is None:
        infos = [info for part in (items(body) or [body]) if (info := at(part, "meta_info"))]
        raw = (infos[0] if len(infos) == 1 else infos) or at(body, "meta") or None
    total = _tokens(raw)
    return Reading(
        response_model=string(at(body, "model")),
        response_id=string(at(body, "id")),
        usage=None if total is None else Usage(input_tokens=total),
        usage_raw=raw,
        error_type=error_type(body),
    )


def _tokens(raw: Json) -> int | None:
    parts = [_stated(part) for part in (raw if isinstance(raw, list) else [raw])]
    known = [number for number in parts if number is not None]
    return sum(known) if known and len(known) == len(parts) else None


def _stated(raw: Json) -> int | None:
    """The last ones are in `meta`, in Cohere's words: LiteLLM (types/rerank.py) and Xinference (types.py), which has an output
    there as well."""
    stated = (
        at(raw, "total_tokens"),
        at(raw, "prompt_tokens"),
        at(raw, "billed_units", "total_tokens"),
        at(raw, "billed_units", "input_tokens"),
        at(raw, "tokens", "input_tokens"),
    )
    return next((number for value in stated if (number := count(value)) is not None), None)


def with_header(reading: Reading, asked: Asked) -> Reading:
    stated = count(asked.answer_headers.get(TOKENS_HEADER))
    return reading if reading.usage or stated is None else replace(reading, usage=Usage(input_tokens=stated))


def pooled(name: str, path: str) -> Operation:
    return Operation(
        name=name,
        path=f"{path}/?",
        read_json=read_pooled,
        with_request=with_header,
        answer_headers=(TOKENS_HEADER,),
    )


RERANK: Final = pooled("rerank", "(?:/v[12])?/(?:rerank|reranking)")
SCORE: Final = pooled("score", "(?:/v1)?/score")
CLASSIFY: Final = pooled("classify", "(?:/v1)?/classify")
POOLING: Final = pooled("pooling", "/pooling")
VLLM: Final = (RERANK, SCORE, CLASSIFY, POOLING)
SGLANG: Final = (RERANK, SCORE, CLASSIFY, pooled("embeddings", "/encode"))
LLAMACPP: Final = (RERANK, pooled("embeddings", "/embeddings?"))
INFINITY: Final = (RERANK, CLASSIFY, pooled("embeddings", "/embeddings(?:_image|_audio)?"))
TEI: Final = (
    RERANK,
    pooled("classify", "/predict"),
    pooled("score", "/similarity"),
    pooled("embeddings", "/(?:embed|embed_all|embed_sparse)?"),
)
