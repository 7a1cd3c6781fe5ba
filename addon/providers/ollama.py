"""Ollama on this machine, its OpenAI-shaped half. https://docs.ollama.com/api/openai-compatibility"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="ollama",
    origin="http://127.0.0.1:11434",
    hosts=(),
    operations=operations("/v1", "chat", "text_completion", "embeddings", "responses"),
)
