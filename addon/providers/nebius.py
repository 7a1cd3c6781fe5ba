"""Nebius Token Factory, once AI Studio. https://docs.tokenfactory.nebius.com"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="nebius",
    origin="https://api.studio.nebius.ai",
    hosts=("api.studio.nebius.ai", "api.studio.nebius.com", "api.tokenfactory.nebius.com"),
    labels=("nebius",),
    operations=operations("/v1", "chat", "text_completion", "embeddings"),
)
