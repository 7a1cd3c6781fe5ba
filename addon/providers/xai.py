"""xAI. https://docs.x.ai/docs/api-reference"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="xai",
    origin="https://api.x.ai",
    # Regional hosts are us-east-1.api.x.ai and the like.
    hosts=("api.x.ai", "*.api.x.ai"),
    labels=("x",),
    operations=operations("/v1", "chat", "text_completion", "embeddings", "responses"),
    prices="x-ai",
)
