"""Fireworks AI. https://docs.fireworks.ai/api-reference"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="fireworks",
    origin="https://api.fireworks.ai",
    hosts=("api.fireworks.ai",),
    labels=("fireworks",),
    operations=operations("/inference/v1", "chat", "text_completion", "embeddings", "responses"),
    prices="fireworks",
)
