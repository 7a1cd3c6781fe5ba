"""OpenAI. https://platform.openai.com/docs/api-reference"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations, usage

PROVIDER = Provider(
    name="openai",
    origin="https://api.openai.com",
    # Regional hosts are eu.api.openai.com and the like. Codex on a ChatGPT plan calls chatgpt.com.
    hosts=("api.openai.com", "*.api.openai.com", "chatgpt.com"),
    labels=("oai",),
    aliases=("oai",),
    operations=(
        *operations("/v1", "chat", "text_completion", "embeddings", read_usage=usage),
        *operations("(?:/v1|/backend-api/codex)", "responses", read_usage=usage),
    ),
    prices="openai",
)
