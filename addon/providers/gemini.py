"""Google Gemini (AI Studio). https://ai.google.dev/api; its OpenAI-shaped half: https://ai.google.dev/gemini-api/docs/openai"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="gemini",
    origin="https://generativelanguage.googleapis.com",
    hosts=("generativelanguage.googleapis.com",),
    labels=("google",),
    operations=operations("/v1beta/openai", "chat", "embeddings"),
    prices="google",
)
