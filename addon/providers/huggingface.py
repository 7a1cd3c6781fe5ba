"""Hugging Face's router: OpenAI's shape, paths of the providers behind it, and tasks of its own below /hf-inference.

https://huggingface.co/docs/inference-providers; routes as in src/providers of npm's @huggingface/inference 4.13.30. A path may
begin with the provider that the router is to use. Dedicated endpoints are paid by the hour.
"""

from dataclasses import replace
from typing import Final

from addon.providers import diffusion, local_servers, media, openai_shaped
from addon.providers.fields import at, items, string
from addon.providers.model import Json, Operation, Provider, Reading

_BASE: Final = (
    r"(?:/[^/]+)?(?:/v3/openai|/openai/v1|/inference/v1|/compatibility/v1|/v1/openai|/api/v1|/api/paas/v4|/v1)"
    r"|(?:/hf-inference)?/models/(?P<model>[^/]+(?:/[^/]+)?)/v1"
)
_WORDS: Final = ("text", "answer", "translation_text", "summary_text")
SOURCE: Final = "https://huggingface.co/docs/inference-providers"
_MODEL: Final = r"(?:/hf-inference)?/models/(?P<model>[^/]+(?:/[^/]+)?)"


def price_list(_host: str, path: str, model: str | None) -> str | None:
    """That of the provider that the router is told to use: by `model:provider`, or by the path."""
    name = (model or "").rpartition(":")[2] if ":" in (model or "") else path.split("/")[1]
    return f"huggingface_{name}" if name not in ("", "v1") else None


def read_task(chunks: list[Json]) -> Reading:
    """Any task's answer: labels, vectors, `[{generated_text}]`, `[{translation_text}]`, `{text}`, or `{error}`. None of them
    says what it costs: the seconds of a machine."""
    reading = local_servers.read_tgi(chunks)
    parts = [part for chunk in chunks for part in (items(chunk) or [chunk])]
    said = [text for part in parts for name in _WORDS if (text := string(at(part, name)))]
    return replace(reading, text=reading.text or "\n".join(said) or None)


def _task(name: str, path: str) -> Operation:
    return local_servers.native(name, path, read_task, local_servers.GENERATED, SOURCE)


PROVIDER: Final = Provider(
    name="huggingface",
    origin="https://router.huggingface.co",
    hosts=("router.huggingface.co", "api-inference.huggingface.co", "*.*.*.endpoints.huggingface.cloud"),
    operations=(
        *openai_shaped.operations(f"(?:{_BASE})", "chat", "text_completion", "responses", "embeddings"),
        *media.operations(f"(?:{_BASE})", "images", "speech", "transcription"),
        _task("embeddings", rf"{_MODEL}/pipeline/(?:feature-extraction|sentence-similarity)"),
        _task("embeddings", r"/pipeline/(?:feature-extraction|sentence-similarity)/(?P<model>[^/]+(?:/[^/]+)?)"),
        _task("inference", _MODEL),
        _task("inference", "/(?:generate(?:_stream)?)?"),  # of an endpoint of one's own
        # Each of these providers answers a task in its own shape, or names a job.
        *(operation.below("/novita") for operation in diffusion.NOVITA),
        _task("inference", r"/fal-ai/(?P<model>fal-ai/.+|[^/]+/.+)"),
        _task("inference", r"/replicate/v1/(?:models/(?P<model>[^/]+/[^/]+)/)?predictions"),
        _task("inference", r"/wavespeed/api/v3/(?P<model>.+)"),
    ),
    price_list=price_list,
    source=SOURCE,
)
