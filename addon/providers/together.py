"""Together AI. https://docs.together.ai/reference"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="together",
    origin="https://api.together.xyz",
    hosts=("api.together.xyz", "api.together.ai"),
    labels=("together",),
    operations=operations("/v1", "chat", "text_completion", "embeddings"),
    prices="together",
)
