"""Novita AI. https://novita.ai/docs/api-reference"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="novita",
    origin="https://api.novita.ai",
    hosts=("api.novita.ai",),
    labels=("novita",),
    operations=operations("(?:/v3/openai|/openai/v1)", "chat", "text_completion", "embeddings"),
    prices="novita",
)
