"""OpenAI. https://platform.openai.com/docs/api-reference"""

from addon.providers.model import Provider
from addon.providers.openai_realtime import realtime, responses_over_socket
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="openai",
    origin="https://api.openai.com",
    # Regional hosts are eu.api.openai.com and the like. Codex on a ChatGPT plan calls chatgpt.com.
    hosts=("api.openai.com", "*.api.openai.com", "chatgpt.com/backend-api/codex/"),
    labels=("oai",),
    aliases=("oai",),
    operations=(
        *operations("/v1", "chat", "text_completion", "embeddings"),
        *operations("(?:/v1|/backend-api/codex)", "responses"),
        responses_over_socket("(?:/v1|/backend-api/codex)"),
        realtime("/v1"),
    ),
    prices="openai",
    region=lambda host, path: host.removesuffix(".api.openai.com") if host.endswith(".api.openai.com") else None,
    plan_hosts=frozenset({"chatgpt.com"}),
    source="https://platform.openai.com/docs/api-reference",
)
