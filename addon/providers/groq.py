"""Groq. https://console.groq.com/docs/api-reference"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="groq",
    origin="https://api.groq.com",
    hosts=("api.groq.com",),
    labels=("groq",),
    operations=operations("/openai/v1", "chat", "responses", "embeddings"),
    prices="groq",
)
