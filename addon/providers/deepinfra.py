"""DeepInfra. https://deepinfra.com/docs/openai_api"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="deepinfra",
    origin="https://api.deepinfra.com",
    hosts=("api.deepinfra.com",),
    labels=("deepinfra",),
    operations=operations("/v1/openai", "chat", "text_completion", "embeddings"),
)
