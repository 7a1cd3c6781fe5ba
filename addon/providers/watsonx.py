"""IBM's watsonx.ai: chats in OpenAI's words, an older generation of text in its own.

https://cloud.ibm.com/apidocs/watsonx-ai; paths as ibm_watsonx_ai 1.5 (href_definitions.py, gateway) and LiteLLM 1.109.1
(litellm/llms/watsonx) call them. A deployment of one's own has the same operations below /deployments/{id}. Prices depend on the
plan of the account, so that a call has none unless one is configured.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import local_servers, openai_shaped
from addon.providers.fields import at, count, error_type, items, string
from addon.providers.framing.model import BYTES_END, Terminal
from addon.providers.model import Json, Operation, Provider, Reading, Usage

SOURCE: Final = "https://cloud.ibm.com/apidocs/watsonx-ai"
_TEXT: Final = "/ml/v1(?:-beta)?(?:/deployments/[^/]+)?/text"
# Of generated text; each event before has "not_finished".
TERMINAL: Final = Terminal(anywhere=rb'"stop_reason"\s*:\s*"[^nN]')
_COUNTS: Final = ("input_token_count", "generated_token_count")


def read_generated(chunks: list[Json]) -> Reading:
    """`{model_id, results: [{generated_text, generated_token_count, input_token_count, stop_reason}]}`.

    An event of a stream has the words alone and the counts so far; those of the input are in the first one and 0 later.
    """
    results = [(index, result) for chunk in chunks for index, result in enumerate(items(at(chunk, "results")))]
    counted: dict[int, dict[str, int]] = {}
    for index, result in results:
        for name in _COUNTS:
            if (number := count(at(result, name))) is not None:
                counts = counted.setdefault(index, {})
                counts[name] = max(number, counts.get(name, 0))
    totals = {name: sum(counts.get(name, 0) for counts in counted.values()) for name in _COUNTS}
    stated = {name: total for name, total in totals.items() if any(name in counts for counts in counted.values())}
    reasons = [string(at(result, "stop_reason")) for _, result in results]
    return Reading(
        response_model=_first(string(at(chunk, name)) for chunk in chunks for name in ("model_id", "modelId")),
        finish_reasons=tuple(reason for reason in reasons if reason and reason.lower() != "not_finished"),
        usage=Usage(input_tokens=stated.get(_COUNTS[0]), output_tokens=stated.get(_COUNTS[1])) if stated else None,
        usage_raw=stated or None,
        text="".join(string(at(result, "generated_text")) or "" for _, result in results) or None,
        error_type=_first(error_type(chunk) for chunk in chunks),
    )


def read_counted(body: Json) -> Reading:
    """Embeddings and rankings, which state their input at the top."""
    number = count(at(body, "input_token_count"))
    return Reading(
        response_model=string(at(body, "model_id")),
        usage=None if number is None else Usage(input_tokens=number),
        usage_raw=None if number is None else {"input_token_count": number},
        error_type=error_type(body),
    )


def _first(words: Iterable[str | None]) -> str | None:
    return next((word for word in words if word), None)


def _chats() -> Operation:
    chat = openai_shaped.operations("", "chat", asks_usage=False)[0]
    # The last event has the usage; there is no `[DONE]`.
    return replace(chat, path=f"{_TEXT}/chat(?:_stream)?/?", terminal=BYTES_END, source=SOURCE)


OPERATIONS: Final[tuple[Operation, ...]] = (
    _chats(),
    Operation(
        name="text_completion",
        path=f"{_TEXT}/generation(?:_stream)?/?",
        read_json=lambda body: read_generated([body]),
        read_stream=lambda events: read_generated(local_servers.parsed(events)),
        terminal=TERMINAL,
        prompt_text=local_servers.prompt,
        source=SOURCE,
    ),
    Operation(name="embeddings", path=f"{_TEXT}/embeddings/?", read_json=read_counted, source=SOURCE),
    Operation(name="rerank", path=f"{_TEXT}/rerank/?", read_json=read_counted, source=SOURCE),
    Operation(name="count_tokens", path=f"{_TEXT}/tokenization/?", is_free=True, source=SOURCE),
    *openai_shaped.operations("/ml/gateway/v1", "chat", "text_completion", "embeddings"),
)

PROVIDER: Final = Provider(
    name="watsonx",
    origin="https://us-south.ml.cloud.ibm.com",
    hosts=("*.ml.cloud.ibm.com",),
    operations=OPERATIONS,
    source=SOURCE,
)
