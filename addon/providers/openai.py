"""OpenAI. https://developers.openai.com/api/reference"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import openai_agents, openai_containers, openai_evals, openai_runs
from addon.providers.model import Json, Provider, Reading
from addon.providers.openai_live import live
from addon.providers.openai_realtime import realtime, responses_over_socket
from addon.providers.openai_shaped import operations
from addon.providers.openai_translations import translations


def with_search(reading: Reading, _events: Sequence[Json]) -> Reading:
    """A search model of chat completions searches once before each answer, for a fee that no answer states.

    https://developers.openai.com/api/docs/guides/tools-web-search
    """
    searched = "-search-" in (reading.response_model or "") and reading.finish_reasons
    return replace(reading, units=reading.units | {"search_model_calls": Decimal(1)}) if searched else reading


def region(host: str, _path: str) -> str | None:
    """Of a host like eu.api.openai.com. https://developers.openai.com/api/docs/guides/data-residency"""
    return host.removesuffix(".api.openai.com") if host.endswith(".api.openai.com") else None


def price_list(_host: str, path: str, _model: str | None) -> str:
    return "openai-decisions" if path.partition("?")[0].rstrip("/").endswith("/decisions") else "openai"


PLAN_HOSTS: Final = ("chatgpt.com", "gov.chatgpt.com")

PROVIDER = Provider(
    name="openai",
    origin="https://api.openai.com",
    # Codex on a ChatGPT plan calls chatgpt.com, in government workspaces gov.chatgpt.com (codex 0.169.0, its own text).
    hosts=("api.openai.com", "*.api.openai.com", *(f"{host}/backend-api/codex/" for host in PLAN_HOSTS)),
    labels=("oai",),
    aliases=("oai",),
    operations=(
        *operations("/v1", "chat", complete=with_search),
        *operations("/v1", "text_completion", "embeddings"),
        # Before the responses that are named by their id.
        *operations("(?:/v1|/backend-api/codex)", "responses", "compact"),
        responses_over_socket("(?:/v1|/backend-api/codex)"),
        realtime("/v1"),
        live("/v1"),
        translations("/v1"),
        *openai_agents.operations("/v1"),
        *openai_runs.operations("/v1"),
        openai_evals.evals("/v1"),
        openai_containers.containers("/v1"),
        *operations("/v1", "count_tokens", "retrieve_response", "cancel_response", "decisions"),
        *operations("/v1", "image_generation", "image_edit", "image_variation", "video_generation"),
        *operations("/v1", "speech", "transcription", "translation", "moderation", "batch_results"),
    ),
    prices="openai",
    price_list=price_list,
    region=region,
    plan_hosts=frozenset(PLAN_HOSTS),
    source="https://developers.openai.com/api/reference",
)
