"""What Gemini's answers say of their use: tokens, their modalities, searches. Shared by AI Studio, Vertex and the Live API.

Fields: google-genai 3.4, types.GenerateContentResponseUsageMetadata, UsageMetadata (Live) and GroundingMetadata, and
https://ai.google.dev/api/generate-content#UsageMetadata
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from addon.providers.fields import at, count, items, string
from addon.providers.model import Json, Usage

Units = dict[str, Decimal | None]

# Text has the price of the whole. A document is priced as images: https://ai.google.dev/gemini-api/docs/document-processing
MODALITIES: Final = {"AUDIO": "audio", "DOCUMENT": "image", "IMAGE": "image", "VIDEO": "video"}
_DETAILS: Final = (
    ("promptTokensDetails", "input_{}_tokens"),
    ("promptTokenDetails", "input_{}_tokens"),  # of embeddings
    ("toolUsePromptTokensDetails", "input_{}_tokens"),
    ("cacheTokensDetails", "cache_{}_read_tokens"),
    ("candidatesTokensDetails", "output_{}_tokens"),
    ("responseTokensDetails", "output_{}_tokens"),  # of the Live API
)
# Up to Gemini 2.5 a grounded prompt is billed, whatever it searched for; since Gemini 3 each query.
# https://ai.google.dev/gemini-api/docs/google-search#pricing
_BILLED_PER_PROMPT: Final = re.compile(r"(?:.*/)?gemini-(?:live-)?[12][.-].*")
# google-genai 3.4, types.TrafficType; a request may name the tier as well (types.ServiceTier).
_TRAFFIC: Final = {
    "ON_DEMAND": None,
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "TRAFFIC_TYPE_UNSPECIFIED": None,
    "PROVISIONED_THROUGHPUT": None,
}
PROVISIONED: Final = "PROVISIONED_THROUGHPUT"


def usage(raw: Json) -> Usage | None:
    """Thoughts are counted beside the candidates, the prompt of tools beside the prompt; ours have them in. Cached tokens
    are inside the prompt. A count of 0 is left out of the JSON: the total tells."""
    prompt, thoughts = count(at(raw, "promptTokenCount")), count(at(raw, "thoughtsTokenCount"))
    answer = count(at(raw, "candidatesTokenCount"))
    if answer is None:
        answer = count(at(raw, "responseTokenCount"))  # of the Live API
    tools, total = count(at(raw, "toolUsePromptTokenCount")), count(at(raw, "totalTokenCount"))
    if prompt is None and answer is None and thoughts is None:
        return None
    output = None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0)
    if output is None and prompt is not None and total is not None and total >= prompt + (tools or 0):
        output = total - prompt - (tools or 0)
    return Usage(
        input_tokens=None if prompt is None else prompt + (tools or 0),
        cache_read_input_tokens=count(at(raw, "cachedContentTokenCount")),
        output_tokens=output,
        reasoning_output_tokens=thoughts,
    )


def token_parts(raw: Json) -> Units:
    """Tokens of sound, images and video inside the totals."""
    found: dict[str, int] = {}
    for key, unit in _DETAILS:
        for detail in items(at(raw, key)):
            modality = MODALITIES.get((string(at(detail, "modality")) or "").upper())
            if modality and (number := count(at(detail, "tokenCount"))):
                name = unit.format(modality)
                found[name] = found.get(name, 0) + number
    return {name: Decimal(number) for name, number in found.items()}


def price_factors(raw: Json) -> dict[str, str]:
    """The tier that served the call: Vertex says `trafficType`, AI Studio and the Live API `serviceTier`."""
    tier = string(at(raw, "serviceTier"))
    traffic = string(at(raw, "trafficType"))
    served = _TRAFFIC.get(traffic.upper(), traffic.lower()) if traffic else service_tier(tier)
    return {"service_tier": served} if served else {}


def service_tier(tier: str | None) -> str | None:
    """`SERVICE_TIER_FLEX` and `flex` are the same; the standard tier is not a factor."""
    name = (tier or "").lower().removeprefix("service_tier_")
    return None if name in ("", "unspecified", "standard") else name


def is_provisioned(raw: Json) -> bool:
    """Served from capacity that was bought before."""
    return (string(at(raw, "trafficType")) or "").upper() == PROVISIONED


def searches(groundings: Iterable[Json], model: str | None) -> Units:
    """Uses of Google Search and Google Maps, as they are billed. Empty queries do not count, equal ones once."""
    queries: set[str] = set()
    kinds: set[str] = set()
    for grounding in groundings:
        for key in ("webSearchQueries", "imageSearchQueries"):
            queries.update(query for item in items(at(grounding, key)) if (query := string(item)) and query.strip())
        kinds.update(
            kind
            for chunk in items(at(grounding, "groundingChunks"))
            for kind in ("web", "maps", "image")
            if at(chunk, kind)
        )
    asked_maps, asked_web = "maps" in kinds, bool(kinds & {"web", "image"})
    if not queries and not kinds:
        return {}
    found: Units = {}
    if asked_web or not asked_maps:
        found["web_searches"] = Decimal(len(queries)) if queries else None
    if asked_maps:
        found["map_searches"] = Decimal(len(queries)) if queries and not asked_web else None
        if asked_web and queries:  # both cost the same by query, and which of them a query was for is not said
            del found["map_searches"]
    if is_billed_per_prompt(model):
        return {
            name: Decimal(1)
            for name, asked in (("web_searches", asked_web or not asked_maps), ("map_searches", asked_maps))
            if asked
        }
    return found


def own_data(groundings: Iterable[Json]) -> Units:
    """Whether an answer rests on data of the caller's own. Vertex has fees for that; how often it looked nobody says."""
    looked = any(
        at(chunk, "retrievedContext") for grounding in groundings for chunk in items(at(grounding, "groundingChunks"))
    )
    return {"storage_searches": None} if looked else {}


def is_billed_per_prompt(model: str | None) -> bool:
    return model is not None and _BILLED_PER_PROMPT.fullmatch(model.lower()) is not None


def per_prompt(units: Mapping[str, Decimal | None], model: str | None) -> Units:
    """The same units where only the request names the model."""
    fees = {"web_searches", "map_searches"} if is_billed_per_prompt(model) else set()
    return {name: Decimal(1) if name in fees else number for name, number in units.items()}
