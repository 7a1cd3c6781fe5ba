"""Amazon Bedrock: Converse, InvokeModel, and the halves that speak OpenAI's and Anthropic's APIs.

Operations and shapes as in botocore's bedrock-runtime/2023-09-30/service-2.json; hosts as in its endpoint-rule-set-1.json.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import anthropic, bedrock_agents, bedrock_converse, bedrock_invoke, bedrock_sonic, dialect
from addon.providers.fields import at, count, items, string
from addon.providers.model import Asked, Json, Operation, Provider, Reading, Terminal, Usage
from addon.providers.openai_shaped import operations

CONVERSE_TERMINAL: Final = Terminal(events=frozenset({"metadata"}))
# Quotes in the text of an answer are escaped, so it cannot look like the last chunk.
INVOKE_TERMINAL: Final = Terminal(anywhere=b'"%b"' % bedrock_invoke.METRICS.encode())

# Most families state their tokens in the headers of the answer alone.
# https://docs.aws.amazon.com/bedrock/latest/userguide/inference-invoke.html
_COUNT: Final = "x-amzn-bedrock-{}-token-count"
_INPUT, _OUTPUT = _COUNT.format("input"), _COUNT.format("output")
_READ, _WRITTEN = _COUNT.format("cache-read-input"), _COUNT.format("cache-write-input")
_TIER, _LATENCY = "x-amzn-bedrock-service-tier", "x-amzn-bedrock-performanceconfig-latency"
_ERROR: Final = "x-amzn-errortype"
HEADERS: Final = (_INPUT, _OUTPUT, _READ, _WRITTEN, _TIER, _LATENCY, _ERROR)
_AGENTS_HEADERS: Final = (*bedrock_agents.SESSION_HEADERS, _ERROR)

# One price in these; elsewhere Amazon's own and open models cost more, mostly. Claude costs the same in every region of
# a kind (global, other). https://aws.amazon.com/bedrock/pricing/
_LIST_REGIONS: Final = frozenset({"us-east-1", "us-east-2", "us-west-2"})
_SAME_EVERYWHERE: Final = re.compile(r"(?:arn:[^/]*/)?(?:[a-z-]+\.)?(?:anthropic\.|openai\.gpt-\d)")
_GLOBAL: Final = re.compile(r"(?:arn:[^/]*/)?global\.")
_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_GUARDED: Final = ("guardrailConfig", "amazon-bedrock-guardrailConfig", "guardrailConfiguration")


def region_of(host: str) -> str | None:
    """`bedrock-runtime.eu-west-1.amazonaws.com` -> "eu-west-1"."""
    return next((label for label in host.split(".") if _REGION.fullmatch(label)), None)


def completed(reading: Reading, asked: Asked) -> Reading:
    """What the headers, the host and the model's name add: tokens, the exception's name, tier, region."""
    headers = asked.answer_headers
    if reading.usage is None and (stated := _header_usage(headers)):
        raw = {name: headers[name] for name in (_INPUT, _OUTPUT, _READ, _WRITTEN) if name in headers}
        reading = replace(reading, usage=stated, usage_raw=raw)
    factors = bedrock_converse.price_factors(headers.get(_TIER), headers.get(_LATENCY))
    factors |= reading.price_factors | _region_factor(asked.host, asked.model or reading.response_model or "")
    units = reading.units
    if not units.keys() & set(bedrock_converse.GUARDRAIL_UNITS.values()) and _asks_guardrail(asked.body):
        units = units | {"guardrail_text_units": None}  # without its trace nobody is told how much it looked at
    return replace(reading, price_factors=factors, units=units, error_type=_error_type(reading, headers))


def _header_usage(headers: Mapping[str, str]) -> Usage | None:
    """Cached tokens are beside the input, as in `invocationMetrics`."""
    stated = {
        name: int(value)
        for name, value in (
            ("inputTokenCount", headers.get(_INPUT, "")),
            ("outputTokenCount", headers.get(_OUTPUT, "")),
            ("cacheReadInputTokenCount", headers.get(_READ, "")),
            ("cacheWriteInputTokenCount", headers.get(_WRITTEN, "")),
        )
        if value.isascii() and value.isdigit() and len(value) <= 12
    }
    return bedrock_invoke.metrics_usage(stated)


def _region_factor(host: str, model: str) -> dict[str, str]:
    region = region_of(host)
    if region is None or region in _LIST_REGIONS or _GLOBAL.match(model):
        return {}
    if _SAME_EVERYWHERE.match(model) and not region.startswith("us-gov"):
        return {}
    return {"region": region}


def _asks_guardrail(request: Json) -> bool:
    return any(at(request, name, "guardrailIdentifier") is not None for name in _GUARDED)


def _error_type(reading: Reading, headers: Mapping[str, str]) -> str | None:
    """`ValidationException:http://internal.amazon.com/...` in the header; its name is the part before the colon."""
    told = headers.get(_ERROR, "").partition(":")[0]
    return told or reading.error_type


def _named(reader: Callable[[Json], Reading]) -> Callable[[Json], Reading]:
    """An error's body may name it: `{"__type": "com.amazon.coral.service#AccessDeniedException", "message": ...}`."""

    def read(body: Json) -> Reading:
        reading = reader(body)
        name = string(at(body, "__type"))
        if name is None:
            return reading
        return replace(reading, error_type=name.rpartition("#")[2].partition(":")[0])

    return read


def _of_images(reading: Reading, asked: Asked) -> Reading:
    """The size and quality of images choose their price; they are asked for in `imageGenerationConfig`.

    https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html: 1024 x 1024, standard by default
    """
    reading = completed(reading, asked)
    wished = at(asked.body, "imageGenerationConfig")
    if not isinstance(wished, dict) and string(at(asked.body, "taskType")) is None:
        return reading
    width, height = count(at(wished, "width")) or 1024, count(at(wished, "height")) or 1024
    quality = string(at(wished, "quality")) or "standard"
    return replace(
        reading, price_factors=reading.price_factors | {"size": _size(max(width, height)), "quality": quality}
    )


def _size(longest_side: int) -> str:
    """The sizes that prices are for: up to this many pixels a side."""
    return next((f"up to {side}" for side in (512, 1024, 2048) if longest_side <= side), "larger")


def _rerank(reading: Reading, asked: Asked) -> Reading:
    """A query is of up to 100 documents; a longer list counts as several. https://aws.amazon.com/bedrock/pricing/"""
    reading = completed(reading, asked)
    documents = len(items(at(asked.body, "documents"))) or len(items(at(asked.body, "sources")))
    searches = Decimal(-(-documents // 100)) if documents else None
    return replace(reading, usage=None, units={"rerank_searches": searches})


def _of_agents(reading: Reading, asked: Asked) -> Reading:
    """The session is named in a header."""
    headers = (asked.answer_headers.get(name) for name in bedrock_agents.SESSION_HEADERS)
    name = reading.response_id or next(filter(None, headers), None)
    return completed(replace(reading, response_id=name), asked)


def _embedding(reading: Reading, asked: Asked) -> Reading:
    """Embeddings have no output. Images have a price of their own; how long a sound or a video is, nobody says."""
    reading = completed(reading, asked)
    usage = reading.usage and replace(reading.usage, output_tokens=None)
    params = at(asked.body, "singleEmbeddingParams") or at(asked.body, "segmentedEmbeddingParams") or asked.body
    single = any(at(params, name) for name in ("inputImage", "image"))  # Titan, Nova; Cohere sends a list
    units: dict[str, Decimal | None] = {}
    if images := len(items(at(params, "images"))) + single:
        units["input_images"] = Decimal(images)
    units |= {f"input_{kind}_seconds": None for kind in ("audio", "video") if at(params, kind)}
    return replace(reading, usage=usage, units=reading.units | units)


def _read_guardrail(body: Json) -> Reading:
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html"""
    used = at(body, "usage")
    units = bedrock_converse.charged_units([used])
    action = string(at(body, "action"))
    if isinstance(used, dict) and not units:
        units = {"guardrail_content_units": Decimal(0)}  # only what is free looked at it
    return Reading(usage_raw=used, units=units, finish_reasons=(action,) if action else ())


def _read_guardrail_checks(body: Json) -> Reading:
    """Each check states its units, whose price we could not read. InvokeGuardrailChecks in botocore 1.44's description of
    bedrock-runtime"""
    used = at(body, "usage")
    stated = [count(at(check, "textUnits")) or 0 for check in used.values()] if isinstance(used, dict) else []
    return Reading(usage_raw=used, units={"guardrail_check_units": Decimal(sum(stated))} if stated else {})


def _read_count(body: Json) -> Reading:
    return Reading(usage_raw=body)


def _read_started(body: Json) -> Reading:
    return Reading(response_id=string(at(body, "invocationArn")))


def _video(reading: Reading, asked: Asked) -> Reading:
    """Amazon Nova Reel: six seconds, unless the request says otherwise.

    https://docs.aws.amazon.com/nova/latest/userguide/video-gen-access.html
    """
    wished = at(asked.body, "modelInput")
    seconds = count(at(wished, "videoGenerationConfig", "durationSeconds"))
    shots = len(items(at(wished, "multiShotManualParams", "shots")))
    known = 6 * shots or seconds
    reading = replace(reading, units={"video_seconds": None if known is None else Decimal(known)})
    return completed(reading, asked)


def _invoke(name: str, models: str, with_request: Callable[[Reading, Asked], Reading] = completed) -> list[Operation]:
    """InvokeModel, whole and streamed, for the models whose names match."""
    path = rf"/model/(?P<model>{models})/invoke"
    whole = Operation(
        name=name,
        path=path,
        read_json=_named(bedrock_invoke.read_json),
        with_request=with_request,
        prompt_text=bedrock_invoke.prompt,
        answer_headers=HEADERS,
    )
    streamed = replace(
        whole,
        path=path + "-with-response-stream",
        terminal=INVOKE_TERMINAL,
        read_stream=bedrock_invoke.read_stream,
    )
    return [whole, streamed]


def _dedicated(operation: Operation) -> Operation:
    """An operation of OpenAI's or Anthropic's API, here."""
    return replace(operation, with_request=completed, answer_headers=HEADERS)


# An ARN may be sent with its slash as it is.
_SEGMENT: Final = r"[^/]+(?:/[^/]+)?"
_CONVERSE: Final = Operation(
    name="chat",
    path=rf"/model/(?P<model>{_SEGMENT})/converse",
    read_json=_named(bedrock_converse.read_json),
    with_request=completed,
    prompt_text=bedrock_converse.prompt,
    answer_headers=HEADERS,
)
OPERATIONS: Final = (
    _CONVERSE,
    replace(
        _CONVERSE,
        path=rf"/model/(?P<model>{_SEGMENT})/converse-stream",
        terminal=CONVERSE_TERMINAL,
        read_stream=bedrock_converse.read_stream,
    ),
    Operation(
        name="realtime",
        path=rf"/model/(?P<model>{_SEGMENT})/invoke-with-bidirectional-stream",
        terminal=bedrock_sonic.SESSION_END,
        is_two_way=True,
        read_json=_named(_read_count),
        read_stream=bedrock_sonic.read_stream,
        with_request=completed,
        prompt_text=lambda _request: "",  # sound
        answer_headers=HEADERS,
    ),
    *_invoke("embeddings", r"[^/]*(?:embed|marengo)[^/]*", _embedding),
    *_invoke("rerank", r"[^/]*rerank[^/]*", _rerank),
    *_invoke("image_generation", r"[^/]*(?:stability\.|image-generator|nova-canvas)[^/]*", _of_images),
    *_invoke("chat", _SEGMENT),
    Operation(
        name="count_tokens",
        path=rf"/model/(?P<model>{_SEGMENT})/count-tokens",
        is_free=True,  # https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html
        read_json=_named(_read_count),
        with_request=completed,
        answer_headers=HEADERS,
    ),
    Operation(
        name="guardrail",
        path=r"/guardrail/[^/]+/version/[^/]+/apply",
        read_json=_named(_read_guardrail),
        with_request=completed,
        answer_headers=HEADERS,
    ),
    Operation(
        name="guardrail",
        path="/guardrail-checks/invoke",
        read_json=_named(_read_guardrail_checks),
        with_request=completed,
        answer_headers=HEADERS,
    ),
    Operation(
        name="video_generation",
        path="/async-invoke",
        read_json=_named(_read_started),
        with_request=_video,
        answer_headers=HEADERS,
    ),
    # Of the agents' runtime. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html
    Operation(
        name="rerank",
        path="/rerank",
        read_json=_named(bedrock_invoke.read_json),
        with_request=_rerank,
        answer_headers=HEADERS,
    ),
    *(
        replace(
            operation,
            read_json=_named(bedrock_agents.read_json),
            with_request=_of_agents,
            answer_headers=_AGENTS_HEADERS,
        )
        for operation in bedrock_agents.OPERATIONS
    ),
    # bedrock-runtime has OpenAI's API below /openai/v1, bedrock-mantle below /v1, and Anthropic's below /anthropic.
    # https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html; anthropic/lib/bedrock/_mantle.py
    *map(_dedicated, operations("(?:/openai)?/v1", "chat", "responses", complete=bedrock_invoke.with_guardrail)),
    *(_dedicated(operation.below("/anthropic")) for operation in anthropic.MESSAGES),
)


PROVIDER = Provider(
    name="bedrock",
    origin="https://bedrock-runtime.us-east-1.amazonaws.com",
    # The region is a part of the host: `origin` is for callers who name none.
    hosts=(
        *("bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com"),
        *("bedrock-runtime.*.amazonaws.com.cn", "bedrock-runtime-fips.*.amazonaws.com.cn"),
        *("bedrock-runtime.*.api.aws", "bedrock-runtime-fips.*.api.aws"),  # IPv6 as well
        *(
            "bedrock-runtime.*.vpce.amazonaws.com",
            "*.bedrock-runtime.*.vpce.amazonaws.com",
        ),  # in a network of one's own
        "bedrock-mantle.*.api.aws",
        "bedrock-agent-runtime.*.amazonaws.com",
    ),
    labels=("bedrock",),
    operations=OPERATIONS,
    prices="aws",
    error_body=dialect.aws_error,
    source="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html",
)
