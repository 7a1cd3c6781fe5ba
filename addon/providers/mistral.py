"""Mistral. https://docs.mistral.ai/api"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="mistral",
    origin="https://api.mistral.ai",
    hosts=("api.mistral.ai",),
    labels=("mistral",),
    # It states the usage of every stream, and answers `stream_options.include_usage` with 422 (extra_forbidden).
    # https://github.com/openai/openai-agents-python/issues/442
    operations=operations("/v1", "chat", "embeddings", asks_usage=False),
    prices="mistral",
)
