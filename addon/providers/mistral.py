"""Mistral. https://docs.mistral.ai/api"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="mistral",
    origin="https://api.mistral.ai",
    hosts=("api.mistral.ai",),
    labels=("mistral",),
    operations=operations("/v1", "chat", "embeddings"),
    prices="mistral",
)
