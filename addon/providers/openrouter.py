"""OpenRouter. https://openrouter.ai/docs/api-reference"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="openrouter",
    origin="https://openrouter.ai",
    hosts=("openrouter.ai", "eu.openrouter.ai"),
    labels=("openrouter",),
    operations=operations("/api/v1", "chat", "text_completion", "embeddings", "responses"),
    prices="openrouter",
)
