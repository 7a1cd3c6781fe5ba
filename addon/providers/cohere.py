"""Cohere. https://docs.cohere.com/docs/compatibility-api"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="cohere",
    origin="https://api.cohere.com",
    hosts=("api.cohere.com", "api.cohere.ai"),
    operations=operations("/compatibility/v1", "chat", "embeddings"),
    prices="cohere",
    source="https://docs.cohere.com/docs/compatibility-api",
)
